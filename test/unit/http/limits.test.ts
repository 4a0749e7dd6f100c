import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCallKey } from '../../../src/core/call/key.ts';
import type { Release } from '../../../src/http/counters.ts';
import type { Decision, Refusal } from '../../../src/core/decision.ts';
import { createLimits, noLimits, type LimitSizes } from '../../../src/http/limits.ts';
import type { Share } from '../../../src/http/shares.ts';

const key = (n: number) => parseCallKey(n.toString(16).padStart(32, '0'))!;
const bot = { tenant: 'tenant-a', app: 'app-a' };
const other = { tenant: 'tenant-a', app: 'app-b' };

const sizes: LimitSizes = {
  maxUploadsPerCall: 2,
  maxUploadsPerCaller: 3,
  maxUploads: 4,
  unknownCallsPerSecond: 5,
  maxControlRequests: 16,
  maxControlRequestsPerCaller: 5,
  maxGraphConnections: 4,
  maxGraphConnectionsPerCaller: 4,
  graphTurnMs: 60_000,
  maxNotifications: 3,
  maxBodyBytes: 1024,
  maxNotificationBytes: 4096,
  maxUnprovenBodyBytes: 1024,
  maxUnprovenBytes: 8192,
  bodyTimeoutMs: 100,
  answerTimeoutMs: 100,
};

let time = 0;
const limits = (more: Partial<LimitSizes> = {}) => createLimits({ ...sizes, ...more }, () => time);

describe('uploads', () => {
  test('are bounded per call, per caller and altogether, and each says which it was', () => {
    const { upload } = limits();
    const taken = [upload(key(1), bot), upload(key(1), bot)];
    expect(taken.every(({ ok }) => ok)).toBe(true);
    expect(upload(key(1), bot)).toMatchObject({ reason: 'TooManyUploads', detail: 'limit of this call' });
    expect(upload(key(2), bot).ok).toBe(true);
    expect(upload(key(3), bot)).toMatchObject({
      reason: 'TooManyUploads',
      detail: 'limit of this application',
    });
    expect(upload(key(4), other).ok).toBe(true);
    expect(upload(key(5), other)).toMatchObject({
      reason: 'TooManyUploads',
      detail: 'limit of the instance',
    });
  });

  test('that have ended make room, and one that found none has taken nothing', () => {
    const { upload } = limits({ maxUploads: 2 });
    const first = upload(key(1), bot);
    const second = upload(key(2), bot);
    for (let refused = 0; refused < 10; refused++) expect(upload(key(3), other).ok).toBe(false);
    for (const taken of [first, second]) if (taken.ok) taken.value();
    expect([upload(key(3), other).ok, upload(key(3), other).ok]).toEqual([true, true]);
  });

  test('are counted right whatever order they come and go in', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean(), fc.boolean()), { maxLength: 60 }), (steps) => {
        const { upload } = limits();
        const live: { call: number; app: string; release: Release }[] = [];
        for (const [call, isBot, ends] of steps) {
          const who = isBot ? bot : other;
          if (ends) live.shift()?.release();
          const taken = upload(key(call), who);
          const room =
            live.filter((one) => one.call === call).length < 2 &&
            live.filter((one) => one.app === who.app).length < 3 &&
            live.length < 4;
          expect(taken.ok).toBe(room);
          if (taken.ok) live.push({ call, app: who.app, release: taken.value });
        }
      }),
    );
  });
});

/** Looks one up that turns out not to be theirs, if it may. */
function lookingUp(): (who: typeof bot) => Refusal | undefined {
  const { unknownCall, unknownCallFound } = limits();
  return (who) => {
    const refusal = unknownCall(who);
    if (refusal === undefined) unknownCallFound(who);
    return refusal;
  };
}

