import type { Connection } from './connection.ts';

/** How long to wait for a subscription before going on without it, ms. */
const patienceMs = 1000;

/** Wake-ups by publish/subscribe: a hint that may get lost, so no failure here is anyone's business. */
export interface WakeUps {
  on(channel: string, wake: () => void): Promise<() => void>;
}

export function wakeUps(connection: Connection, sleep: (ms: number) => Promise<void>): WakeUps {
  const { subscriber } = connection;
  const listeners = new Map<string, Set<() => void>>();
  const ignore = (): undefined => undefined;
  const wakeAll = (): void => {
    for (const set of listeners.values()) for (const wake of set) wake();
  };

  subscriber.on('message', (channel: string) => {
    for (const wake of listeners.get(channel) ?? []) wake();
  });
  subscriber.on('ready', () => {
    if (listeners.size === 0) return;
    // What was published meanwhile is gone.
    subscriber.subscribe(...listeners.keys()).then(wakeAll, ignore);
  });
  // A heartbeat tells what became of the session.
  connection.onLoss(wakeAll);

  return {
    on: async (channel, wake) => {
      const set = listeners.get(channel) ?? new Set();
      listeners.set(channel, set.add(wake));
      // Not connected: the next 'ready' subscribes.
      if (subscriber.status === 'ready') {
        const subscribed = subscriber.subscribe(channel).catch(ignore);
        await Promise.race([subscribed, sleep(patienceMs)]);
      }
      return () => {
        set.delete(wake);
        if (set.size > 0 || listeners.get(channel) !== set) return;
        listeners.delete(channel);
        if (subscriber.status === 'ready') subscriber.unsubscribe(channel).catch(ignore);
      };
    },
  };
}
