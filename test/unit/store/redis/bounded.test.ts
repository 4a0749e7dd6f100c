import { expect, test } from '@jest/globals';
import { bounded } from '../../../../src/store/redis/bounded.ts';

test('of many commands no more than the bound are under way at a time, in order', async () => {
  const inTurn = bounded(3);
  let [busy, most] = [0, 0];
  const begun: number[] = [];
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      inTurn(async () => {
        begun.push(n);
        most = Math.max(most, (busy += 1));
        await new Promise(setImmediate);
        busy -= 1;
        return n;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(begun).toEqual(results);
  expect(results).toEqual([...results].sort((a, b) => a - b));
});

test('what waits fails with the one it waits for, and does not hold up what comes later', async () => {
  const inTurn = bounded(1);
  const fault = new Error('the store is away');
  const outcomes = await Promise.allSettled([
    inTurn(() => Promise.reject(fault)),
    inTurn(() => Promise.resolve('second')),
    inTurn(() => Promise.resolve('third')),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(await inTurn(() => Promise.resolve('later'))).toBe('later');
});
