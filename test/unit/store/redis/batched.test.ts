import { expect, test } from '@jest/globals';
import { batched } from '../../../../src/store/redis/batched.ts';

/** What was sent, and how to answer it. */
interface Sent {
  readonly items: readonly number[];
  readonly answer: () => void;
  readonly fail: (error: unknown) => void;
}

function watched(sizes: { most: number; size: number }) {
  const sent: Sent[] = [];
  const ask = batched<number, number>(
    sizes,
    (items) =>
      new Promise((resolve, reject) => {
        sent.push({ items, answer: () => resolve(items.map((item) => -item)), fail: reject });
      }),
  );
  return { sent, ask };
}
const settle = (): Promise<void> => new Promise(setImmediate);
const statuses = async (asked: readonly Promise<number>[]): Promise<string[]> =>
  (await Promise.allSettled(asked)).map(({ status }) => status);

test('what waits under one name goes together, in order, and each gets the reply that is its own', async () => {
  const { sent, ask } = watched({ most: 1, size: 3 });
  const asked = [1, 2, 3, 4, 5, 6].map((item) => ask(item === 4 ? 'b' : 'a', item));
  for (let n = 0; n < 4; n++) {
    expect(sent).toHaveLength(n + 1);
    sent[n]!.answer();
    await settle();
  }
  expect(sent.map(({ items }) => items)).toEqual([[1], [2, 3, 5], [4], [6]]);
  expect(await Promise.all(asked)).toEqual([-1, -2, -3, -4, -5, -6]);
});

test('what has been sent takes in nothing more', async () => {
  const { sent, ask } = watched({ most: 2, size: 9 });
  const asked = [ask('a', 1), ask('a', 2), ask('a', 3)];
  expect(sent.map(({ items }) => items)).toEqual([[1], [2]]);
  sent[0]!.answer();
  await settle();
  asked.push(ask('a', 4));
  expect(sent.map(({ items }) => items)).toEqual([[1], [2], [3]]);
  sent[1]!.answer();
  await settle();
  sent[2]!.answer();
  sent[3]!.answer();
  expect(await Promise.all(asked)).toEqual([-1, -2, -3, -4]);
});

test('what waits fails with the one it waits for, and what is asked later is sent anew', async () => {
  const { sent, ask } = watched({ most: 1, size: 2 });
  const asked = [1, 2, 3, 4, 5].map((item) => ask('a', item));
  sent[0]!.fail(new Error('the store is away'));
  expect(await statuses(asked)).toEqual(Array.from({ length: 5 }, () => 'rejected'));
  const later = ask('a', 6);
  expect(sent.map(({ items }) => items)).toEqual([[1], [6]]);
  sent[1]!.answer();
  expect(await later).toBe(-6);
});
