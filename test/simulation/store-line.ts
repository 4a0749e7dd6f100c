import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import type { CallKey } from '../../src/core/call/key.ts';
import { closingEvents } from '../../src/core/call/state.ts';
import { Fault, messageOf } from '../../src/core/errors.ts';
import type { CallView, Commit } from '../../src/core/ports/call-store.ts';
import type { HoldCommit } from '../../src/core/ports/hold-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { refusals, type Refused } from './acts.ts';
import type { Weather } from './chance.ts';
import type { Engine, Process } from './engine.ts';
import type { Setting } from './plan.ts';
import { type Ports, type SimulatedStore, startOfTime, taken } from './store-ports.ts';

const aDayMs = 24 * 60 * 60 * 1000;

type Tell = (reply: never, ...args: never[]) => string | undefined;

const short = (call: string): string => call.slice(-4);

/** What the trace says of a command that took effect; of those that are not here, nothing. */
const tells: Readonly<Record<string, Tell>> = {
  commit: (swapped: boolean | string | undefined, commit: Commit | HoldCommit) => {
    if ('line' in commit)
      return `holds ${commit.line?.act ?? 'restored'}: ${swapped ?? 'another was faster'}`;
    const { call, record } = commit;
    const { event, from, to, epoch } = record;
    return `${short(call)} ${event}: ${swapped === true ? `${from} -> ${to}, epoch ${epoch}` : 'another was faster'}`;
  },
  acquire: ({ state }: { state: string }, call: string) =>
    `${short(call)}: ${state === 'recording' ? 'is a holder now' : state}`,
  leave: (
    _: unknown,
    call: string,
    { session, epoch }: { session: string; epoch: number },
    tally: { left: string; bytes: number },
  ) => `${short(call)} epoch ${epoch}: ${session} ${tally.left}, ${tally.bytes} bytes`,
  join: (_: unknown, session: string) => session,
  heartbeat: (reply: readonly unknown[] | 'lost') =>
    reply === 'lost' ? 'lost' : reply.length > 0 ? 'brings revocations' : undefined,
  revoke: (found: number | 'missing', session: string, { call, epoch }: { call: string; epoch: number }) =>
    `${short(call)} epoch ${epoch} for ${session}${found === 'missing' ? ': no such session' : ''}`,
  quit: (_: unknown, session: string) => session,
};

/** Commands that write nothing, and those that lead to open gates. */
const reading = new Set([
  ...['read', 'census', 'idle', 'pending', 'depth', 'announceStop', 'onWake', 'onStop'],
  ...['behind', 'isWaiting', 'onChange'],
]);
const opening = new Set(['join', 'heartbeat', 'acquire', 'newestTime']);

const isClosing = (commit: Commit | HoldCommit): boolean =>
  'line' in commit ? commit.line?.act === 'set' : closingEvents.includes(commit.record.event);

/** What becomes of one command, or of its reply. */
type Fate = { readonly kind: 'slow' | 'twice'; readonly ms: number } | { readonly kind: 'lost' };

/**
 * The real memory store behind a network: every command takes effect in one step, some time after it was sent and some
 * time before its reply arrives; either may be lost, and a command may take effect twice. A connection that breaks
 * takes with it what is on its way. What the Redis scripts do in one step is tied to the memory store by conformance.
 */
export class StoreLine implements SimulatedStore {
  skewMs = 0;
  isDown = false;
  isFull = false;
  refuses: Refused | undefined;
  announced: SimulatedStore['announced'] = () => undefined;
  started: SimulatedStore['started'] = () => undefined;
  forgot: SimulatedStore['forgot'] = () => undefined;
  losses = 0;
  readonly fencedMs = 0;
  readonly cutOff = new Map<number, number>();
  readonly deaf = new Map<number, number>();
  readonly lateGrants = new Map<number, number>();
  readonly committed = new Map<string, EvidenceRecord>();
  readonly #engine: Engine;
  readonly #weather: Weather;
  readonly #setting: Setting;
  #store: Store;
  /** Counts how often all connections broke. */
  #connection = 0;

