import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/eventually.ts';
import type { TestBed } from './test-bed.ts';
import type { PeerName } from './peer-names.ts';
import type { Peer } from './peers.ts';
import { cpuMs } from './processes.ts';
import type { Workload } from './workloads.ts';

/** One peer under one workload in one round. */
export interface Sample {
  /** Units for each second on a processor: what one core would do. */
  readonly perCpuSecond: number;
  /** Units for each second of the clock. */
  readonly perSecond: number;
  /** Parts of one core that the proxy had. */
  readonly cores: number;
  /** Of a request, ms; 0 for endless kinds. */
  readonly p50: number;
  readonly p99: number;
}

export type Series = Partial<Record<PeerName, Sample[]>>;

/** Peers pass a token on to Graph; the proxy brings its own. */
const tokenFor = ({ graph }: TestBed, peer: Peer, { name }: Workload): string =>
  name === 'signalling' && peer.name !== 'tallylight' ? graph.graphToken : graph.token;

/** Loads a peer, and counts what reaches the sink against the time that the peer spends. */
export async function measure(
  testBed: TestBed,
  peer: Peer,
  workload: Workload,
  seconds: number,
): Promise<Sample> {
  const { job, unit, name } = workload;
  const token = tokenFor(testBed, peer, workload);
  await testBed.load({ ...job, port: peer.port, token });
  try {
    await eventually(
      async () => {
        const { ready, done, errors } = await testBed.report();
        if (done) throw new Error(`it answers with ${JSON.stringify(errors)}`);
        return ready >= job.connections;
      },
      { what: `${job.connections} connections`, withinMs: 60_000 },
    );
    await sleep(Math.min(1000, seconds * 400));
    // Signalling never comes to the sink: its answers are counted.
    const count = async (): Promise<number> =>
      name === 'signalling' ? (await testBed.report()).answers : (await testBed.counted())[unit];
    await testBed.reset();
    const [countBefore, cpuBefore, began] = [await count(), cpuMs(peer.process.pid), performance.now()];
    await sleep(seconds * 1000);
    const [countAfter, cpuAfter, ended] = [await count(), cpuMs(peer.process.pid), performance.now()];
    const { errors, p50, p99 } = await testBed.report();
    if (Object.keys(errors).length > 0) throw new Error(`it answers with ${JSON.stringify(errors)}`);
    const units = countAfter - countBefore;
    const cpu = cpuAfter - cpuBefore;
    if (units === 0 || cpu === 0) throw new Error('nothing came through');
    return {
      perCpuSecond: (units * 1000) / cpu,
      perSecond: (units * 1000) / (ended - began),
      cores: cpu / (ended - began),
      p50: unit === 'frames' ? 0 : p50,
      p99: unit === 'frames' ? 0 : p99,
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${workload.title} through ${peer.name}: ${why}\n${peer.process.output}`, {
      cause: error,
    });
  } finally {
    await testBed.unload();
  }
}

/** So many answers make a compiler content; a peer that is slow, or gives no answers, gets some seconds. */
const warmAnswers = 5000;
const warmMs = { requests: 10_000, frames: 3000 };

export async function warmUp(
  testBed: TestBed,
  peer: Peer,
  workload: Workload,
  seconds: number,
): Promise<void> {
  const most = workload.job.kind === 'requests' ? warmMs.requests : warmMs.frames;
  const until = performance.now() + Math.min(most, seconds * 2500);
  await testBed.load({ ...workload.job, port: peer.port, token: tokenFor(testBed, peer, workload) });
  try {
    await eventually(
      async () => {
        const { answers, done } = await testBed.report();
        return done || answers >= warmAnswers || performance.now() > until;
      },
      { what: 'a warm peer', withinMs: 60_000 },
    );
  } finally {
    await testBed.unload();
  }
}

/** Round by round, each peer once in each; every other round in the opposite order. */
export async function rounds(
  testBed: TestBed,
  peers: readonly Peer[],
  workload: Workload,
  { rounds: count, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<Series> {
  const taking = peers.filter(({ name }) => workload.peers.includes(name));
  const series: Series = {};
  for (const peer of taking) await warmUp(testBed, peer, workload, seconds);
  for (let round = 0; round < count; round += 1) {
    const order = round % 2 === 0 ? taking : [...taking].reverse();
    for (const peer of order)
      (series[peer.name] ??= []).push(await measure(testBed, peer, workload, seconds));
  }
  return series;
}
