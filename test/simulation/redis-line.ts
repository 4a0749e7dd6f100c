import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import type { CallKey } from '../../src/core/call/key.ts';
import type { CallView } from '../../src/core/ports/call-store.ts';
import { redisCalls } from '../../src/store/redis/call-store.ts';
import { keysWith } from '../../src/store/redis/keys.ts';
import { type Script, scripts } from '../../src/store/redis/scripts.ts';
import { Shards } from '../../src/store/redis/shards.ts';
import { storeOver } from '../../src/store/redis/store.ts';
import { directConnection } from '../support/virtual-redis/connection.ts';
import type { Reply } from '../support/virtual-redis/reply.ts';
import { VirtualRedis } from '../support/virtual-redis/server.ts';
import { refusals, type Refused } from './acts.ts';
import type { Weather } from './chance.ts';
import type { Engine, Process } from './engine.ts';
import type { Setting } from './plan.ts';
import { type Failure, RedisClient } from './redis-client.ts';
import { type Fate, type Ports, type SimulatedStore, startOfTime, taken } from './store-ports.ts';

/** The longest time whose changes a restart or a failover can lose, ms. */
const longestLossMs = 2000;

/** So few that calls have company, and that not too much time goes into those that have no calls. */
const shards = 8;

/** How long a primary that was replaced may go on, as the scripts have it (`fencedMs` in prelude.lua). */
const fencedMs = 15_000;

/** Scripts, and events that are committed, without which no stop comes to its end. */
const stopping: ReadonlySet<string> = new Set([
  ...['read', 'revoke', 'leave', 'holds', 'holdClosing'],
  ...[
    'stopRequested',
    'stopTakenOver',
    'holderLost',
    'drained',
    'stopConfirmed',
    'stopRefused',
    'stopUnknown',
  ],
  'ended',
]);

/** Where the replies of scripts tell protocol time. */
const timeAt: Readonly<Record<string, number>> = { read: 5, touch: 0 };

const short = (call: string | undefined): string => (call ?? '').slice(-4);

type Args = Readonly<Record<string, string>>;

/** What the trace says of a script that took effect; of those that are not here, nothing. */
const tells: Readonly<Record<string, (reply: Reply, args: Args, keys: Args) => string | undefined>> = {
  commit: (reply, { id, record, state, epoch }) => {
    const { event, from } = JSON.parse(record ?? '') as EvidenceRecord;
    const how = reply === 1 ? `${from} -> ${state ?? ''}, epoch ${epoch ?? ''}` : 'another was faster';
    return `${short(id)} ${event}: ${how}`;
  },
  acquire: (reply, _, { call }) => {
    const [first, ...others] = reply as readonly Reply[];
    const [state, epoch] = Array.isArray(first) ? (first as readonly string[]) : ['unknown'];
    const more = others.length === 0 ? '' : `, and ${others.length} more`;
    return `${short(call)}: ${epoch === undefined ? (state ?? '') : 'is a holder now'}${more}`;
  },
  leave: (_, { session, epoch, tally }, { call }) => {
    const { left, bytes } = JSON.parse(tally ?? '') as { readonly left: string; readonly bytes: number };
    return `${short(call)} epoch ${epoch ?? ''}: ${session ?? ''} ${left}, ${bytes} bytes`;
  },
  hold: (reply, { following, line }) =>
    `${line === '' ? 'restored' : 'changed'}, number ${following ?? ''}: ${reply === null ? 'not taken' : 'taken'}`,
  join: (_, __, { session }) => session,
  heartbeat: (reply) =>
    reply === null ? 'lost' : Array.isArray(reply) && reply.length > 0 ? 'brings revocations' : undefined,
  revoke: (reply, { call, epoch }, { session }) =>
    `${short(call)} epoch ${epoch ?? ''} for ${session ?? ''}${reply === null ? ': no such session' : ''}`,
};

/**
 * The logic of the Redis store, scripts included, on a virtual Redis behind a network with the faults of `StoreLine`. Each
 * process has a connection of its own, which may break by itself or because the server went away.
 */
