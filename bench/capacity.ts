import { join } from 'node:path';
import { eventually } from '../test/support/eventually.ts';
import { startRedis, type TestRedis } from '../test/support/redis.ts';
import { callId } from './built.ts';
import { startInstance, type TestBed, type Instance } from './test-bed.ts';
import type { InstancesResult } from './instances.ts';
import { measure, warmUp } from './measure.ts';
import { benchDirectory, launch, message, residentBytes, runModule } from './processes.ts';
import { storeUse, usedMemory } from './store-use.ts';
import type { Workload } from './workloads.ts';

/** One instance with so many open calls, of each of which it holds the grant. */
export interface CallsPoint {
  readonly calls: number;
  /** For a 640-byte POST, spread over all of them; microseconds on a processor. */
  readonly cpuPerRequest: number;
  /** Resident memory of the instance, bytes. */
  readonly memory: number;
  /** What the instance sends to the store each second while nothing happens. */
  readonly sent: number;
  /** What the store runs for that, inside of scripts too, by command. */
  readonly ran: Readonly<Record<string, number>>;
}

export interface InstancesPoint {
  readonly instances: number;
  readonly cpuPerAdmission: number;
  readonly memory: number;
  /** For each instance. */
  readonly sent: number;
}

export interface Capacity {
  readonly byCalls: readonly CallsPoint[];
  readonly byInstances: readonly InstancesPoint[];
  /** Bytes in Redis for a call that is being recorded, and for one that has a holder besides. */
  readonly callBytes: number;
  readonly heldCallBytes: number;
}

export interface CapacityOptions {
  readonly node: string;
  /** At most. */
  readonly calls: number;
  readonly seconds: number;
  /** How long the store is watched at each point. */
  readonly watchSeconds: number;
}

const powersOfTen = (max: number): number[] =>
  Array.from({ length: 7 }, (_, power) => 10 ** power).filter((n) => n <= max);

/** Opens more and more calls, then more and more instances. */
export async function capacity(testBed: TestBed, options: CapacityOptions): Promise<Capacity> {
  const { node, calls } = options;
  const redis = await startRedis();
  try {
    // What the store keeps whatever the number of calls is there with the first of them.
    const few = Math.ceil(calls / 10);
    const seedTo = async (from: number, to: number): Promise<number> => {
      await runModule(node, 'seed.ts', [redis.url, String(from), String(to)]);
      await dropEvidence(redis);
      return usedMemory(redis);
    };
    const begun = await seedTo(0, few);
    const seeded = await seedTo(few, calls);
    const callBytes = (seeded - begun) / (calls - few);
    const instance = await startInstance(testBed, {
      node,
      redisUrl: redis.url,
      evidence: join(testBed.directory, 'evidence-of-many'),
    });
    const byCalls: CallsPoint[] = [];
    let open = 0;
    for (const point of powersOfTen(calls)) {
      await openCalls(testBed, instance, open, point);
      open = point;
      byCalls.push(await atCalls(testBed, { instance, redis, calls: point }, options));
    }
    const held = await usedMemory(redis);
    await instance.process.stop();
    const byInstances: InstancesPoint[] = [];
    for (const instances of [1, 2, 4, 8, 16]) byInstances.push(await atInstances(redis, instances, options));
    return { byCalls, byInstances, callBytes, heldCallBytes: callBytes + (held - seeded) / calls };
  } finally {
    await redis.stop();
  }
}

/** What waits to be written elsewhere is no part of a call's own memory. */
async function dropEvidence(redis: TestRedis): Promise<void> {
  await redis.cli('eval', "for n = 0, 255 do redis.call('del', 'tallylight:{' .. n .. '}:outbox') end", '0');
}

/** The first write of each call makes the instance a holder. */
async function openCalls(testBed: TestBed, { port }: Instance, from: number, to: number): Promise<void> {
  const targets = Array.from({ length: to - from }, (_, n) => `POST /media/${callId(from + n)}/frame`);
  const job = { kind: 'requests', connections: 32, bodyBytes: 640, framesPerSecond: 0, once: true } as const;
  await testBed.load({ ...job, port, token: testBed.graph.token, targets });
  await eventually(async () => (await testBed.report()).done, {
    withinMs: 300_000,
    what: `${to} open calls`,
  });
  const { errors } = await testBed.unload();
  if (Object.keys(errors).length > 0) throw new Error(`calls did not open: ${JSON.stringify(errors)}`);
}

async function atCalls(
  testBed: TestBed,
  { instance, redis, calls }: { instance: Instance; redis: TestRedis; calls: number },
  { seconds, watchSeconds }: CapacityOptions,
): Promise<CallsPoint> {
  const targets = Array.from({ length: calls }, (_, n) => `POST /media/${callId(n)}/frame`);
  const peer = { name: 'tallylight', ...instance } as const;
  const workload: Workload = {
    name: 'growth',
    title: `640-byte POSTs to ${calls} calls`,
    unit: 'requests',
    peers: ['tallylight'],
    job: { kind: 'requests', connections: 32, targets, bodyBytes: 640, framesPerSecond: 0 },
  };
  await warmUp(testBed, peer, workload, seconds);
  const { perCpuSecond } = await measure(testBed, peer, workload, seconds);
  const use = await storeUse(redis, watchSeconds);
  const memory = residentBytes(instance.process.pid);
  return { calls, cpuPerRequest: 1e6 / perCpuSecond, memory, ...use };
}

/** All in one process: what is counted is what each adds. */
async function atInstances(
  redis: TestRedis,
  count: number,
  { node, watchSeconds }: CapacityOptions,
): Promise<InstancesPoint> {
  const args = ['--expose-gc', `${benchDirectory}child.mjs`, 'instances.ts', redis.url, String(count), '10'];
  const child = launch(node, args, { ipc: true, proxy: true });
  try {
    const { instances, microseconds, bytesPerInstance } = await message(
      child,
      (value): value is InstancesResult => value !== undefined,
    );
    const { sent } = await storeUse(redis, watchSeconds);
    return {
      instances,
      cpuPerAdmission: microseconds,
      memory: bytesPerInstance,
      sent: sent / instances,
    };
  } finally {
    await child.stop();
  }
}
