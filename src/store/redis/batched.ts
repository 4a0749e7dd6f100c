import { bounded } from './bounded.ts';

export interface BatchSizes {
  /** How many batches are under way at a time. */
  readonly most: number;
  /** How many items one may have. */
  readonly size: number;
}

/**
 * Sends what waits under the same name together: the first at once, as long as not too many are under way, and what
 * comes meanwhile with whatever else waits. The replies come in the order of the items.
 */
export function batched<Item, Reply>(
  { most, size }: BatchSizes,
  send: (items: readonly [Item, ...Item[]]) => Promise<readonly Reply[]>,
): (name: string, item: Item) => Promise<Reply> {
  interface Batch {
    readonly items: [Item, ...Item[]];
    replies: Promise<readonly Reply[]>;
  }
  const inTurn = bounded(most);
  /** What waits for its turn, and still has room. */
  const waiting = new Map<string, Batch>();
  const begin = (name: string, item: Item): Batch => {
    const batch: Batch = { items: [item], replies: Promise.resolve([]) };
    const close = (): void => {
      if (waiting.get(name) === batch) waiting.delete(name);
    };
    waiting.set(name, batch);
    batch.replies = inTurn(() => {
      close();
      return send(batch.items);
    });
    // It may have failed with those before it.
    batch.replies.catch(close);
    return batch;
  };
  const batchFor = (name: string, item: Item): Batch => {
    const batch = waiting.get(name);
    if (batch === undefined || batch.items.length >= size) return begin(name, item);
    batch.items.push(item);
    return batch;
  };
  return async (name, item) => {
    const { items, replies } = batchFor(name, item);
    const place = items.length - 1;
    return (await replies)[place] as Reply;
  };
}
