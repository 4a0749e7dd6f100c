import { describe, expect, test } from '@jest/globals';
import { inWorld, theCall } from '../../support/gate.ts';
import { completed, lost, pending, refused } from '../../support/gate-graph.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };

describe('a start', () => {
  test.each(['completed', 'Completed', 'COMPLETED'])('opens the gate when Graph says %s', (status) =>
    inWorld(times, async (world) => {
      world.graph.next('recording', completed(status));
      const started = await world.run(world.start(0));
      expect(started).toMatchObject({ ok: true, value: { open: true, outcome: { kind: 'completed' } } });
      await world.admitted(0);
      await world.admitted(1);
    }),
  );

  test.each([
    ['a refusal', refused(403), 'refused', 'startRefused'],
    ['error 8506', refused(400, '8506'), 'refused', 'startRefused'],
    [
      'a server error',
      { ...refused(503), answer: { status: 503, body: undefined } },
      'unknown',
      'startUnknown',
    ],
    [
      'an empty success',
      { ...completed(), answer: { status: 200, body: undefined }, confirms: false },
      'pending',
      'startUnknown',
    ],
    ['no answer', lost(0), 'unknown', 'startUnknown'],
  ] as const)('opens nothing on %s', (_, script, kind, event) =>
    inWorld(times, async (world) => {
      world.graph.next('recording', script);
      const started = await world.run(world.start(0));
      expect(started).toMatchObject({ ok: true, value: { open: false, outcome: { kind } } });
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
      expect(await world.events()).toEqual(['startRequested', event]);
      expect(await world.state()).toBe('idle');
    }),
  );

  test('polls a pending operation until it reads completed, and opens only then', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', pending('op-7'));
      const start = world.start(0);
      await world.clock.advance(1000);
      expect(world.graph.polls).toBeGreaterThan(1);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');

      world.graph.complete('op-7', 'Completed');
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: true } });
      await world.admitted(1);
    }));

  test('polls a pending operation no longer than two Graph timeouts, and opens nothing', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', pending('op-7'));
      const started = await world.run(world.start(0));
      expect(started).toMatchObject({ ok: true, value: { open: false, outcome: { kind: 'pending' } } });
      expect(world.clock.now()).toBeLessThanOrEqual(2 * graphTimeoutMs);

      world.graph.complete('op-7');
      await world.clock.advance(10 * graphTimeoutMs);
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
    }));

  test('opens nothing when its operation fails', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', pending('op-7'));
      world.graph.operation = (id) => ({ status: 200, body: { id, status: 'failed' } });
      const started = await world.run(world.start(0));
      expect(started).toMatchObject({ ok: true, value: { open: false, outcome: { kind: 'refused' } } });
      expect(await world.events()).toEqual(['startRequested', 'operationPending', 'startRefused']);
    }));

  test('takes a 404 of an operation for no answer at all', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', pending('op-7'));
      world.graph.operation = () => ({ status: 404, body: {} });
      const start = world.start(0);
      await world.clock.advance(1000);
      world.graph.complete('op-7');
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: true } });
    }));

  test('opens nothing with a reply for an older epoch', () =>
    inWorld(times, async (world) => {
      let release = (): void => undefined;
      const until = new Promise<void>((resolve) => (release = resolve));
      world.graph.next('recording', { ...completed(), until });
      const first = world.start(0);
      await world.clock.settle();
      expect(await world.run(world.start(1))).toRefuse('StatusInProgress');
      await world.clock.advance(3 * graphTimeoutMs);
      // The first start has used up its time since the other instance saw it, so another one may begin.
      world.graph.next('recording', { ...completed(), answerAfterMs: 500 });
      const second = world.start(1);
      await world.clock.advance(100);
      release();

      expect(await world.run(first)).toMatchObject({ ok: true, value: { open: false } });
      expect(await world.state()).toBe('starting');
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
      expect(await world.run(second)).toMatchObject({ ok: true, value: { open: true } });
      expect(await world.events()).toContain('startSuperseded');
    }));

  test('sends nothing when its handler was held up past its time', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), pauseMs: graphTimeoutMs });
      const started = await world.run(world.start(0));
      expect(started).toMatchObject({ ok: true, value: { open: false, sent: { kind: 'notSent' } } });
      expect(world.graph.log).toEqual([]);
    }));

  test('waits for another start, and is then forwarded as a repetition', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: 300 });
      const both = await world.run(Promise.all([world.start(0), world.start(1)]));
      expect(both).toMatchObject([
        { ok: true, value: { open: true } },
        { ok: true, value: { open: true } },
      ]);
      expect(world.graph.log).toEqual(['recording', 'recording']);
      expect(await world.events()).toEqual([
        'startRequested',
        'startConfirmed',
        'repeatRequested',
        'repeatSettled',
      ]);
      expect((await world.records()).map(({ epoch }) => epoch)).toEqual(
        Array.from({ length: 4 }, () => world.storeNow() - world.clock.now()),
      );
    }));

  test('gives up on another start that takes too long, and says when to retry', () =>
    inWorld({ ...times, drainMs: 0, ttlMs: 900 }, async (world) => {
      world.graph.next('recording', { ...completed(), answerAfterMs: graphTimeoutMs });
      const first = world.start(0);
      await world.clock.settle();
      const second = await world.run(world.start(1));
      expect(second).toRefuse('StatusInProgress');
      expect(second).toMatchObject({ retryAfterMs: 3 * graphTimeoutMs - world.clock.now() });
      await world.run(first);
    }));

  test('is refused for a call that has ended', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.run(world.stop(0, 'hangUp'));
      expect(await world.state()).toBe('ended');
      expect(await world.run(world.start(0))).toRefuse('CallEnded');
      expect(await world.run(world.stop(0))).toRefuse('CallEnded');
      expect(world.graph.log).toEqual(['recording', 'hangUp']);
    }));

  test('takes over from a start whose handler crashed, once its time is over', () =>
    inWorld({ ...times, ttlMs: 9000 }, async (world) => {
      world.graph.next('recording', { ...completed(), pauseMs: 1 });
      void world.start(0);
      await world.clock.settle();
      world.crash(0);
      expect(await world.state()).toBe('starting');
      await world.recording(1);
      expect(world.clock.now()).toBeGreaterThanOrEqual(3 * graphTimeoutMs);
      await world.admitted(1);
    }));

  test('gives every recording an epoch of its own, also when the clock of the store went back', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const first = (await world.view()).state!.epoch;
      await world.run(world.stop(0));
      world.storeSkewMs = -60_000;
      await world.recording();
      expect((await world.view()).state!.epoch).toBeGreaterThan(first);
    }));
});

