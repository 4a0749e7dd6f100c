import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { listJournalFiles } from '../../src/evidence/verify/verify.ts';
import type { Chance } from '../simulation/chance.ts';
import type { Instance, Ways } from './instance.ts';
import type { RedisPair } from './redis-pair.ts';
import { calm, type Weather } from './relay.ts';
import type { Scope } from './troubles.ts';
import type { FakeGraph } from '../../src/sandbox/graph/control.ts';
import type { ScriptRule } from '../../src/sandbox/graph/script.ts';
import { eventually } from '../support/eventually.ts';

const run = promisify(execFile);

export interface Battlefield {
  readonly redis: RedisPair;
  readonly graph: FakeGraph;
  readonly instances: readonly Instance[];
  /** The directory of the evidence, which they share. */
  readonly evidence: string;
  readonly chance: Chance;
  readonly ttlMs: number;
  readonly graphTimeoutMs: number;
}

/** What one fault is done to. */
export interface Blow extends Battlefield {
  /** The one proxy that it may be upon. */
  readonly victim: Instance;
  readonly index: number;
  /** Tells what is troubled from now to the end of the fault. */
  readonly upon: (scope: Scope) => void;
}

export interface Fault {
  readonly name: string;
  /** Two of a kind are not done at once; `instance`: unless they are done to different proxies. */
  readonly kind: 'instance' | 'store' | 'disk' | 'graph';
  /** It takes so much time that it is done seldom once it was done. */
  readonly isLong?: true;
  /** Runs to its end, healing included. */
  run(blow: Blow): Promise<void>;
}

/** A way is troubled for a while. */
const onWay = (name: string, way: keyof Ways, weather: (blow: Blow) => Partial<Weather>): Fault => ({
  name,
  kind: 'instance',
  async run(blow) {
    const { chance, index, victim, ttlMs } = blow;
    blow.upon(scopes[way](index));
    const troubled = victim.ways[way];
    troubled.weather = { ...calm, ...weather(blow) };
    // A stop that misses a session may wait for two sessions' lives: what comes after counts as well.
    await sleep(chance.between(500, way === 'store' ? 6 * ttlMs : 2500));
    // What was swallowed does not come back.
    if (troubled.weather.silent !== undefined) troubled.cut();
    troubled.weather = calm;
  },
});

/** Every connection is reset, a few times. */
const resets = (name: string, way: keyof Ways): Fault => ({
  name,
  kind: 'instance',
  async run({ chance, index, victim, upon }) {
    upon(scopes[way](index));
    for (let times = 1 + chance.below(4); times > 0; times -= 1) {
      victim.ways[way].cut();
      await sleep(chance.between(50, 500));
    }
  },
});

/** The store is away until what is written is kept by both servers again. */
const onStore = (name: string, trouble: (blow: Blow) => Promise<void>, scope: Scope = {}): Fault => ({
  name,
  kind: 'store',
  async run(blow) {
    blow.upon({ store: true, ...scope });
    await trouble(blow);
    await blow.redis.whole();
  },
});

/** Sentinel lets the replica take over, which it has to know for that. */
const takeover = (name: string, trouble: (blow: Blow) => Promise<void>): Fault => {
  const fault = onStore(name, trouble, { takeover: true });
  return {
    ...fault,
    isLong: true,
    async run(blow) {
      await blow.redis.inStep();
      await fault.run(blow);
    },
  };
};

/** Whom it concerns when a way is troubled. Graph's answers and the media handler's may be waited for by anybody. */
const scopes: Readonly<Record<keyof Ways, (index: number) => Scope>> = {
  graph: () => ({}),
  sink: () => ({}),
  store: (index) => ({ storeOf: [index] }),
  bots: (index) => ({ instances: [index] }),
};

/** Graph may be sent a request so late, and no later: what is given up is off the wire after that. */
const slow = ({ chance, graphTimeoutMs }: Blow): Partial<Weather> => ({
  delayMs: chance.between(50, 0.9 * graphTimeoutMs),
});
/** So slow that a heartbeat takes up to most of a session's life, or longer. */
const slowForSessions = ({ chance, ttlMs }: Blow): Partial<Weather> => ({
  delayMs: chance.between(20, 0.6 * ttlMs),
});
const lazy = ({ chance }: Blow): Partial<Weather> => ({ bytesPerMs: chance.between(5, 50) });
const silence = (): Partial<Weather> => ({ silent: 'both' });
const deaf = (): Partial<Weather> => ({ silent: 'back' });

