import { describe, expect, test } from '@jest/globals';
import { callEnds, type CallEnd } from '../../../src/core/call/ends.ts';
import type { Notice } from '../../../src/core/notices/notice.ts';
import { bot, inWorld, theCall, unavailable, type Command, type World } from '../../support/gate.ts';
import { completed, lost, pending, refused } from '../../support/gate-graph.ts';
import {
  callIs,
  callNo,
  delta,
  invitation,
  operationEnded,
  participant,
  roster,
  tell,
} from '../../support/notices.ts';

const ttlMs = 3000;
const drainMs = 1000;
const graphTimeoutMs = 2000;
const times = { ttlMs, drainMs, graphTimeoutMs };
/** By then a call that ends has ended, whatever was in its way. */
const soonMs = 4 * (ttlMs + drainMs + graphTimeoutMs);

const terminated = callIs('terminated', { result: { code: 200, subcode: 5300 } });

/** The call has ended, once and for this reason; its gate is closed for good. */
async function expectEnded(world: World, cause: CallEnd, call = theCall): Promise<void> {
  const view = await world.view(call);
  expect(view.state).toMatchObject({ state: 'ended', exchange: null, openedAt: null });
  expect(view.holders).toEqual([]);
  expect(world.live(call)).toEqual([]);
  const ends = (await world.records()).filter((record) => record.event === 'ended' && record.call === call);
  expect(ends.map(({ detail }) => detail)).toEqual([{ cause }]);
  expect(world.ends).toEqual([cause]);
  const first = world.instances.find(({ isDead }) => !isDead)!.index;
  expect(await world.run(world.start(first, { call }))).toRefuse('CallEnded');
  expect(await world.run(world.stop(first, 'notRecording', { call }))).toRefuse('CallEnded');
  expect(await world.run(world.write(first, bot, call))).toRefuse('RecordingNotActive');
}

describe('a call that Graph says is over', () => {
  test.each<[string, Notice, CallEnd]>([
    ['terminated', terminated, 'terminated'],
    ['deleted', callIs(null, { changeType: 'deleted' }), 'deleted'],
    ['deleted in another state', callIs('established', { changeType: 'deleted' }), 'deleted'],
    ['deleted and terminated', callIs('terminated', { changeType: 'deleted' }), 'terminated'],
  ])('(%s) is closed at once, its writes are drained on every instance, and it ends', (_, notice, cause) =>
    inWorld({ ...times, instances: 3 }, async (world) => {
      await tell(world, 0, invitation());
      await world.recording();
      const writes = [await world.admitted(0), await world.admitted(1), await world.admitted(2)];
      writes[2]!.write.addBytes(7);
      await tell(world, 1, notice);
      await world.clock.advance(drainMs / 2);
      expect(await world.state()).toBe('stopping');
      for (const index of [0, 1, 2])
        expect(await world.run(world.write(index))).toRefuse('RecordingNotActive');
      writes[0]!.end();
      await world.clock.advance(drainMs);
      expect(writes.map(({ wasCut }) => wasCut)).toEqual([false, true, true]);
      expect(world.graph.log).toEqual(['recording']);
      const records = (await world.records()).filter(({ event }) => event !== 'writesRefused');
      expect(records.map(({ event }) => event).slice(-3)).toEqual(['stopRequested', 'drained', 'ended']);
      expect(records.at(-2)?.detail).toMatchObject({ writes: { admitted: 3, aborted: 2, bytes: 7 } });
      expect(records.at(-2)?.detail.interval).not.toBeNull();
      await expectEnded(world, cause);
    }),
  );

  test('changes nothing any more, whatever is told of it', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, [invitation(), terminated]);
      const before = await world.records();
      const told = world.outcomes.length;
      const replays: Notice[] = [
        terminated,
        invitation(),
        callIs('established'),
        callIs(null, { changeType: 'deleted' }),
        roster([participant('a')]),
        delta([participant('a', { sequence: 3 })]),
      ];
      for (const index of [0, 1]) await tell(world, index, replays);
      await world.clock.advance(soonMs);
      expect(await world.records()).toEqual(before);
      expect(world.outcomes.slice(told)).toEqual(Array.from({ length: 12 }, () => 'ended'));
      await tell(world, 1, operationEnded('op-7'));
      expect(world.outcomes.at(-1)).toBe('unknownOperation');
      expect(await world.records()).toEqual(before);
      await expectEnded(world, 'terminated');
    }));

  test('ends before it has begun, when the end is told first', () =>
    inWorld(times, async (world) => {
      await tell(world, 0, [terminated, invitation(), callIs('established')]);
      expect(world.outcomes).toEqual(['learned', 'ended', 'ended']);
      await expectEnded(world, 'terminated');
    }));

  test('ends once, though every instance hears of it', () =>
    inWorld({ ...times, instances: 3 }, async (world) => {
      await world.recording();
      await world.admitted(2);
      for (const { gate } of world.instances) gate.receiveNotices(bot, [terminated]);
      await world.clock.advance(soonMs);
      await expectEnded(world, 'terminated');
    }));

  test('ends alone', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      await tell(world, 0, [callIs('terminated', { call: callNo(1) })]);
      expect(write.isLive).toBe(true);
      await expectEnded(world, 'terminated', callNo(1));
      expect(await world.state()).toBe('recording');
    }));
});