describe('requests for calls that are not known', () => {
  test('have a rate per caller, which recovers with time', () => {
    const lookUp = lookingUp();
    const asked = Array.from({ length: 6 }, () => lookUp(bot));
    expect(asked.map((refusal) => refusal?.reason)).toEqual([
      ...Array.from({ length: 5 }),
      'TooManyUnknownCalls',
    ]);
    expect(lookUp(other)).toBeUndefined();
    time += 400;
    expect([lookUp(bot), lookUp(bot), lookUp(bot)?.reason]).toEqual([
      undefined,
      undefined,
      'TooManyUnknownCalls',
    ]);
  });

  test('never gain more than one second is worth', () => {
    const lookUp = lookingUp();
    time += 3_600_000;
    const granted = Array.from({ length: 20 }, () => lookUp(bot)).filter((one) => one === undefined);
    expect(granted).toHaveLength(5);
  });

  test('count only those that were looked up and are not theirs', () => {
    const { unknownCall } = limits();
    for (let n = 0; n < 100; n++) expect(unknownCall(bot)).toBeUndefined();
  });

  test('that were under way at once are paid for within a second', () => {
    const { unknownCall, unknownCallFound } = limits();
    for (let n = 0; n < 100; n++) unknownCallFound(bot);
    time += 1000;
    expect(unknownCall(bot)?.reason).toBe('TooManyUnknownCalls');
    time += 400;
    expect(unknownCall(bot)).toBeUndefined();
  });
});

const known = (name: string): Share => ({ name, proven: true });
const address = (name: string): Share => ({ name, proven: false });

/** Takes until it is refused. */
function fill<Taken>(take: () => Decision<Taken>): { readonly taken: Taken[]; readonly refusal: Refusal } {
  const taken: Taken[] = [];
  for (;;) {
    const one = take();
    if (!one.ok) return { taken, refusal: one };
    taken.push(one.value);
  }
}

describe('requests for Graph', () => {
  test('of one caller leave room for the others, whatever is configured', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 40 }), (all, each) => {
        const { controlRequest } = limits({ maxControlRequests: all, maxControlRequestsPerCaller: each });
        const { taken, refusal } = fill(() => controlRequest(known('flood')));
        expect(taken).toHaveLength(Math.min(each, Math.ceil(all / 2)));
        expect(refusal).toMatchObject({ reason: 'TooManyRequests', retryAfterMs: 1000 });
        expect(controlRequest(known('other')).ok).toBe(true);
        taken[0]?.release();
        expect(controlRequest(known('flood')).ok).toBe(true);
      }),
    );
  });

  test('of callers who are not proven have half of the room, and one address a quarter of that', () => {
    const { controlRequest } = limits();
    for (const name of ['one', 'two', 'three', 'four'])
      expect(fill(() => controlRequest(address(name))).taken).toHaveLength(2);
    expect(controlRequest(address('five'))).toMatchObject({ reason: 'Overloaded' });
    expect(fill(() => controlRequest(known('bot'))).taken).toHaveLength(5);
  });

  test('that stop, hang up or keep alive a known call have places of their own when all others are taken', () => {
    const { controlRequest } = limits();
    for (const name of ['one', 'two', 'three', 'four']) fill(() => controlRequest(known(name)));
    expect(controlRequest(known('bot'))).toMatchObject({ reason: 'Overloaded' });
    const kept = controlRequest(known('bot'), key(1));
    expect(kept).toMatchObject({ ok: true, value: { pool: 'kept' } });
    // One caller has half of these as well, and one call only a few.
    const { taken } = fill(() => controlRequest(known('flood'), key(2)));
    expect(taken).toHaveLength(8);
    expect(controlRequest(known('bot'), key(3)).ok).toBe(true);
  });

  test('that find no place of their own take an ordinary one', () => {
    const { controlRequest } = limits();
    const taken = Array.from({ length: 9 }, () => controlRequest(known('bot'), key(1)));
    expect(taken.map((one) => one.ok && one.value.pool)).toEqual([
      ...Array<string>(8).fill('kept'),
      'common',
    ]);
  });
});

