import type { Connection } from './connection.ts';

/** How long to wait for a subscription before going on without it, ms. */
const patienceMs = 1000;

export type Wake = (message?: string) => void;

/** Wake-ups by publish/subscribe: a hint that may get lost, so failures here are ignored. */
export interface WakeUps {
  /** Calls back without a message when some may have been lost. Returns the way to stop. */
  on(channel: string, wake: Wake): Promise<() => void>;
  /** Whether the subscription to the channel is active now. */
  isSubscribed(channel: string): boolean;
}

export function wakeUps(connection: Connection, sleep: (ms: number) => Promise<void>): WakeUps {
  const { subscriber } = connection;
  const listeners = new Map<string, Set<Wake>>();
  const subscribed = new Set<string>();
  const ignore = (): undefined => undefined;
  const subscribe = async (...channels: readonly string[]): Promise<void> => {
    await subscriber.subscribe(...channels);
    for (const channel of channels) if (listeners.has(channel)) subscribed.add(channel);
  };
  const wakeAll = (): void => {
    for (const set of listeners.values()) for (const wake of set) wake();
  };

  subscriber.on('message', (channel: string, message: string) => {
    for (const wake of listeners.get(channel) ?? []) wake(message);
  });
  subscriber.on('ready', () => {
    if (listeners.size === 0) return;
    // What was published meanwhile is gone.
    subscribe(...listeners.keys()).then(wakeAll, ignore);
  });
  subscriber.on('close', () => subscribed.clear());
  // The next heartbeat shows what became of the session.
  connection.onLoss(wakeAll);

  return {
    on: async (channel, wake) => {
      const set = listeners.get(channel) ?? new Set();
      listeners.set(channel, set.add(wake));
      // Not connected: the next 'ready' subscribes.
      if (subscriber.status === 'ready') {
        const attempt = subscribe(channel).catch(ignore);
        await Promise.race([attempt, sleep(patienceMs)]);
      }
      return () => {
        set.delete(wake);
        if (set.size > 0 || listeners.get(channel) !== set) return;
        listeners.delete(channel);
        subscribed.delete(channel);
        if (subscriber.status === 'ready') subscriber.unsubscribe(channel).catch(ignore);
      };
    },
    isSubscribed: (channel) => subscribed.has(channel),
  };
}
