import { setTimeout as sleep } from 'node:timers/promises';
import { keysWith } from '../../../src/store/redis/keys.ts';
import { storeOver, type RedisStore } from '../../../src/store/redis/store.ts';
import { directConnection } from './connection.ts';
import { VirtualRedis } from './server.ts';

const time = { now: () => performance.now(), sleep: (ms: number) => sleep(ms, undefined, { ref: false }) };

/** A server in real time, without a past to go back to. */
export const virtualRedis = (): VirtualRedis =>
  new VirtualRedis({
    clock: () => Date.now(),
    elapsed: () => performance.now(),
    appendOnly: true,
    memoryMs: 0,
  });

/** The logic of the Redis store on a virtual server, with as few shards as the simulation has. */
export const virtualStore = (server = virtualRedis()): RedisStore =>
  storeOver(directConnection(server), keysWith('tallylight', 8), time);