describe('a repeated recording', () => {
  test.each([
    ['a refusal', refused(400)],
    ['a server error', { ...refused(500), answer: { status: 500, body: undefined } }],
    ['no answer', { ...lost(null) }],
  ] as const)('does not undo the first success by %s', (_, script) =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.graph.next('recording', script);
      expect(await world.run(world.start(0))).toMatchObject({ ok: true, value: { open: true } });
      expect(write.isLive).toBe(true);
      expect(await world.state()).toBe('recording');
      await world.admitted(0);
    }),
  );

  test('closes the gate and ends the call when Graph says that the call is gone', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.graph.next('recording', refused(404));
      const repeated = await world.run(world.start(0));
      expect(repeated).toMatchObject({ ok: true, value: { open: false, outcome: { gone: true } } });
      expect(write.wasCut).toBe(true);
      expect(await world.state()).toBe('ended');
    }));

  test.each([
    ['the call can never be recorded', '8506', { notPolicyCall: true }],
    ['the token is of another tenant than the call', '7505', { tenantMismatch: true }],
  ])('closes the gate when Graph says that %s', (_, code, outcome) =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.graph.next('recording', refused(400, code));
      const repeated = await world.run(world.start(0));
      expect(repeated).toMatchObject({ ok: true, value: { open: false, outcome } });
      expect(write.wasCut).toBe(true);
      expect(await world.state()).toBe('idle');
      expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
    }),
  );

  test('that is pending is given up as soon as a stop comes', () =>
    inWorld({ ...times, graphTimeoutMs: 20_000 }, async (world) => {
      await world.recording();
      world.graph.next('recording', pending('op-7'));
      const repeated = world.start(0);
      await world.clock.settle();
      expect(await world.run(world.stop(1))).toMatchObject({ ok: true });
      expect(world.graph.log).toEqual(['recording', 'recording', 'notRecording']);
      expect(await world.run(repeated)).toMatchObject({ ok: true, value: { open: false } });
      expect(await world.state(theCall)).toBe('idle');
    }));
});
