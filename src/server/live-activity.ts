import type { ActivityBatch, ActivityFeed } from '../core/ports/activity.ts';

/** What is not taken for so long is not kept, ms. */
const keptForMs = 20_000;
const maxKept = 2000;
/** A third of the time for which instances publish after being asked. */
const askEveryMs = 5000;

/** Live activity for one reader, who takes what was heard now and then. */
export interface LiveActivity {
  /** Asks for activity, and returns what was heard since the last time. */
  take(): Promise<readonly ActivityBatch[]>;
  close(): void;
}

export function liveActivity(feed: ActivityFeed, now: () => number): LiveActivity {
  let heard: ActivityBatch[] = [];
  let takenAt = -Infinity;
  let askedAt = -Infinity;
  let listening: Promise<() => void> | undefined;
  const receive = (batch: ActivityBatch): void => {
    if (now() - takenAt > keptForMs) heard = [];
    else if (heard.length < maxKept) heard.push(batch);
  };
  const listen = (): Promise<() => void> => {
    listening ??= feed.onActivity(receive).catch((error: unknown) => {
      listening = undefined;
      throw error;
    });
    return listening;
  };
  return {
    async take() {
      takenAt = now();
      await listen();
      if (now() - askedAt >= askEveryMs) {
        askedAt = now();
        await feed.watch();
      }
      const batches = heard;
      heard = [];
      return batches;
    },
    close() {
      listening?.then(
        (stop) => stop(),
        () => undefined,
      );
    },
  };
}
