import type * as redisModule from '../src/redis.ts';
import { bot, built, builtGate, callKey, noLog } from './built.ts';

/** Several instances in this one process, each with a gate, a session and connections of its own. */
export interface InstancesResult {
  readonly instances: number;
  /** Time on a processor for an admission with the grant held, microseconds. */
  readonly microseconds: number;
  /** Resident memory for each, bytes. */
  readonly bytesPerInstance: number;
}

const [url = '', count = '1', calls = '10'] = process.argv.slice(3);
const decisions = 20_000;

const { redisStore } = await built<typeof redisModule>('redis.js');
// What the first one loads, all of them share.
const first = redisStore(url, { durability: 'ignore', log: noLog });
await first.ready();
globalThis.gc?.();
const before = process.memoryUsage().rss;

const gates = await Promise.all(
  Array.from({ length: Number(count) }, async () => {
    const store = redisStore(url, { durability: 'ignore', log: noLog });
    await store.ready();
    const gate = await builtGate(store);
    await gate.open();
    for (let n = 0; n < Number(calls); n += 1) {
      const held = await gate.isOpen(callKey(n), bot);
      if (!held.ok) throw new Error(`not held: ${held.reason}`);
    }
    return gate;
  }),
);
globalThis.gc?.();
const bytesPerInstance = (process.memoryUsage().rss - before) / gates.length;
await first.close();

const began = process.cpuUsage();
for (let n = 0; n < decisions; n += 1)
  for (const gate of gates) {
    const write = gate.admitNow(callKey(n % Number(calls)), bot);
    if (write?.ok !== true) throw new Error('the grant is not held any more');
    write.value.end(true);
  }
const { user, system } = process.cpuUsage(began);
const microseconds = (user + system) / (decisions * gates.length);
const result: InstancesResult = { instances: gates.length, microseconds, bytesPerInstance };
process.send?.(result);
// Stays, so that its commands can be counted, until it is ended from outside.
setInterval(() => undefined, 60_000);
