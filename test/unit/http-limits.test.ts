import { describe, expect, test } from '@jest/globals';
import type { Refusal } from '../../src/core/decision.ts';
import fc from 'fast-check';
import { parseCallKey } from '../../src/core/call-key.ts';
import { createLimits, noLimits, type LimitSizes, type Release } from '../../src/http/limits.ts';

const key = (n: number) => parseCallKey(n.toString(16).padStart(32, '0'))!;
const bot = { tenant: 'tenant-a', app: 'app-a' };
const other = { tenant: 'tenant-a', app: 'app-b' };

const sizes: LimitSizes = {
  maxUploadsPerCall: 2,
  maxUploadsPerCaller: 3,
  maxUploads: 4,
  unknownCallsPerSecond: 5,
  maxControlRequests: 2,
  maxNotifications: 1,
  maxBodyBytes: 1024,
  maxNotificationBytes: 4096,
  bodyTimeoutMs: 100,
};

let time = 0;
const limits = (more: Partial<LimitSizes> = {}) => createLimits({ ...sizes, ...more }, () => time);

describe('uploads', () => {
  test('are bounded per call, per caller and altogether, and each says which it was', () => {
    const { upload } = limits();
    const taken = [upload(key(1), bot), upload(key(1), bot)];
    expect(taken.every(({ ok }) => ok)).toBe(true);
    expect(upload(key(1), bot)).toMatchObject({ reason: 'TooManyUploads', detail: 'of this call' });
    expect(upload(key(2), bot).ok).toBe(true);
    expect(upload(key(3), bot)).toMatchObject({ reason: 'TooManyUploads', detail: 'of this application' });
    expect(upload(key(4), other).ok).toBe(true);
    expect(upload(key(5), other)).toMatchObject({ reason: 'TooManyUploads', detail: 'of all' });
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

test('requests for Graph and notifications have room of their own', () => {
  const { controlRequest, notification } = limits();
  const [first] = [controlRequest(), controlRequest()];
  expect(controlRequest()).toMatchObject({ reason: 'Overloaded', retryAfterMs: 1000 });
  expect(notification().ok).toBe(true);
  expect(notification()).toMatchObject({ reason: 'Overloaded' });
  if (first.ok) first.value();
  expect(controlRequest().ok).toBe(true);
});

test('without limits nothing is refused', () => {
  const { upload, unknownCall, unknownCallFound, controlRequest } = noLimits();
  for (let n = 0; n < 10_000; n++) {
    expect(upload(key(1), bot).ok && controlRequest().ok).toBe(true);
    unknownCallFound(bot);
    expect(unknownCall(bot)).toBeUndefined();
  }
});