/** Everything that is done to the processes and the ways between them. */
export const faults: readonly Fault[] = [
  {
    name: 'a proxy is killed',
    kind: 'instance',
    async run({ victim, index, chance, upon }) {
      upon({ instances: [index] });
      await victim.kill();
      await sleep(chance.between(100, 1500));
      await victim.boot();
    },
  },
  {
    name: 'a proxy stands still beyond its deadline',
    kind: 'instance',
    async run({ victim, index, chance, upon }) {
      upon({ instances: [index] });
      victim.signal('SIGSTOP');
      await sleep(chance.between(500, 4500));
      victim.signal('SIGCONT');
      await sleep(300);
    },
  },
  {
    name: 'a proxy has no file descriptors left',
    kind: 'instance',
    async run({ victim, index, chance, upon }) {
      upon({ instances: [index] });
      await limit(victim, 'nofile', 32);
      await sleep(chance.between(500, 2000));
      await limit(victim, 'nofile', 4096);
    },
  },
  onStore('Redis is killed and comes back with its data', async ({ redis, chance }) => {
    const primary = await redis.primary();
    await primary.kill('SIGKILL');
    await sleep(chance.between(100, 800));
    await primary.restart({ keepData: true });
  }),
  onStore(
    'Redis comes back empty',
    async ({ redis }) => (await redis.primary()).restart({ keepData: false }),
    { forgets: true },
  ),
  onStore('Redis stands still', async ({ redis, chance }) => {
    const primary = await redis.primary();
    await primary.kill('SIGSTOP');
    await sleep(chance.between(300, 1500));
    await primary.kill('SIGCONT');
  }),
  onStore('the replica of Redis stands still', ({ redis, chance }) =>
    redis.pauseReplica(chance.between(300, 2500)),
  ),
  takeover('Redis fails over to its replica, whose clock is another', ({ redis, chance }) =>
    redis.failOver(stepMs(chance)),
  ),
  // A server that finds its peers silent for a minute by its clock breaks with them.
  onStore('the clock of Redis is set back', ({ redis, chance }) => redis.step(-Math.abs(stepMs(chance)))),
  onStore('the clock of Redis is set forward', ({ redis, chance }) => redis.step(Math.abs(stepMs(chance)))),
  {
    name: 'Redis is full',
    kind: 'store',
    async run({ redis, chance, ttlMs, upon }) {
      upon({ store: true, full: true });
      await redis.full(chance.between(4, 6) * ttlMs);
    },
  },
  {
    name: 'Redis forbids what stores evidence',
    kind: 'store',
    async run({ redis, chance, upon }) {
      upon({ store: true });
      await redis.forbid('xadd', chance.between(1000, 3000));
    },
  },
  {
    name: 'Graph refuses the credential at stops',
    kind: 'graph',
    run: (blow) =>
      refusedStops(blow, { error: { status: 401, code: 'InvalidAuthenticationToken', message: 'revoked' } }),
  },
  {
    name: 'Graph fails at stops',
    kind: 'graph',
    run: (blow) => refusedStops(blow, { error: { status: 503, code: 'ServiceUnavailable' } }),
  },
  takeover('a Redis that was replaced goes on as a primary', ({ redis }) => redis.splitBrain()),
  {
    name: 'the disk of the evidence is full',
    kind: 'disk',
    // A limit on the size of files takes the same bytes of a write, and refuses the same rest, as a disk with no room.
    async run({ instances, evidence, chance, upon }) {
      upon({});
      const most = (await sizeOfNewest(evidence)) + chance.below(2000);
      for (const instance of instances) await limit(instance, 'fsize', most);
      await sleep(chance.between(500, 2500));
      for (const instance of instances) await limit(instance, 'fsize', 'unlimited');
    },
  },
  onWay('the way to Graph is slow', 'graph', slow),
  onWay('the way to Graph swallows everything', 'graph', silence),
  onWay('the answers of Graph are lost', 'graph', deaf),
  resets('connections to Graph are reset', 'graph'),
  onWay('the way to the media handler is slow', 'sink', slow),
  onWay('the media handler reads slowly', 'sink', lazy),
  onWay('the way to the media handler swallows everything', 'sink', silence),
  resets('connections to the media handler are reset', 'sink'),
  onWay('the way to the store is slow', 'store', slowForSessions),
  onWay('the way to the store swallows everything', 'store', silence),
  onWay('the answers of the store are lost', 'store', deaf),
  resets('connections to the store are reset', 'store'),
  onWay('the way from the bots is slow', 'bots', slow),
  onWay('the way from the bots swallows everything', 'bots', silence),
  resets('connections of the bots are reset', 'bots'),
];

/** How far somebody sets a clock, ms: up to an hour back, or three days forward. */
function stepMs(chance: Chance): number {
  const most = chance.pick([-3_600_000, -60_000, -5000, 5000, 60_000, 3_600_000, 3 * 86_400_000]);
  return Math.round(most * chance.between(0.5, 1));
}

/** So many stops that some of them meet it. */
async function refusedStops({ graph, chance, upon }: Blow, answer: ScriptRule['answer']): Promise<void> {
  upon({});
  const scripts = (['notRecording', 'failed'] as const).map((asked) =>
    graph.script({ action: 'updateRecordingStatus', asked, times: 1 + chance.below(6), answer }),
  );
  const first = scripts[0]!;
  await eventually(() => first.used > 0, { what: 'a stop that Graph refuses' });
  await sleep(chance.between(500, 2000));
}

/** A process that is gone has no limits; whoever killed it knows. */
async function limit({ pid }: Instance, resource: string, soft: number | 'unlimited'): Promise<void> {
  try {
    await run('prlimit', ['--pid', String(pid), `--${resource}=${soft}:`]);
  } catch (error) {
    if (!String((error as { readonly stderr?: unknown }).stderr).includes('No such process')) throw error;
  }
}

async function sizeOfNewest(evidence: string): Promise<number> {
  const newest = (await listJournalFiles(evidence)).at(-1);
  return newest === undefined ? 0 : (await stat(newest)).size;
}