export class RedisLine implements SimulatedStore {
  skewMs = 0;
  isDown = false;
  announced: SimulatedStore['announced'] = () => undefined;
  started: SimulatedStore['started'] = () => undefined;
  forgot: SimulatedStore['forgot'] = () => undefined;
  losses = 0;
  readonly cutOff = new Map<number, number>();
  readonly deaf = new Map<number, number>();
  readonly lateGrants = new Map<number, number>();
  readonly committed = new Map<string, EvidenceRecord>();
  readonly #engine: Engine;
  readonly #weather: Weather;
  readonly #setting: Setting;
  readonly #server: VirtualRedis;
  readonly #keys = keysWith('tallylight', shards);
  readonly #calls: ReturnType<typeof redisCalls>;
  /** When each record was committed. */
  readonly #committedAt = new Map<string, number>();
  readonly #clients = new Set<RedisClient>();
  #refuses: Refused | undefined;

  constructor(engine: Engine, weather: Weather, setting: Setting) {
    this.#engine = engine;
    this.#weather = weather;
    this.#setting = setting;
    this.#server = new VirtualRedis({
      clock: () => startOfTime + Math.floor(engine.now + this.skewMs),
      elapsed: () => engine.now,
      appendOnly: true,
      memoryMs: longestLossMs,
    });
    const nothing = (): void => undefined;
    const hints = { committed: nothing, acquiring: () => undefined };
    const direct = directConnection(this.#server);
    this.#calls = redisCalls(direct, this.#keys, new Shards(() => engine.now), hints);
    if (setting.isOld) this.#settle();
  }

  /** Somebody has long counted the fresh time of every part (rule R2). */
  #settle(): void {
    const { lua: begin } = scripts.begin;
    const { lua: settle } = scripts.settle;
    for (let part = 0; part < this.#keys.shards; part++) {
      const { shard, mark } = this.#keys.shard(part);
      const begun = this.#server.script({ lua: begin }, [shard, mark], ['', '0', '0']);
      const life = Array.isArray(begun) ? String(begun[1]) : '';
      this.#server.script({ lua: settle }, [shard, mark], [life, '0', '0']);
    }
  }

  /** How much longer than usual a status change may have to wait, ms. */
  get fencedMs(): number {
    return this.#setting.redis === 'replica' ? fencedMs : 0;
  }

  get isFull(): boolean {
    return this.#server.isFull;
  }

  set isFull(isFull) {
    this.#server.isFull = isFull;
  }

  get refuses(): Refused | undefined {
    return this.#refuses;
  }

  set refuses(what) {
    this.#refuses = what;
    const all = what !== undefined && Object.hasOwn(refusals, what);
    this.#server.refusal = all ? refusals[what as keyof typeof refusals] : undefined;
    this.#server.forbidden = what === undefined || all ? undefined : what;
  }

  goDown(): void {
    this.isDown = true;
    for (const client of this.#clients) client.breakDown(this.#cutOffMs(client.process));
  }

  comeUp(withData: boolean, lostMs?: number): void {
    this.isDown = false;
    if (!withData) {
      this.#server.restartEmpty();
      this.#forget(Infinity);
    } else if (lostMs !== undefined) {
      const { redis } = this.#setting;
      const lost = redis === 'always' ? 0 : Math.min(lostMs, longestLossMs);
      if (redis === 'replica') this.#server.takeOver(lost);
      else this.#server.restart(lost);
      this.#engine.note(
        `${redis === 'replica' ? 'a replica takes over' : 'Redis restarts'}, ${lost} ms lost`,
      );
      if (lost > 0) this.#forget(lost);
    }
  }

  heal(): void {
    if (this.isDown) this.comeUp(true);
    this.isFull = false;
    this.refuses = undefined;
    this.cutOff.clear();
    this.deaf.clear();
    this.lateGrants.clear();
    for (const client of this.#clients) client.reconnect();
  }

  view(call: CallKey): Promise<CallView> {
    return this.#calls.read(call);
  }

  depth(): Promise<number> {
    let sum = 0;
    for (let shard = 0; shard < this.#keys.shards; shard++)
      sum += Number(this.#server.command('xlen', this.#keys.shard(shard).outbox));
    return Promise.resolve(sum);
  }

  portsFor(process: Process): Ports {
    for (const client of this.#clients) if (client.process.isDead) this.#clients.delete(client);
    const { redis, commandTimeoutMs } = this.#setting;
    const client = new RedisClient({
      engine: this.#engine,
      weather: this.#weather,
      server: this.#server,
      process,
      commandTimeoutMs,
      kept: redis === 'always' ? true : redis === 'unknown' ? undefined : false,
      reachableIn: () => this.#reachableIn(process),
      fate: (occasion) => this.#fate(occasion),
      wakeLost: this.#setting.odds.wakeLost,
      isDeaf: () => (this.deaf.get(process.slot) ?? 0) > this.#engine.now,
      lateMs: (name) => (name === 'acquire' ? taken(this.lateGrants, process.slot) : undefined),
      ran: (script, reply, keys, args) => this.#ran(process, script, reply, keys, args),
      failed: (script, failure, args) => this.#failed(script, failure, args),
    });
    this.#clients.add(client);
    const sleep = (ms: number): Promise<void> =>
      new Promise((resolve) => void process.clock.after(ms, resolve));
    const store = storeOver(client.connection, this.#keys, { now: () => process.clock.now(), sleep });
    return {
      ...store,
      sessions: {
        ...store.sessions,
        onStop: (hear) =>
          store.sessions.onStop((stop) => {
            this.announced(process, stop);
            hear(stop);
          }),
      },
    };
  }

  #reachableIn(process: Process): number {
    return this.isDown ? Infinity : this.#cutOffMs(process);
  }

  #cutOffMs({ slot }: Process): number {
    return Math.max(0, (this.cutOff.get(slot) ?? 0) - this.#engine.now);
  }

  #ran({ name }: Process, script: Script, reply: Reply, keys: Args, args: Args): void {
    this.#judgeTime(script, reply, args);
    const told = tells[script.name.replace('Closing', '')]?.(reply, args, keys);
    if (told !== undefined) this.#engine.note(`${name} ${script.name} ${told}`);
    if (!script.name.startsWith('commit') || reply !== 1) return;
    const record = JSON.parse(args.record ?? '') as EvidenceRecord;
    if (this.committed.has(record.hash)) return;
    this.committed.set(record.hash, record);
    if (record.event === 'startRequested') this.started(record.call, record.epoch);
    this.#committedAt.set(record.hash, this.#engine.now);
  }

  /** A store that is full takes every stop, and what leads to it; and what is refused leaves nothing half done. */
  #failed({ name }: Script, { why, wrote }: Failure, { record }: Args): void {
    if (wrote)
      this.#engine.violated(`rule R6: ${name} is refused in its middle, and leaves something half done`);
    if (!why.startsWith('OOM')) return;
    const event = record === undefined ? undefined : (JSON.parse(record) as EvidenceRecord).event;
    const what = event ?? name;
    if (stopping.has(what)) this.#engine.violated(`rule R6: a store that is full refuses ${what}`);
  }

  /** Protocol time never goes back for anybody: not by a step, and not with another server. */
  #judgeTime({ name }: Script, reply: Reply, { seen }: Args): void {
    const at = timeAt[name];
    if (at === undefined || seen === undefined || !Array.isArray(reply)) return;
    const told = Number((reply as readonly Reply[])[at]);
    if (told < Number(seen))
      this.#engine.violated(
        `rule of time: protocol time goes back: ${name} tells ${told} to whoever has seen ${seen}`,
      );
  }

  /** Data is gone: the records with it that no sink has need not be found. */
  #forget(lastMs: number): void {
    this.losses += 1;
    this.forgot();
    for (const [hash, at] of this.#committedAt) {
      if (at <= this.#engine.now - lastMs) continue;
      this.committed.delete(hash);
      this.#committedAt.delete(hash);
    }
  }

  #fate(occasion: string): Fate | undefined {
    const { odds, commandTimeoutMs, times } = this.#setting;
    const { storeSlow: slow, storeLost: lost, storeTwice: twice } = odds;
    return this.#weather.fault(occasion, slow + lost + twice, (chance): Fate => {
      const which = chance.between(0, slow + lost + twice);
      if (which < lost) return { kind: chance.happens(0.5) ? 'lost' : 'reset' };
      if (which < lost + twice)
        return { kind: 'twice', ms: chance.between(0, chance.pick([20, times.ttlMs])) };
      return { kind: 'slow', ms: chance.between(0, chance.pick([60, 1.2 * commandTimeoutMs])) };
    });
  }
}
