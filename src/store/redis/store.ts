import type { Store } from '../../core/ports.ts';
import { redisCalls } from './call-store.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';
import { redisOutbox } from './outbox.ts';
import { redisSessions } from './session-store.ts';
import { wakeUps } from './wake.ts';

export interface RedisStore extends Store {
  /** Resolves once a server was reached and judged suitable; rejects with StoreUnsuitable. Waits while none is reached. */
  ready(): Promise<void>;
}

/** The process's own time. */
export interface Time {
  /** Monotonic, ms. */
  now(): number;
  /** Never keeps the process alive by itself. */
  sleep(ms: number): Promise<void>;
}

/** The store on whatever the connection leads to. */
export function storeOver(connection: Connection, keys: Keys, time: Time): RedisStore {
  const wakes = wakeUps(connection, (ms) => time.sleep(ms));
  const outbox = redisOutbox(connection, keys, wakes, () => time.now());
  const sessions = redisSessions(connection, keys, wakes);
  return {
    calls: redisCalls(connection, keys, {
      committed: (shard) => outbox.hint(shard),
      acquiring: (session, shard) => sessions.holds(session, shard),
    }),
    sessions,
    outbox,
    ready: () => connection.ready(),
    ping: async () => {
      await connection.command('ping');
    },
    close: () => {
      connection.close();
      return Promise.resolve();
    },
  };
}
