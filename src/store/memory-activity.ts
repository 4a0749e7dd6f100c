import type { ActivityBatch, ActivityFeed } from '../core/ports/activity.ts';

/** Adds a listener; returns the way to take it off again. */
function listenIn<T>(listeners: Set<T>, listener: T): Promise<() => void> {
  listeners.add(listener);
  return Promise.resolve(() => void listeners.delete(listener));
}

/** The feed within one process. */
export function memoryActivity(): ActivityFeed {
  const asked = new Set<() => void>();
  const receivers = new Set<(batch: ActivityBatch) => void>();
  return {
    watch: () => {
      for (const receive of asked) queueMicrotask(receive);
      return Promise.resolve();
    },
    onWatch: (receive) => listenIn(asked, receive),
    publish: (batch) => {
      for (const receive of receivers) queueMicrotask(() => receive(batch));
      return Promise.resolve();
    },
    onActivity: (receive) => listenIn(receivers, receive),
  };
}
