import { cpus, loadavg, release } from 'node:os';
import type { AdmissionResult } from './admission.ts';
import { capacity } from './capacity.ts';
import { openTestBed, type TestBed } from './test-bed.ts';
import { cycles, signallingAdded, startInstances, stopAdded, type Cycles } from './latency.ts';
import { rounds } from './measure.ts';
import type { NodeBinary } from './node-binary.ts';
import { peerNames, type PeerName } from './peer-names.ts';
import { startPeers, type Peers, type PeersOptions } from './peers.ts';
import { canPin, runModule } from './processes.ts';
import type { Measured, Results } from './results.ts';
import { startUp } from './startup.ts';
import { workloadsFor } from './workloads.ts';

export interface RunOptions {
  readonly node: NodeBinary;
  readonly nginx: PeersOptions['nginx'];
  readonly quick: boolean;
  /** undefined: everything. */
  readonly only: readonly string[] | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly streams: number;
  readonly calls: number;
}

const report = (text: string): void => void process.stderr.write(`${text}\n`);

interface Run {
  readonly testBed: TestBed;
  readonly options: RunOptions;
  readonly measured: Measured;
  /** Runs a part that was asked for; one that fails is reported, and the others go on. */
  readonly part: (name: string, work: () => Promise<void>) => Promise<void>;
}

/** Everything on one Node. */
export async function run(options: RunOptions): Promise<Results & { readonly failed: boolean }> {
  const { node, only } = options;
  const load = loadavg()[0] ?? 0;
  const testBed = await openTestBed();
  const measured: Measured = { workloads: [], absent: [] };
  let failed = false;
  const part: Run['part'] = async (name, work) => {
    if (only?.includes(name) === false) return;
    report(`Node ${node.version}: ${name}`);
    try {
      await work();
    } catch (error) {
      failed = true;
      const why = error instanceof Error ? error.message : String(error);
      measured.absent.push(`${name}: ${why}`);
      report(why);
    }
  };
  try {
    await all({ testBed, options, measured, part });
  } finally {
    await testBed.close();
  }
  const { quick, rounds: count, seconds, streams, calls } = options;
  return {
    node: node.version,
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      kernel: release(),
      pinned: canPin,
      load: [load, loadavg()[0] ?? 0],
    },
    options: { quick, rounds: count, seconds, streams, calls },
    ...measured,
    failed,
  };
}

async function all({ testBed, options, measured, part }: Run): Promise<void> {
  const { node, quick } = options;
  await part('admission', async () => {
    const args = quick ? ['3', '100000', '20000'] : ['7', '200000', '100000'];
    measured.admission = await runModule<AdmissionResult>(node.path, 'admission.ts', args, {
      flags: ['--expose-gc'],
      proxy: true,
    });
  });
  await underLoad({ testBed, options, measured, part });
  await part('latency', async () => {
    const instances = await startInstances(testBed, node.path, 3);
    try {
      const [first] = instances;
      if (first === undefined) return;
      measured.signalling = await signallingAdded(testBed, first, quick ? 200 : 2000);
      const pairs = quick ? 40 : 400;
      measured.stop = {
        one: await stopAdded(testBed, instances.slice(0, 1), pairs),
        three: await stopAdded(testBed, instances, pairs),
      };
    } finally {
      await Promise.all(instances.map(({ process }) => process.stop()));
    }
  });
  await part('cycles', async () => {
    const instances = await startInstances(testBed, node.path, 1);
    const found: Cycles[] = [];
    try {
      for (const instance of instances)
        for (let round = 0; round < options.rounds; round += 1)
          found.push(await cycles(testBed, instance, options.seconds));
      measured.cycles = found;
    } finally {
      await Promise.all(instances.map(({ process }) => process.stop()));
    }
  });
  await part('capacity', async () => {
    const { calls, seconds } = options;
    const watchSeconds = quick ? 4 : 10;
    measured.capacity = await capacity(testBed, { node: node.path, calls, seconds, watchSeconds });
  });
  await part('startup', async () => {
    const times = async (count: number, npmStart: boolean): Promise<number[]> => {
      const found: number[] = [];
      for (let n = 0; n < count; n += 1) found.push(await startUp(testBed, node.path, npmStart));
      return found;
    };
    measured.startUp = {
      process: await times(quick ? 1 : 5, false),
      npmStart: await times(quick ? 1 : 3, true),
    };
  });
}

const webSocketNames = ['ws', 'wsMany', 'wsFlood'];

async function underLoad({ testBed, options, measured, part }: Run): Promise<void> {
  const { node, nginx, only, streams } = options;
  const makeWorkloads = (peers: Pick<Peers, 'calls' | 'webSocket'>): ReturnType<typeof workloadsFor> =>
    workloadsFor({ ...peers, streams });
  const names = makeWorkloads({ calls: [''], webSocket: true }).map(({ name }) => name);
  if (only !== undefined && !names.some((name) => only.includes(name))) return;
  const peers = await startPeers(testBed, { node: node.path, nginx });
  for (const [name, why] of Object.entries(peers.absent))
    measured.absent.push(`${peerNames[name as PeerName]}: ${why}`);
  if (!peers.webSocket && webSocketNames.some((name) => only?.includes(name) !== false))
    measured.absent.push('WebSockets: this build has no media route that takes them');
  try {
    for (const workload of makeWorkloads(peers))
      await part(workload.name, async () => {
        const { name, title, unit, job } = workload;
        const series = await rounds(testBed, peers.all, workload, options);
        const offered = job.framesPerSecond * job.connections;
        measured.workloads.push({ name, title, unit, offered, series });
      });
  } finally {
    await peers.close();
  }
}
