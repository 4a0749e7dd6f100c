import type { Gate } from '../src/gate/gate.ts';
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
/** In all. */
const decisions = 400_000;

const keys = Array.from({ length: Number(calls) }, (_, n) => callKey(n));

const { redisStore } = await built<typeof redisModule>('redis.js');
async function open(): Promise<Gate> {
  const store = redisStore(url, { durability: 'ignore', log: noLog });
  await store.ready();
  const gate = await builtGate(store);
  await gate.open();
  for (const call of keys) {
    const held = await gate.isOpen(call, bot);
    if (!held.ok) throw new Error(`not held: ${held.reason}`);
  }
  return gate;
}

/** Microseconds for one, on whichever gate's turn it is. */
function admissions(gates: readonly Gate[]): number {
  const began = process.cpuUsage();
  for (let n = 0; n < decisions; n += 1) {
    const call = keys[n % keys.length];
    const write = call && gates[n % gates.length]?.admitNow(call, bot);
    if (write?.ok !== true) throw new Error('the grant is not held any more');
    write.value.end(true);
  }
  const { user, system } = process.cpuUsage(began);
  return (user + system) / decisions;
}

// What the first one loads, all of them share; and with it the compiler warms up.
const first = await open();
admissions([first]);
await first.close();
globalThis.gc?.();
const before = process.memoryUsage().rss;
const gates = await Promise.all(Array.from({ length: Number(count) }, open));
globalThis.gc?.();
const bytesPerInstance = (process.memoryUsage().rss - before) / gates.length;
const microseconds = admissions(gates);
const result: InstancesResult = { instances: gates.length, microseconds, bytesPerInstance };
process.send?.(result);
// Stays, so that its commands can be counted, until it is ended from outside.
setInterval(() => undefined, 60_000);