describe('a call that is terminated', () => {
  test.each([0, 1])(
    'while a start is on its way (told on instance %i) is not opened by its success',
    (told) =>
      inWorld(times, async (world) => {
        world.graph.next('recording', { ...completed(), answerAfterMs: 1500 });
        const start = world.start(0);
        await world.clock.settle();
        await tell(world, told, terminated);
        await world.clock.advance(1000);
        expect(await world.state()).toBe('stopping');
        expect(await world.run(start)).toMatchObject({ ok: true, value: { open: false } });
        expect(await world.run(world.write(0))).toRefuse('RecordingNotActive');
        await world.clock.advance(soonMs);
        await expectEnded(world, 'terminated');
        expect(world.graph.log).toEqual(['recording']);
      }),
  );

  test('while an operation of its start is awaited is not opened by its end', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', pending('op-7'));
      const start = world.start(0);
      await world.clock.advance(500);
      await tell(world, 1, terminated);
      world.graph.complete('op-7');
      await tell(world, 0, operationEnded('op-7'));
      expect(await world.run(start)).toMatchObject({ ok: true, value: { open: false } });
      await world.clock.advance(soonMs);
      await expectEnded(world, 'terminated');
    }));

  test.each([
    ['is answered', { ...completed(), answerAfterMs: 1500 }, ['terminated']],
    ['is answered too late for one attempt', { ...pending('op-8') }, ['terminated']],
    ['is lost', lost(null), ['terminated']],
    ['is refused with 404', { ...refused(404), answerAfterMs: 500 }, ['statusNotFound']],
  ] as const)('while a stop is on its way, which %s, ends after that', (_, script, causes) =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      world.graph.next('notRecording', script);
      const stop = world.stop(0);
      await world.clock.advance(drainMs + 100);
      expect(await world.state()).toBe('unconfirmed');
      await tell(world, 1, terminated);
      expect(await world.run(stop)).toMatchObject({ ok: true });
      await world.clock.advance(soonMs);
      await expectEnded(world, causes[0]);
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
    }),
  );

  test('while a stop is drained ends after that stop', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(1);
      const stop = world.stop(0);
      await world.clock.advance(100);
      await tell(world, 1, terminated);
      expect(await world.run(stop)).toMatchObject({ ok: true });
      await world.clock.advance(soonMs);
      await expectEnded(world, 'terminated');
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
    }));

  test('while the outcome of its last stop is unknown ends, and nothing is sent', () =>
    inWorld(times, async (world) => {
      await world.recording();
      world.graph.next('notRecording', lost(null));
      await world.run(world.stop(0));
      expect(await world.state()).toBe('unconfirmed');
      await tell(world, 1, terminated);
      await world.clock.advance(soonMs);
      await expectEnded(world, 'terminated');
      expect(world.graph.log).toEqual(['recording', 'notRecording']);
    }));

  test('while recording is repeated ends', () =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      world.graph.next('recording', { ...completed(), answerAfterMs: 1500 });
      const repeat = world.start(0);
      await world.clock.settle();
      await tell(world, 1, terminated);
      expect(await world.run(world.write(1))).toRefuse('RecordingNotActive');
      expect(await world.run(repeat)).toMatchObject({ ok: true, value: { open: false } });
      await world.clock.advance(soonMs);
      expect(write.wasCut).toBe(true);
      await expectEnded(world, 'terminated');
    }));

  test.each([
    ['that is idle', invitation()],
    ['that nobody has seen', []],
  ])('%s ends', (_, before) =>
    inWorld(times, async (world) => {
      await tell(world, 0, before);
      await tell(world, 1, terminated);
      await expectEnded(world, 'terminated');
    }),
  );

  test('ends by the next delivery, when the instance that heard of it has crashed', () =>
    inWorld(times, async (world) => {
      await world.recording();
      await world.admitted(0);
      await world.admitted(1);
      await tell(world, 0, terminated);
      world.crash(0);
      await tell(world, 1, terminated);
      await world.clock.advance(soonMs);
      await expectEnded(world, 'terminated');
    }));

  const moments: [Command['name'], number, 'before' | 'after'][] = (
    [
      ['read', 8],
      ['commit', 4],
      ['revoke', 1],
    ] as const
  ).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, nth) => nth).flatMap(
      (nth): [Command['name'], number, 'before' | 'after'][] => [
        [name, nth, 'before'],
        [name, nth, 'after'],
      ],
    ),
  );

  test.each(moments)('ends, though the store fails (%s %i, %s its effect)', (name, nth, moment) =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      let seen = 0;
      world.weather = (command) =>
        command.name === name && command.instance === 0 && seen++ === nth ? { [moment]: unavailable } : {};
      await tell(world, 0, terminated);
      await world.clock.advance(soonMs);
      expect(seen).toBeGreaterThan(nth);
      expect(write.wasCut).toBe(true);
      expect(await world.state()).toBe('ended');
      const ends = (await world.records()).filter(({ event }) => event === 'ended');
      expect(ends.map(({ detail }) => detail)).toEqual([{ cause: 'terminated' }]);
    }),
  );
});

