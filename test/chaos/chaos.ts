import { randomUUID } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCallKey, type CallKey } from '../../src/core/call/key.ts';
import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import { listJournalFiles, verifyJournal } from '../../src/evidence/verify/verify.ts';
import { redisStore, type RedisStore } from '../../src/store/redis/client.ts';
import { Chance } from '../simulation/chance.ts';
import { eventually } from '../support/eventually.ts';
import type { Times } from './answers.ts';
import { startArena, type Arena } from './arena.ts';
import { ChaosBot, type Tally } from './bots.ts';
import { doubledRecords, lostRecords } from './checker.ts';
import { judge, type Findings } from './findings.ts';
import { changeMoods } from './moods.ts';
import { Pulse } from './pulse.ts';
import { storm, type StormReport } from './storm.ts';
import { Troubles } from './troubles.ts';

export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly log: (line: string) => void;
  /** The program of the proxies; the built one if absent. */
  readonly main?: string | undefined;
  /** The names of the faults that are done; all of them if absent. */
  readonly only?: readonly string[] | undefined;
  /** Where stamps, logs and evidence are left; nowhere if absent. */
  readonly keepIn?: string | undefined;
}

export interface ChaosReport extends Findings {
  readonly seed: number;
  readonly minutes: number;
}

const botCount = 20;
const signallerCount = 2;
/** Runs of this length and more do every fault at least once. */
const roundMinutes = 2;

/** Faults on real processes for some minutes; then everything is healed, ended in order, and judged by what is left. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { minutes, seed, log, main, keepIn } = options;
  const chance = new Chance(seed, 'times');
  const times: Times = {
    ttlMs: 700 + chance.below(300),
    drainMs: 300 + chance.below(100),
    graphTimeoutMs: 500 + chance.below(300),
  };
  const arena = await startArena({ times, main });
  const store = redisStore(arena.redis.url, { durability: 'ignore' });
  const pulse = new Pulse();
  try {
    const troubles = new Troubles();
    const tally: Tally = {
      answers: [],
      starts: 0,
      confirmed: 0,
      uploads: 0,
      tries: new Map(),
      streams: { asked: 0, opened: 0, closed: 0, stopped: 0, cut: 0 },
      acknowledged: new Set(),
    };
    const calls: string[] = [];
    const weather = await live(arena, options, { times, troubles, tally, calls });
    const problems = await settle(arena, store, log);
    const records = await recordsIn(arena.evidence);
    const findings = judge({ arena, times, tally, troubles, weather, pulse, records });
    const violations = [
      ...problems,
      ...findings.violations,
      ...lostRecords(await headsOf(store, calls), records),
      ...doubledRecords(records),
      ...(await misfits(arena.evidence, troubles)),
    ];
    if (keepIn !== undefined)
      await keep(keepIn, arena, { times, troubles: troubles.list, answers: tally.answers, violations });
    return { seed, minutes, ...findings, violations };
  } finally {
    pulse.close();
    await store.close();
    await arena.close();
  }
}

interface Notes {
  readonly times: Times;
  readonly troubles: Troubles;
  readonly tally: Tally;
  /** Undashed. */
  readonly calls: string[];
}

