import { describe, expect, test } from '@jest/globals';
import { inWorld } from '../../support/gate.ts';
import { completed, lost, pending, refused } from '../../support/gate-graph.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };

describe('a stop', () => {
  test.each([
    ['notRecording', 'notRecording', 'idle', ['stopConfirmed']],
    ['failed', 'notRecording', 'idle', ['stopConfirmed']],
    ['hangUp', 'hangUp', 'ended', ['stopConfirmed', 'ended']],
  ] as const)('by %s ends the writes of every instance before it is sent', (cause, asked, state, settled) =>
    inWorld({ ...times, instances: 3 }, async (world) => {
      await world.recording();
      const writes = [await world.admitted(0), await world.admitted(1), await world.admitted(2)];
      const stop = world.stop(1, cause);
      await world.clock.advance(drainMs / 2);
      expect(world.graph.log).toEqual(['recording']);
      expect(await world.run(stop)).toMatchObject({ ok: true, value: { outcome: { kind: 'completed' } } });
      expect(writes.map(({ wasCut }) => wasCut)).toEqual([true, true, true]);
      expect(world.graph.log).toEqual(['recording', asked]);
      expect(await world.state()).toBe(state);
      expect(await world.events()).toEqual([
        'startRequested',
        'startConfirmed',
        'stopRequested',
        'drained',
        ...settled,
      ]);
      expect((await world.records()).find(({ event }) => event === 'stopRequested')?.detail).toEqual({
        cause,
      });
    }),
  );

  test('is told to a holder once, which leaves without asking the store what it was woken for', () =>
    inWorld({ ...times, instances: 2 }, async (world) => {
      await world.recording();
      (await world.admitted(1)).end();
      const before = world.commands.length;
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      const since = world.commands.slice(before);
      expect(since.filter(({ instance, name }) => instance === 1 || name === 'revoke')).toEqual([
        // The announcement comes first; the inbox is for whom it has not reached.
        { instance: 1, name: 'leave' },
        { instance: 0, name: 'revoke' },
      ]);
    }));

  test('is told again to a holder that takes its time, but not with every look at the store', () =>
    inWorld({ ...times, instances: 2 }, async (world) => {
      await world.recording();
      await world.admitted(1);
      const before = world.commands.length;
      const stop = world.stop(0);
      await world.clock.advance(drainMs / 2);
      const names = world.commands.slice(before).map(({ name }) => name);
      const told = names.filter((name) => name === 'revoke').length;
      expect(told).toBeGreaterThan(1);
      expect(told).toBeLessThan(names.filter((name) => name === 'read').length);
      expect(await world.run(stop)).toMatchObject({ ok: true });
    }));

  test('of an idle call is forwarded', () =>
    inWorld(times, async (world) => {
      expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      expect(world.graph.log).toEqual(['notRecording']);
      expect(await world.events()).toEqual(['stopRequested', 'drained', 'stopConfirmed']);
    }));

  test('that overtakes a start shuts it out at once, and Graph sees the two in order', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 700 });
      const start = world.start(0);
      await world.clock.settle();
      const stop = world.stop(1);
      await world.clock.settle();
      expect(await world.state()).toBe('stopping');
      await world.clock.advance(600);
      expect(world.graph.log).toEqual(['recording']);

      // The success comes late: it opens nothing, and lets the stop go on.
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: false } });
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
      expect(await world.run(stop)).toMatchObject({ ok: true });
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
      expect(await world.state()).toBe('idle');
      expect(await world.events()).toContain('startSuperseded');
    }));

  test('that overtakes a pending start does not wait for its operation', () =>
    inWorld({ ...times, graphTimeoutMs: 20_000 }, async (world) => {
      world.graph.next('recording', pending('op-7'));
      const start = world.start(0);
      await world.clock.advance(150);
      expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
      expect(world.clock.now()).toBeLessThan(1000);
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: false } });
    }));

  test('waits for the answer to a start no longer than its bound', () =>
    inWorld({ ...times, drainMs: 0, ttlMs: 900 }, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 1900 });
      const start = world.start(0);
      await world.clock.settle();
      const stopped = await world.run(world.stop(1));
      expect(stopped).toRefuse('StatusInProgress');
      expect(stopped).toMatchObject({ retryAfterMs: 3 * graphTimeoutMs - world.clock.now() });
      expect(world.clock.now()).toBeLessThan(1000);
      // The gate stays closed, whatever Graph answers.
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: false } });
      expect(await world.state()).toBe('stopping');
      expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
    }));

  test('that comes while another is under way waits for it, and is sent after it', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      const both = await world.run(Promise.all([world.stop(0), world.stop(1)]));
      expect(both).toMatchObject([{ ok: true }, { ok: true }]);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'notRecording']);
      expect(await world.state()).toBe('idle');
      const drained = (await world.records()).filter(({ event }) => event === 'drained');
      expect(drained.map(({ detail }) => detail.interval !== null)).toEqual([true, false]);
    }));

  test('that Graph refuses for good leaves the call idle with its gate closed', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      world.graph.next('notRecording', refused(400));
      expect(await world.run(world.stop(0))).toMatchObject({
        ok: true,
        value: { outcome: { kind: 'refused' } },
      });
      expect(await world.state()).toBe('idle');
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      expect(await world.events()).toContain('stopRefused');
      // Nothing is on the wire, so the next start is not held back.
      const before = world.clock.now();
      await world.recording();
      expect(world.clock.now()).toBe(before);
    }));

  test('that Graph answers with 404 ends a call that is bound', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', refused(404));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('ended');
    }));

  test('that Graph answers with 404 does not end a call that nobody is bound to', () =>
    inWorld(times, async (world) => {
      world.graph.next('notRecording', refused(404));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('idle');
    }));

  test.each([
    ['no answer came', lost(null)],
    ['Graph failed', { ...refused(502), answer: { status: 502, body: undefined } }],
    ['it stayed pending', pending('op-8')],
    ['its handler was held up past its time', { ...completed(), pauseMs: graphTimeoutMs }],
  ] as const)('is unconfirmed when %s, and the next start confirms it first', (_, script) =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', script);
      await world.run(world.stop(0));
      expect(await world.state()).toBe('unconfirmed');
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
      const before = world.clock.now();
      const sent = world.graph.log.length;

      await world.recording(1);
      expect(world.graph.log.slice(sent)).toEqual(['notRecording', 'recording']);
      // The one before may be on the wire for one Graph timeout after its handler gave up.
      expect(world.clock.now() - before).toBeGreaterThanOrEqual(graphTimeoutMs);
      expect((await world.records()).map(({ detail }) => detail.cause)).toContain('confirmation');
    }),
  );

  test('sends nothing when its handler was held up past its time', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', { ...completed(), pauseMs: graphTimeoutMs });
      expect(await world.run(world.stop(0))).toMatchObject({
        ok: true,
        value: { sent: { kind: 'notSent' } },
      });
      expect(world.graph.log).toEqual(['recording']);
    }));

  test('that cannot be confirmed keeps the next start from being sent', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', lost(null), lost(null));
      await world.run(world.stop(0));
      expect(await world.run(world.start(0))).toRefuse('StopUnconfirmed');
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'notRecording']);
      expect(await world.state()).toBe('unconfirmed');
    }));

  test('of a handler that crashed while it waited for Graph is sent again, and held to be on the wire', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', { ...lost(2 * graphTimeoutMs - 1), pauseMs: graphTimeoutMs - 1 });
      const began = world.clock.now();
      void world.stop(0);
      await world.clock.advance(graphTimeoutMs);
      world.crash(0);
      expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
      expect(await world.state()).toBe('idle');

      const before = world.violations.length;
      for (let asked = 0; asked < 3 && (await world.state()) !== 'recording'; asked++)
        await world.run(world.start(1));
      await world.admitted(1);
      await world.clock.advance(10 * graphTimeoutMs);
      expect(world.violations).toHaveLength(before);
      expect(world.graph.log).toEqual(['recording', 'notRecording', 'notRecording', 'recording']);
      expect(world.clock.now()).toBeGreaterThan(began);
    }));
});

describe('a stop that cannot be sent within its bound', () => {
  test.each(['stop', 'start'] as const)('leaves the gate closed, and the next %s takes over', (next) =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      // The instance says nothing of having left, but its session lives on.
      world.fail('leave', 'before', { instance: 1, times: 1000 });
      const began = world.clock.now();
      const stopped = await world.run(world.stop(0));
      expect(stopped).toRefuse('DrainTimeout');
      expect(stopped).toMatchObject({ retryAfterMs: ttlMs });
      expect(world.clock.now() - began).toBeLessThanOrEqual(drainMs + ttlMs + 50);
      expect(await world.state()).toBe('stopping');
      expect((await world.view()).state?.exchange).toBeNull();
      expect(world.graph.log).toEqual(['recording']);
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');

      world.calm();
      if (next === 'stop') expect(await world.run(world.stop(0))).toMatchObject({ ok: true });
      else await world.recording(0);
      expect(world.graph.log.slice(0, 2)).toEqual(['recording', 'notRecording']);
      expect(await world.events()).toEqual(expect.arrayContaining(['stopDeferred', 'stopTakenOver']));
    }),
  );
});