describe('a 404 on the first recording', () => {
  test('ends a call that is bound', () =>
    inWorld(times, async (world) => {
      await tell(world, 1, invitation());
      world.graph.next('recording', refused(404));
      const started = await world.run(world.start(0));
      expect(started).toMatchObject({ ok: true, value: { open: false, outcome: { gone: true } } });
      await expectEnded(world, 'statusNotFound');
    }));

  test('says nothing of a call that nobody is bound to', () =>
    inWorld(times, async (world) => {
      world.graph.next('recording', refused(404));
      const started = await world.run(world.start(0));
      expect(started).toMatchObject({ ok: true, value: { open: false, outcome: { gone: true } } });
      expect(await world.state()).toBe('idle');
      await world.recording();
    }));

  test('of an operation that failed so ends a call that is bound', () =>
    inWorld(times, async (world) => {
      await tell(world, 1, invitation());
      world.graph.next('recording', pending('op-7'));
      world.graph.operation = (id) => ({
        status: 200,
        body: { id, status: 'failed', resultInfo: { code: 404 } },
      });
      await world.run(world.start(0));
      await expectEnded(world, 'statusNotFound');
    }));

  test.each([refused(403), refused(400, '8506')])('is not any refusal', (script) =>
    inWorld(times, async (world) => {
      await tell(world, 1, invitation());
      world.graph.next('recording', script);
      await world.run(world.start(0));
      expect(await world.state()).toBe('idle');
      expect(world.ends).toEqual([]);
    }),
  );
});

describe('a call that Graph does not know any more', () => {
  const answered = Object.keys(callEnds).filter((cause) => cause.endsWith('NotFound')) as CallEnd[];

  test.each(answered)('ends with the reason how that was found: %s', (cause) =>
    inWorld(times, async (world) => {
      await world.recording();
      const write = await world.admitted(1);
      await world.run(world.instances[0]!.gate.callEnded(theCall, bot, cause));
      expect(write.wasCut).toBe(true);
      expect(world.graph.log).toEqual(['recording']);
      await expectEnded(world, cause);
    }),
  );
});

describe('while a notRecording is carried on', () => {
  const ends: readonly (readonly [CallEnd, (world: World) => Promise<unknown>])[] = [
    ['hangUp', (world) => world.stop(0, 'hangUp')],
    ['callNotFound', (world) => world.instances[0]!.gate.callEnded(theCall, bot, 'callNotFound')],
  ];

  test.each(ends)('a call ends all the same: %s', (cause, end) =>
    inWorld({ ...times, instances: 2 }, async (world) => {
      await world.recording(1);
      world.weather = ({ name }) => (name === 'commit' ? { before: unavailable } : {});
      expect(await world.run(world.stop(0))).toRefuse('StoreUnavailable');
      world.weather = () => ({});
      const attempt = world.hold('commit', 'before', { instance: 0 });
      await world.clock.advance(200);
      expect(attempt.reached).toBe(true);
      const ending = end(world);
      await world.clock.settle();
      attempt.release();
      await world.run(ending);
      await world.clock.advance(soonMs);
      await expectEnded(world, cause);
    }),
  );
});