describe('turns at Graph', () => {
  const settled = () => new Promise(setImmediate);

  test('go round among callers, however many requests one of them has waiting', async () => {
    const { graphTurn } = limits();
    const order: string[] = [];
    const holds: Release[] = [];
    const ask = (name: string): void =>
      void graphTurn(known(name), 'common').then((turn) => {
        order.push(name);
        if (turn.ok) holds.push(turn.value);
      });
    for (let n = 0; n < 20; n++) ask('flood');
    ask('bot');
    ask('other');
    await settled();
    // The flood has half of the four, the others found theirs free.
    expect(order.sort()).toEqual(['bot', 'flood', 'flood', 'other']);
    ask('third');
    await settled();
    expect(order).toHaveLength(4);
    holds.shift()?.();
    holds.shift()?.();
    await settled();
    expect(order.slice(4)).toContain('third');
  });

  test('are never more than there are, and every one is taken in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.boolean(), fc.boolean()), {
          maxLength: 60,
        }),
        async (asked) => {
          const { graphTurn } = limits();
          const live = { common: 0, kept: 0 };
          let served = 0;
          await Promise.all(
            asked.map(async ([name, proven, isKept]) => {
              const lane = isKept ? 'kept' : 'common';
              const turn = await graphTurn({ name, proven }, lane);
              expect((live[lane] += 1)).toBeLessThanOrEqual(4);
              await settled();
              live[lane] -= 1;
              served += 1;
              if (turn.ok) turn.value();
            }),
          );
          expect(served).toBe(asked.length);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('that do not come in time are refused, and nobody is served for them later', async () => {
    const { graphTurn } = limits({ maxGraphConnections: 1, graphTurnMs: 1 });
    const first = await graphTurn(known('bot'), 'common');
    expect(await graphTurn(known('bot'), 'common')).toMatchObject({ reason: 'Overloaded' });
    if (first.ok) first.value();
    expect((await graphTurn(known('bot'), 'common')).ok).toBe(true);
  });
});

test('bodies of callers who are not proven have a bounded memory, of which one address has a quarter', () => {
  const { bodyMemory, callbackBody } = limits();
  const first = bodyMemory(address('one'), 1024);
  expect(bodyMemory(address('one'), 1024)).toBeDefined();
  expect(bodyMemory(address('one'), 1)).toBeUndefined();
  for (const name of ['two', 'three', 'four']) expect(bodyMemory(address(name), 2048)).toBeDefined();
  expect(bodyMemory(address('five'), 1)).toBeUndefined();
  expect(bodyMemory(known('bot'), 4096)).toBeDefined();
  first?.();
  expect(bodyMemory(address('five'), 1024)).toBeDefined();
  expect(callbackBody(address('one')).maxBytes).toBe(1024);
  expect(callbackBody(known('bot')).maxBytes).toBe(4096);
});

test('notifications have room of their own, of which one application has half', () => {
  const { notification } = limits();
  const { taken, refusal } = fill(() => notification(bot));
  expect(taken).toHaveLength(2);
  expect(refusal).toMatchObject({ reason: 'TooManyRequests', retryAfterMs: 1000 });
  expect(notification(other).ok).toBe(true);
  expect(notification({ tenant: 'tenant-b', app: 'app-a' })).toMatchObject({ reason: 'Overloaded' });
});

test('without limits nothing is refused', () => {
  const { upload, unknownCall, unknownCallFound, controlRequest } = noLimits();
  for (let n = 0; n < 10_000; n++) {
    expect(upload(key(1), bot).ok && controlRequest(known('bot')).ok).toBe(true);
    unknownCallFound(bot);
    expect(unknownCall(bot)).toBeUndefined();
  }
});

test('what is in progress is told with its limit, plane by plane', () => {
  const { upload, controlRequest, notification, load } = limits();
  const idle = {
    control: { inFlight: 0, limit: 16 },
    controlReserved: { inFlight: 0, limit: 16 },
    media: { inFlight: 0, limit: 4 },
    callbacks: { inFlight: 0, limit: 3 },
  };
  expect(load()).toEqual(idle);
  const share: Share = { name: 'bot', proven: true };
  const taken = [
    upload(key(1), bot),
    upload(key(2), bot),
    // Refused: the call has its two.
    upload(key(1), bot),
    upload(key(1), bot),
    notification(bot),
  ].flatMap((one) => (one.ok ? [one.value] : []));
  const places = [
    controlRequest(share),
    controlRequest(share, key(1)),
    controlRequest(share, key(2)),
  ].flatMap((one) => (one.ok ? [one.value.release] : []));
  expect(load()).toEqual({
    control: { inFlight: 1, limit: 16 },
    controlReserved: { inFlight: 2, limit: 16 },
    media: { inFlight: 3, limit: 4 },
    callbacks: { inFlight: 1, limit: 3 },
  });
  for (const release of [...taken, ...places]) {
    release();
    release();
  }
  expect(load()).toEqual(idle);
});
