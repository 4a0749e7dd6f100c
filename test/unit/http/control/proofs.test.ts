import { describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../../../src/core/call/key.ts';
import { Proofs } from '../../../../src/http/control/proofs.ts';

const [call, other] = ['1', '2'].map((digit) => parseCallKey(digit.repeat(32))!) as [never, never];
const minute = 60_000;
const startOfTime = Date.UTC(2026, 0, 31, 12);

/** Proofs, and the two clocks that they go by. */
const proofs = () => {
  const time = { now: 0, wall: startOfTime };
  const accepted = new Proofs(
    () => time.now,
    () => time.wall,
  );
  const pass = (ms: number): void => {
    time.now += ms;
    time.wall += ms;
  };
  return { accepted, time, pass };
};

const token = { tokenHash: 'a', expiresAt: startOfTime + 60 * minute };

describe('a proof of a Graph token', () => {
  test('is for one call and one token', () => {
    const { accepted } = proofs();
    accepted.add(call, token);
    expect(accepted.has(call, token)).toBe(true);
    expect(accepted.has(other, token)).toBe(false);
    expect(accepted.has(call, { ...token, tokenHash: 'b' })).toBe(false);
  });

  test('ends after some minutes, and Graph can give a new one', () => {
    const { accepted, pass } = proofs();
    accepted.add(call, token);
    pass(4 * minute);
    expect(accepted.has(call, token)).toBe(true);
    pass(2 * minute);
    expect(accepted.has(call, token)).toBe(false);
    accepted.add(call, token);
    expect(accepted.has(call, token)).toBe(true);
  });

  test('ends with its token, whatever Graph had said', () => {
    const { accepted, pass } = proofs();
    const short = { tokenHash: 'a', expiresAt: startOfTime + minute };
    accepted.add(call, short);
    pass(minute);
    expect(accepted.has(call, short)).toBe(false);
    accepted.add(call, short);
    expect(accepted.has(call, short)).toBe(false);
  });

  test('of a token that does not say when it ends is short', () => {
    const { accepted, pass } = proofs();
    const unknown = { tokenHash: 'a', expiresAt: undefined };
    accepted.add(call, unknown);
    pass(minute / 4);
    expect(accepted.has(call, unknown)).toBe(true);
    pass(minute);
    expect(accepted.has(call, unknown)).toBe(false);
  });

  test('is not kept alive by a clock that is set back', () => {
    const { accepted, time, pass } = proofs();
    accepted.add(call, token);
    time.wall -= 60 * minute;
    pass(6 * minute);
    expect(accepted.has(call, token)).toBe(false);
  });

  test('ends with a 401 for the token, for every call of it and for no other token', () => {
    const { accepted } = proofs();
    const renewed = { ...token, tokenHash: 'b' };
    accepted.add(call, token);
    accepted.add(other, token);
    accepted.add(call, renewed);
    accepted.refused(token);
    expect([accepted.has(call, token), accepted.has(other, token)]).toEqual([false, false]);
    expect(accepted.has(call, renewed)).toBe(true);
    // What Graph says later counts again.
    accepted.add(call, token);
    expect([accepted.has(call, token), accepted.has(other, token)]).toEqual([true, false]);
  });

  test('is found by a 401 however many tokens were seen since, as long as it counts', () => {
    const { accepted } = proofs();
    for (let n = 0; n < 12_000; n++) {
      accepted.add(call, { ...token, tokenHash: `t${n}` });
      if (n % 100 === 0) accepted.has(call, { ...token, tokenHash: 't0' });
    }
    const first = { ...token, tokenHash: 't0' };
    expect(accepted.has(call, first)).toBe(true);
    accepted.refused(first);
    expect(accepted.has(call, first)).toBe(false);
  });
});
