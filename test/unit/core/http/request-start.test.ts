import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { requestAge, startUnits, type StartUnit } from '../../../../src/core/http/request-start.ts';
import { requestStart } from '../../../../src/http/request-start.ts';

const now = 1_750_000_000_000;
const stamp = { unit: 'ms', toleranceMs: 100 } as const;
const problem = (values: readonly string[], unit: StartUnit = 'ms'): string | number => {
  const age = requestAge(values, { ...stamp, unit }, now);
  return age.ok ? age.ageMs : age.problem;
};

describe('the age of a request', () => {
  // What was cut from our own time, and the tolerance, count as age.
  test.each<[value: string, unit: StartUnit, ageMs: number]>([
    [`t=${now - 40}`, 'ms', 40 + 101],
    [`${now - 40}`, 'ms', 40 + 101],
    [`t=${now - 40}.5`, 'ms', 39.5 + 101],
    ['t=1749999999.960', 's', 40 + 101],
    ['t=1749999999', 's', 1000 + 101],
    ['t=1749999999960000', 'us', 40 + 101],
    // Ahead, but not by more than clocks may differ.
    [`t=${now + 100}`, 'ms', 1],
  ])('%s in %s is %d ms', (value, unit, ageMs) => {
    expect(problem([value], unit)).toBeCloseTo(ageMs, 2);
  });

  test.each<[what: string, values: readonly string[], why: string, unit?: StartUnit]>([
    ['no header', [], 'missing'],
    ['two headers', [`t=${now}`, `t=${now}`], 'repeated'],
    ['two values in one', [`t=${now}, t=${now}`], 'malformed'],
    ['an empty one', [''], 'malformed'],
    ['a name alone', ['t='], 'malformed'],
    ['another name', [`start=${now}`], 'malformed'],
    ['a sign', [`t=-${now}`], 'malformed'],
    ['an exponent', ['t=1e12'], 'malformed'],
    ['hexadecimal', ['t=0x10'], 'malformed'],
    ['a date', ['Sun, 15 Jun 2025 12:00:00 GMT'], 'malformed'],
    ['a variable that nobody replaced', ['t=${msec}'], 'malformed'],
    ['more digits than a time has', [`t=${'9'.repeat(18)}`], 'malformed'],
    ['another unit than agreed', [`t=${now}`], 'future', 's'],
    ['a time to come', [`t=${now + 102}`], 'future'],
  ])('%s tells nothing', (_, values, why, unit = 'ms') => {
    expect(problem(values, unit)).toBe(why);
  });

  test('of a time in a smaller unit than agreed is a long one', () => {
    expect(problem([`t=${now / 1000}`])).toBeGreaterThan(now / 2);
  });
});

describe('a stamp counts only from a proxy that is listed', () => {
  const read = requestStart(
    { ...stamp, header: 'X-Request-Start', trustedProxies: ['10.0.0.0/8', 'fd00::/8'] },
    () => 5000,
    () => now,
  );
  const from = (remoteAddress: string | undefined, rawHeaders: string[]) =>
    read({ socket: { remoteAddress }, rawHeaders });

  test.each(['10.1.2.3', '::ffff:10.1.2.3', 'fd00::7'])('%s is', (peer) => {
    expect(from(peer, ['host', 'x', 'x-request-START', `t=${now - 7}`])).toEqual({
      ok: true,
      beganAt: 5000 - 7 - 101,
    });
    expect(from(peer, ['X-Request-Start', `t=${now}`, 'x-request-start', `t=${now}`])).toEqual({
      ok: false,
      problem: 'repeated',
    });
    expect(from(peer, ['X-Request-Started', `t=${now}`])).toEqual({ ok: false, problem: 'missing' });
  });

  test.each(['192.0.2.1', '::1', undefined])('%s is not', (peer) => {
    expect(from(peer, ['X-Request-Start', `t=${now}`])).toEqual({ ok: false, problem: 'untrusted' });
  });
});

test('nothing that began before an interval counts as begun in it, while clocks differ by no more than is allowed', () => {
  const toleranceMs = 100;
  fc.assert(
    fc.property(
      fc.record({
        unit: fc.constantFrom<StartUnit>('s', 'ms', 'us'),
        // True times, ms; the clock of this machine is right, but for a skew that all share.
        openedAt: fc.double({ min: 0, max: 1e6, noNaN: true }),
        beganAfter: fc.double({ min: -5000, max: 5000, noNaN: true }),
        travelMs: fc.oneof(
          fc.double({ min: 0, max: 3, noNaN: true }),
          fc.double({ min: 0, max: 1e4, noNaN: true }),
        ),
        skewMs: fc.double({ min: -toleranceMs, max: toleranceMs, noNaN: true }),
        knownLateMs: fc.double({ min: 0, max: 50, noNaN: true }),
      }),
      ({ unit, openedAt, beganAfter, travelMs, skewMs, knownLateMs }) => {
        const began = openedAt + beganAfter;
        const arrived = began + travelMs;
        fc.pre(arrived >= openedAt + knownLateMs);
        const inUnits = Math.floor((now + began + skewMs) / startUnits[unit]);
        const start = requestStart(
          { header: 'x', unit, toleranceMs, trustedProxies: ['127.0.0.1'] },
          () => arrived,
          () => Math.floor(now + arrived),
        )({ socket: { remoteAddress: '127.0.0.1' }, rawHeaders: ['x', `t=${inUnits}`] });
        const isIn = start.ok && start.beganAt >= openedAt + knownLateMs;
        if (began < openedAt) expect(isIn).toBe(false);
        // And no more is refused than clocks, the unit and what was known late account for.
        if (beganAfter > 2 * toleranceMs + startUnits[unit] + knownLateMs + 2) expect(isIn).toBe(true);
      },
    ),
    { numRuns: 3000 },
  );
});
