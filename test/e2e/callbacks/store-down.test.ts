import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Store } from '../../../src/core/ports/store.ts';
import { breakable } from '../../../src/sandbox/breakable-store.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { redisStore } from '../../../src/store/redis/client.ts';
import { eventually } from '../../support/eventually.ts';
import { batch, callIs, type NotifiedWorld, startNotifiedWorld } from '../../support/notified-bot.ts';
import { startRedis } from '../../support/redis.ts';

/** A store whose answers can be kept back. */
function holdable(inner: Store): Store & { hold(): void; release(): void } {
  let held = Promise.resolve();
  let release = (): void => undefined;
  const calls = new Proxy(inner.calls, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      // The numbers are asked for meanwhile.
      if (typeof member !== 'function' || name === 'census') return member;
      return (...args: unknown[]): unknown => held.then(() => Reflect.apply(member, target, args) as unknown);
    },
  });
  return {
    calls,
    sessions: inner.sessions,
    outbox: inner.outbox,
    activity: inner.activity,
    holds: inner.holds,
    ping: () => inner.ping(),
    close: () => inner.close(),
    hold: () => {
      held = new Promise((resolve) => (release = resolve));
    },
    release: () => release(),
  };
}

/** Of instances that lose their store here. */
const brief = (): { sessionTtlMs: number } => ({ sessionTtlMs: 1000 });
const store = breakable(memoryStore({ livedMs: Infinity }));
let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld({ openStore: () => store, settings: brief });
});
afterEach(() => {
  store.mend();
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
});

const learned = (place = world): Promise<number> =>
  place.metric('tallylight_notices_total', 'kind="call"', 'outcome="learned"');
const statesOf = async (place: NotifiedWorld, call: string, count: number): Promise<unknown[]> =>
  (await place.evidence(call, 'notified', count)).map(({ detail }) => detail.state);

describe('while the store is down', () => {
  test('notifications reach the bot, and are learned in their order once it is back', async () => {
    const call = await world.recordingCall();
    const before = await learned();
    store.break();
    for (const state of ['incoming', 'established', 'terminating', 'terminated'])
      expect((await world.notify(batch(callIs(call, state)))).status).toBe(202);
    const reached = world.endpoint.received.slice(-4).map(({ body }) => body.toString());
    expect(reached.every((body) => body.includes(call))).toBe(true);
    expect(await learned()).toBe(before);
    store.mend();
    expect(await statesOf(world, call, 4)).toEqual(['incoming', 'established', 'terminating', 'terminated']);
    await world.evidence(call, 'ended');
    expect(await world.isOpen(call)).toBe(false);
  });

  test('the first of a call, and one that the bot refused, are learned as well', async () => {
    const call = randomUUID();
    store.break();
    world.endpoint.answer = (res) => res.writeHead(500).end();
    expect((await world.notify(batch(callIs(call, 'incoming')))).status).toBe(500);
    world.endpoint.answer = (res) => res.writeHead(202).end();
    store.mend();
    await world.evidence(call, 'bound');
    await world.evidence(call, 'notified');
  });

  test('those of many calls do not keep those of others waiting', async () => {
    // More calls than are attended to at a time.
    const calls = Array.from({ length: 220 }, () => randomUUID());
    store.break();
    await world.learnt('call', 'learned', calls.length, async () => {
      for (const call of calls.slice(0, 200)) await world.notify(batch(callIs(call, 'established')));
      store.mend();
      for (const call of calls.slice(200)) await world.notify(batch(callIs(call, 'established')));
    });
    for (const call of [calls[0]!, calls[199]!, calls[219]!]) await world.evidence(call, 'notified');
  });

  test('a large batch reaches the bot, and is all learned once it is back', async () => {
    const calls = Array.from({ length: 2000 }, () => randomUUID());
    store.break();
    await world.learnt('call', 'learned', calls.length, async () => {
      const body = calls.map((call) => ({ changeType: 'created', resourceUrl: `app/calls/${call}` }));
      const before = await learned();
      expect((await world.notify(batch(...body))).status).toBe(202);
      expect(await learned()).toBe(before);
      store.mend();
    });
    await world.evidence(calls.at(-1)!, 'notified');
  });

  test('what waits is bounded: what is too much still reaches the bot, and is counted', async () => {
    const place = await startNotifiedWorld({ openStore: () => store, settings: brief });
    try {
      store.break();
      const resourceUrl = `app/calls/${randomUUID()}`;
      const body = batch(...Array<object>(10_001).fill({ changeType: 'updated', resourceUrl }));
      for (let sent = 0; sent < 5; sent += 1) expect((await place.notify(body)).status).toBe(202);
      expect(place.endpoint.received).toHaveLength(5);
      await place.learnt('call', 'dropped', 1, async () => {
        expect((await place.notify(batch(callIs(randomUUID(), 'established')))).status).toBe(202);
      });
      expect(await place.metric('tallylight_notices_total', 'outcome="dropped"')).toBe(6);
      store.mend();
      await place.learnt('call', 'learned', 1, () => place.notify(batch()));
    } finally {
      await place.close();
    }
  });
});

test('a store that keeps its answers back keeps no notification from the bot', async () => {
  const slow = holdable(memoryStore({ livedMs: Infinity }));
  const place = await startNotifiedWorld({ openStore: () => slow });
  try {
    const call = await place.recordingCall();
    slow.hold();
    expect((await place.notify(batch(callIs(call, 'terminated')))).status).toBe(202);
    expect(place.endpoint.received).toHaveLength(1);
    expect(await learned(place)).toBe(0);
    slow.release();
    await place.evidence(call, 'ended');
  } finally {
    slow.release();
    await place.close();
  }
});

test('a Redis that is killed keeps no notification from the bot, and learns of them when it is back', async () => {
  const redis = await startRedis({ appendOnly: true });
  const place = await startNotifiedWorld({ openStore: () => redisStore(redis.url), settings: brief });
  try {
    const bot = await place.bot();
    await eventually(async () => (await bot.report('recording')).status === 200);
    const before = await learned(place);
    await redis.kill('SIGKILL');
    const unseen = randomUUID();
    expect((await place.notify(batch(callIs(unseen, 'incoming')))).status).toBe(202);
    expect((await place.notify(batch(callIs(bot.call, 'terminated')))).status).toBe(202);
    expect(place.endpoint.received).toHaveLength(2);
    expect(await learned(place)).toBe(before);
    await redis.restart({ keepData: true });
    await place.evidence(bot.call, 'ended');
    expect(await statesOf(place, unseen, 1)).toEqual(['incoming']);
    // First the instance itself has to be back.
    const late = await eventually(async () => {
      const answer = await bot.upload('late', 1);
      return answer.status === 503 ? undefined : answer;
    });
    expect(late.headers['tallylight-reason']).toBe('RecordingNotActive');
    expect(await place.closeAndVerify()).toMatchObject({ misfit: null });
  } finally {
    await place.close();
    await redis.stop();
  }
});