  constructor(engine: Engine, weather: Weather, setting: Setting) {
    this.#engine = engine;
    this.#weather = weather;
    this.#setting = setting;
    this.#store = this.#begin(setting.isOld ? aDayMs : 0);
  }

  /** The store's own clock, whole ms since the epoch, which may be set. */
  readonly #wallClock = (): number => startOfTime + Math.floor(this.#engine.now + this.skewMs);

  goDown(): void {
    this.isDown = true;
    this.#connection += 1;
  }

  comeUp(withData: boolean): void {
    this.isDown = false;
    this.#connection += 1;
    if (withData) return;
    this.losses += 1;
    this.committed.clear();
    this.#store = this.#begin(0);
    this.forgot();
  }

  heal(): void {
    if (this.isDown) this.comeUp(true);
    this.isFull = false;
    this.refuses = undefined;
    this.cutOff.clear();
    this.deaf.clear();
    this.lateGrants.clear();
  }

  view(call: CallKey): Promise<CallView> {
    return this.#store.calls.read(call);
  }

  depth(): Promise<number> {
    return this.#store.outbox.depth();
  }

  portsFor(process: Process): Ports {
    const through = <Port extends keyof Ports>(port: Port): Ports[Port] => {
      type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;
      const methods = Object.keys(this.#store[port]).map((name) => {
        const run = (...args: unknown[]): Promise<unknown> => {
          const effect = (store: Store): Promise<unknown> => {
            const why = this.#refusal(name, args);
            if (why !== undefined) return Promise.reject(new Fault('StoreUnavailable', why));
            return (store[port] as unknown as Methods)[name]!(...args);
          };
          const tell = tells[name] as ((...all: unknown[]) => string | undefined) | undefined;
          return this.#send(process, name, effect, (reply) => tell?.(reply, ...args));
        };
        return [name, run] as const;
      });
      return Object.fromEntries(methods) as unknown as Ports[Port];
    };
    const sessions = through('sessions');
    return {
      calls: through('calls'),
      sessions: {
        ...sessions,
        onWake: (session, wake) =>
          sessions.onWake(session, (revocation) => this.#wake(process, () => wake(revocation))),
        onStop: (hear) =>
          sessions.onStop((stop) =>
            this.#wake(process, () => {
              this.announced(process, stop);
              hear(stop);
            }),
          ),
      },
      outbox: through('outbox'),
      holds: {
        ...through('holds'),
        onChange: (changed) => through('holds').onChange(() => this.#wake(process, changed)),
      },
    };
  }

  /** Data begins anew; entries of the outbox never share an id with those of the data before. */
  #begin(ageMs: number): Store {
    const store = memoryStore({
      clock: () => startOfTime + this.#engine.now,
      wallClock: this.#wallClock,
      livedMs: ageMs,
    });
    const { calls, outbox } = store;
    const generation = `${this.losses}/`;
    return {
      ...store,
      calls: {
        ...calls,
        commit: async (commit) => {
          const swapped = await calls.commit(commit);
          if (!swapped) return false;
          this.committed.set(commit.record.hash, commit.record);
          if (commit.record.event === 'startRequested') this.started(commit.call, commit.state.epoch);
          return true;
        },
      },
      outbox: {
        ...outbox,
        pending: async (limit) =>
          (await outbox.pending(limit)).map((entry) => ({ ...entry, id: generation + entry.id })),
        remove: (entries) => {
          const ours = entries.filter(({ id }) => id.startsWith(generation));
          return outbox.remove(ours.map((entry) => ({ ...entry, id: entry.id.slice(generation.length) })));
        },
      },
    };
  }

  #send(
    process: Process,
    name: string,
    effect: (store: Store) => Promise<unknown>,
    tell: (reply: unknown) => string | undefined,
  ): Promise<unknown> {
    const engine = this.#engine;
    const { name: sender } = process;
    const occasion = `${process.slot} ${name}`;
    const connection = this.#connection;
    const isBroken = (): boolean => this.isDown || connection !== this.#connection;
    const takes = (fate: Fate | undefined): number =>
      fate?.kind === 'slow' ? fate.ms : this.#weather.delay(occasion);
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Fault('StoreUnavailable', why));
      const cancel = process.clock.after(this.#setting.commandTimeoutMs, () => fail('no answer in time'));
      const reply = (settle: () => void): void => {
        const fate = this.#fate(`${occasion} reply`);
        if (fate?.kind === 'lost' || this.#isCutOff(process)) {
          engine.note(`${sender} never gets the reply to ${name}`);
          return;
        }
        const arrive = (): void => {
          cancel();
          if (isBroken()) fail('the connection broke');
          else settle();
        };
        const lateMs = name === 'acquire' ? taken(this.lateGrants, process.slot) : undefined;
        engine.schedule(lateMs ?? takes(fate), `${sender} <- ${name}`, arrive, process);
      };
      const takeEffect = (): void => {
        if (isBroken()) {
          reply(() => fail('the connection broke'));
          return;
        }
        if (this.#isCutOff(process)) {
          engine.note(`${sender}'s ${name} never arrives`);
          return;
        }
        effect(this.#store).then(
          (value) => {
            const told = tell(value);
            if (told !== undefined) engine.note(`${sender} ${name} ${told}`);
            reply(() => resolve(value));
          },
          (error: unknown) => reply(() => fail(messageOf(error))),
        );
      };
      const fate = this.#fate(`${occasion} request`);
      if (fate?.kind === 'lost' || this.#isCutOff(process)) {
        engine.note(`${sender}'s ${name} never arrives`);
        return;
      }
      const ms = takes(fate);
      engine.schedule(ms, `store <- ${sender} ${name}`, takeEffect);
      if (fate?.kind !== 'twice' || name === 'onWake') return;
      engine.schedule(ms + fate.ms, `store <- ${sender} ${name} again`, () => {
        if (isBroken()) return;
        engine.note(`${sender}'s ${name} takes effect again`);
        effect(this.#store).catch(() => undefined);
      });
    });
  }

  #fate(occasion: string): Fate | undefined {
    const { odds, commandTimeoutMs, times } = this.#setting;
    const { storeSlow: slow, storeLost: lost, storeTwice: twice } = odds;
    return this.#weather.fault(occasion, slow + lost + twice, (chance): Fate => {
      const which = chance.between(0, slow + lost + twice);
      if (which < lost) return { kind: 'lost' };
      if (which < lost + twice)
        return { kind: 'twice', ms: chance.between(0, chance.pick([20, times.ttlMs])) };
      return { kind: 'slow', ms: chance.between(0, chance.pick([60, 1.2 * commandTimeoutMs])) };
    });
  }

  /** Why a command is refused: as a Redis refuses the scripts that take the place of these. */
  #refusal(name: string, args: readonly unknown[]): string | undefined {
    if (reading.has(name)) return undefined;
    const closes = name === 'commit' && isClosing(args[0] as Commit | HoldCommit);
    if (this.isFull && (opening.has(name) || (name === 'commit' && !closes))) return 'OOM';
    if (this.refuses === undefined) return undefined;
    return Object.hasOwn(refusals, this.refuses) || name === 'commit' ? this.refuses : undefined;
  }

  #isCutOff({ slot }: Process): boolean {
    return (this.cutOff.get(slot) ?? 0) > this.#engine.now;
  }

  #wake(process: Process, wake: () => void): void {
    const occasion = `${process.slot} wake`;
    const isLost = this.#weather.fault(occasion, this.#setting.odds.wakeLost, () => true) ?? false;
    const isDeaf = (this.deaf.get(process.slot) ?? 0) > this.#engine.now;
    if (isLost || isDeaf || this.#isCutOff(process)) {
      this.#engine.note(`${process.name} is not woken`);
      return;
    }
    this.#engine.schedule(this.#weather.delay(occasion), `${process.name} is woken`, wake, process);
  }
}