/** Until the time is over, and everybody has come home. */
async function live(
  arena: Arena,
  { minutes, seed, log, only }: ChaosOptions,
  { times, troubles, tally, calls }: Notes,
): Promise<StormReport> {
  let isOver = false;
  let isRound = false;
  const stopping = (): boolean => isOver;
  const ground = {
    proxies: arena.instances.map(({ ways }) => ways.bots.url),
    token: await arena.mint.mint(),
    newCall: () => {
      const call = arena.graph.incomingCall({ answered: true });
      calls.push(call);
      return call;
    },
    stopping,
  };
  const newBot = (name: string): ChaosBot =>
    new ChaosBot({ ...ground, chance: new Chance(seed, name) }, tally);
  const bots = [
    ...Array.from({ length: botCount }, (_, n) => newBot(`bot ${n}`).live()),
    ...Array.from({ length: signallerCount }, (_, n) => newBot(`signaller ${n}`).signal()),
  ];
  const { ttlMs, graphTimeoutMs } = times;
  const moods = changeMoods(arena.graph, new Chance(seed, 'Graph'), graphTimeoutMs, stopping);
  const { redis, graph, evidence, instances } = arena;
  const began = performance.now();
  const blowing = storm({
    redis,
    graph,
    evidence,
    instances,
    troubles,
    only,
    stopping,
    onRound: () => (isRound = true),
    chance: new Chance(seed, 'faults'),
    ttlMs,
    graphTimeoutMs,
    log: (line) => log(`${((performance.now() - began) / 1000).toFixed(1)} s: ${line}`),
  });
  await sleep(minutes * 60_000);
  // On a machine that is slow enough, a round takes longer than two minutes.
  if (minutes >= roundMinutes)
    await eventually(() => isRound, { withinMs: 120_000, what: 'every fault once' });
  isOver = true;
  const weather = await blowing;
  await Promise.all([...bots, moods]);
  return weather;
}

/** Ends the proxies in order; by then all evidence is in the files. */
async function settle({ instances }: Arena, store: RedisStore, log: ChaosOptions['log']): Promise<string[]> {
  const violations: string[] = [];
  const waiting = (): Promise<number | undefined> => store.outbox.depth().catch(() => undefined);
  log('healed; waiting for the evidence');
  await eventually(async () => (await waiting()) === 0, { what: 'an empty outbox' }).catch((error: unknown) =>
    violations.push(String(error)),
  );
  const ends = await Promise.all(instances.map((instance) => instance.stop()));
  for (const [n, end] of ends.entries())
    if (end !== 0) violations.push(`proxy ${n} ended with ${end} when it was asked to`);
  const left = await waiting();
  if (left !== 0) violations.push(`${left} records wait in the store after the proxies have ended`);
  return violations;
}

async function recordsIn(directory: string): Promise<EvidenceRecord[]> {
  const records: EvidenceRecord[] = [];
  for (const file of await listJournalFiles(directory)) {
    for (const line of (await readFile(file, 'utf8')).split('\n')) {
      if (line === '') continue;
      const { record } = JSON.parse(line) as { readonly record?: EvidenceRecord };
      if (record !== undefined) records.push(record);
    }
  }
  return records;
}

async function headsOf(
  { calls }: RedisStore,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string | null>> {
  const heads = new Map<string, string | null>();
  for (const id of ids) {
    const key = parseCallKey(id) as CallKey;
    const { state } = await calls.read(key);
    heads.set(key, state?.head ?? null);
  }
  return heads;
}

async function misfits(directory: string, { list }: Troubles): Promise<string[]> {
  // A record may reach the files before the replica: where a replica took over without it, the change was never
  // acknowledged, and the call goes on from an earlier record. `lostRecords` sees to what was acknowledged.
  const storeLost = list.some(({ forgets, takeover }) => forgets ?? takeover);
  const { misfit } = await verifyJournal(await listJournalFiles(directory), { storeLost });
  return misfit === null ? [] : [`the evidence does not verify: ${JSON.stringify(misfit)}`];
}

async function keep(
  directory: string,
  arena: Arena,
  notes: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { graph, sink, sightings, instances, evidence } = arena;
  await mkdir(directory, { recursive: true });
  const { log, banner } = graph;
  const all = { ...notes, log, banner, writes: sink.writes, sightings };
  for (const [name, value] of Object.entries(all))
    await writeFile(join(directory, `${name}.json`), JSON.stringify(value, null, 1));
  for (const [n, { lines }] of instances.entries())
    await writeFile(join(directory, `proxy-${n}.log`), `${lines.join('\n')}\n`);
  await cp(evidence, join(directory, 'evidence'), {
    recursive: true,
    filter: (source) => !source.endsWith('.sock'),
  });
}

/** A seed that was not used before. */
export const freshSeed = (): number => Number.parseInt(randomUUID().slice(0, 7), 16);
