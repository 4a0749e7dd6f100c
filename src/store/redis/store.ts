import type { Log } from '../../core/ports/log.ts';
import type { Meter } from '../../core/ports/meter.ts';
import type { Store } from '../../core/ports/store.ts';
import { redisActivity } from './activity.ts';
import { redisCalls } from './call-store.ts';
import type { Connection } from './connection.ts';
import { inFormat } from './format.ts';
import { redisHolds } from './hold-store.ts';
import type { Keys } from './keys.ts';
import { redisOutbox } from './outbox.ts';
import { redisSessions } from './session-store.ts';
import { Shards } from './shards.ts';
import { StoreClock } from './store-clock.ts';
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

interface Reports {
  readonly meter?: Partial<Pick<Meter, 'storeClock'>> | undefined;
  readonly log?: Log | undefined;
}

/** The store on whatever the connection leads to. */
export function storeOver(
  connection: Connection,
  keys: Keys,
  time: Time,
  { meter, log }: Reports = {},
): RedisStore {
  const wakes = wakeUps(connection, (ms) => time.sleep(ms));
  const fitting = inFormat(connection, keys);
  const outbox = redisOutbox(fitting, keys, wakes, () => time.now());
  const shards = new Shards(() => time.now());
  const sessions = redisSessions(connection, keys, shards, new StoreClock(meter, log), wakes, log);
  return {
    calls: redisCalls(fitting, keys, shards, {
      committed: (shard) => outbox.hint(shard),
      acquiring: (session, shard) => sessions.holds(session, shard),
    }),
    sessions,
    outbox,
    activity: redisActivity(connection, keys, wakes),
    holds: redisHolds(fitting, keys, shards, wakes, (shard) => outbox.hint(shard)),
    ready: () => connection.ready(),
    ping: async () => {
      await connection.command('ping');
    },
    memory: () => connection.memory(),
    close: () => {
      connection.close();
      return Promise.resolve();
    },
  };
}
