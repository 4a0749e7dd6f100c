import type { Redis } from 'ioredis';
import { askConfig, infoOf, unsuitable, type Config } from './suitable.ts';
import type { RedisTarget } from './target.ts';

/** What to do about a configuration that cannot keep every promise: log it, refuse to use it, or nothing. */
export type DurabilityRule = 'warn' | 'require' | 'ignore';

export interface Durability {
  /** Whether a restart forgets nothing that was acknowledged, so that open gates may stay open; undefined: unknown. */
  readonly kept: boolean | undefined;
  /** What the configuration cannot promise, a sentence each. */
  readonly doubts: readonly string[];
}

/** A primary that was replaced must have stopped by then; the scripts wait as long (`fencedMs` in prelude.lua). */
const fencedMs = 15_000;
/** A replica reports every second how far it is, and the primary looks every second. */
const longestLagS = 10;

const settings = [
  'appendonly',
  'appendfsync',
  'min-replicas-to-write',
  'min-replicas-max-lag',
  'cluster-node-timeout',
] as const;

/** Judges what a server remembers over a crash and a failover. */
export async function durabilityOf(
  server: Redis,
  kind: RedisTarget['kind'],
  waitReplicas: number,
): Promise<Durability> {
  const field = await infoOf(server);
  if (field('run_id') === undefined) throw unsuitable('it does not report its run_id');
  const replicas = Number(field('connected_slaves') ?? 0);
  const replicated = kind === 'sentinel' || replicas > 0;
  const config = await askConfig(server, ...settings);
  if (config === undefined)
    return {
      kept: kind === 'single' && !replicated ? undefined : false,
      doubts: ['its persistence cannot be checked, because it does not allow CONFIG GET'],
    };
  const synced = config.appendonly === 'yes' && config.appendfsync === 'always';
  const doubts = [...diskDoubts(config)];
  if (replicated && waitReplicas < Math.max(1, replicas))
    doubts.push(
      `changes are not confirmed by ${count(replicas)} (TALLYLIGHT_REDIS_WAIT_REPLICAS): a failover may lose the last changes, with their evidence`,
    );
  if (kind === 'cluster') doubts.push(...clusterDoubts(config));
  else if (replicated && waitReplicas < Math.max(1, replicas)) doubts.push(...fenceDoubts(config, replicas));
  return { kept: kind === 'single' && !replicated && synced, doubts };
}

const count = (replicas: number): string => (replicas > 1 ? `its ${replicas} replicas` : 'its replica');

function* diskDoubts({ appendonly, appendfsync }: Config): Iterable<string> {
  if (appendonly !== 'yes')
    yield `appendonly is ${appendonly ?? 'not reported'}: a restart loses all calls and the evidence that waits`;
  else if (appendfsync !== 'always')
    yield `appendfsync is ${appendfsync ?? 'not reported'}: a crash may lose the last changes, with their evidence, so a restart closes every gate`;
}

/** Two primaries at once are the one thing that closing gates does not cure. */
function* fenceDoubts(config: Config, replicas: number): Iterable<string> {
  const needed = Number(config['min-replicas-to-write'] ?? 0);
  const lagS = Number(config['min-replicas-max-lag'] ?? 0);
  if (needed < Math.max(1, replicas))
    yield `min-replicas-to-write is ${needed}: a primary that is partitioned from ${count(replicas)} keeps accepting commands after it was replaced, so media may be admitted after a stop`;
  else if (lagS < 1 || lagS > longestLagS)
    yield `min-replicas-max-lag is ${lagS}: a replaced primary may keep accepting commands for longer than ${longestLagS} s`;
}

function* clusterDoubts(config: Config): Iterable<string> {
  const timeoutMs = Number(config['cluster-node-timeout'] ?? fencedMs);
  if (timeoutMs > fencedMs)
    yield `cluster-node-timeout is ${timeoutMs}: a replaced primary may keep accepting commands for longer than ${fencedMs} ms`;
}
