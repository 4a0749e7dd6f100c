import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../core/ports/log.ts';
import type { Meter } from '../../core/ports/meter.ts';
import { connect } from './connection.ts';
import type { DurabilityRule } from './durability.ts';
import { keysWith } from './keys.ts';
import type { RedisLogin } from './login.ts';
import { type RedisStore, storeOver, type Time } from './store.ts';
import type { EvictionRule } from './suitable.ts';
import { parseRedisUrl } from './target.ts';

export type { RedisLogin } from './login.ts';
export type { RedisStore } from './store.ts';

export interface RedisStoreOptions {
  /** What all key names begin with; `tallylight` if absent. */
  readonly prefix?: string;
  /** How long a command may take, ms; 1000 if absent. It may still run later. */
  readonly commandTimeoutMs?: number;
  /**
   * What to do about servers whose configuration cannot keep every promise of docs/operate/redis.md: log a warning (`warn`,
   * if absent), fail with StoreUnsuitable (`require`), or nothing (`ignore`).
   */
  readonly durability?: DurabilityRule | undefined;
  /**
   * What to do about servers that do not report whether they evict keys: fail with StoreUnsuitable (`check`, if absent), or
   * rely on the operator that they do not (`vouched`).
   */
  readonly eviction?: EvictionRule | undefined;
  /** How many replicas must have a change of state before it counts; 0 if absent. Fewer: StoreUnavailable. */
  readonly waitReplicas?: number | undefined;
  /** Where passwords come from that expire; the URL then has none. Every connection logs in again in time. */
  readonly login?: RedisLogin | undefined;
  readonly meter?: Pick<Meter, 'storeCommand'> & Partial<Pick<Meter, 'storeClock'>>;
  readonly log?: Log;
}

const systemTime: Time = {
  now: () => performance.now(),
  sleep: (ms) => sleep(ms, undefined, { ref: false }),
};

/**
 * A store on Redis 7.0 or later: one server, Sentinel or Cluster (see `parseRedisUrl`). Returns at once and connects in
 * the background; until a server was reached and judged, every command fails with StoreUnavailable.
 */
export function redisStore(url: string, options: RedisStoreOptions = {}): RedisStore {
  const prefix = options.prefix ?? 'tallylight';
  const keys = keysWith(prefix);
  const connection = connect(parseRedisUrl(url), {
    commandTimeoutMs: options.commandTimeoutMs ?? 1000,
    prefix,
    durability: options.durability ?? 'warn',
    eviction: options.eviction ?? 'check',
    waitReplicas: options.waitReplicas ?? 0,
    login: options.login,
    meter: options.meter,
    log: options.log,
  });
  return storeOver(connection, keys, systemTime, options);
}
