import { expect, test } from '@jest/globals';
import { aheadMs } from '../../../src/checks/deployment/clocks.ts';

const second = 1_800_000_000_000;
const date = (ms: number): string => new Date(ms).toUTCString();

/** A `Date` says in which second it was written; the answer came between the two times. */
test.each([
  ['the same second', date(second), { askedAt: second + 100, answeredAt: second + 300 }, 0],
  ['written at its end, read after', date(second), { askedAt: second + 990, answeredAt: second + 1400 }, 0],
  ['an answer that took long', date(second), { askedAt: second - 5000, answeredAt: second + 5000 }, 0],
  ['ahead', date(second + 10_000), { askedAt: second, answeredAt: second + 200 }, 9800],
  ['behind', date(second - 10_000), { askedAt: second, answeredAt: second + 200 }, -9000],
])('%s', (_what, header, times, expected) => {
  expect(aheadMs(header, times)).toBe(expected);
});

test.each([undefined, '', 'yesterday'])('%p tells no time', (header) => {
  expect(aheadMs(header, { askedAt: 0, answeredAt: 1 })).toBeUndefined();
});
