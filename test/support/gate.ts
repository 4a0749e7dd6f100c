import { expect } from '@jest/globals';
import { silentMeter } from '../../middleware/meter.ts';
import type { CallEnd } from '../../src/core/call/ends.ts';
import { type EvidenceRecord, hashOf } from '../../src/core/call/evidence.ts';
import { type CallKey, parseCallKey } from '../../src/core/call/key.ts';
import type { Observation } from '../../src/core/call/observation.ts';
import { type PolicyInForce, selectPolicy } from '../../src/core/call/policy.ts';
import type { Contradiction } from '../../src/core/call/roster.ts';
import { type Binding, nextState } from '../../src/core/call/state.ts';
import { type Decision, grant } from '../../src/core/decision.ts';
import { Fault } from '../../src/core/errors.ts';
import type { GraphAnswer } from '../../src/core/graph/outcome.ts';
import type { NoticeOutcome } from '../../src/core/notices/outcomes.ts';
import type { CallStore, CallView } from '../../src/core/ports/call-store.ts';
import type { HoldLine } from '../../src/core/call/evidence-lines.ts';
import type { CallProbe } from '../../src/core/ports/identity.ts';
import type { Meter } from '../../src/core/ports/meter.ts';
import type { SessionStore } from '../../src/core/ports/session-store.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { GateParts, GateSizes, GateTimes } from '../../src/gate/context.ts';
import { Gate } from '../../src/gate/gate.ts';
import type { Started } from '../../src/gate/start.ts';
import type { StopCause, Stopped } from '../../src/gate/stop.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { collectedLog } from './collected-log.ts';
import { recordsOf } from './evidence/history.ts';
import { type Asked, never, ScriptedGraph } from './gate-graph.ts';
import { type HoldCommand, holdsThrough, writeHoldLines } from './gate-holds.ts';
import { type Instance, LiveWrite } from './gate-instance.ts';
import { VirtualClock } from './virtual-clock.ts';

export const theCall: CallKey = parseCallKey('00000000-0000-0000-0000-00000000ca11')!;
export const bot: Binding = {
  tenant: '11111111-1111-1111-1111-111111111111',
  app: '22222222-2222-2222-2222-222222222222',
};
export const stranger: Binding = { ...bot, app: '33333333-3333-3333-3333-333333333333' };

export const startOfTime = Date.UTC(2026, 0, 31, 12);
const aDayMs = 24 * 60 * 60 * 1000;

export interface Command {
  readonly instance: number;
  readonly name: keyof CallStore | keyof SessionStore | HoldCommand | 'backlog' | 'report';
}

/** What befalls one store command, before it takes effect and after it, before its reply arrives. */
export interface Disturbance {
  readonly before?: () => Promise<void>;
  readonly after?: () => Promise<void>;
}

interface Hold {
  /** Whether a command waits here. */
  readonly reached: boolean;
  release(): void;
}

interface Rule {
  readonly name: Command['name'];
  readonly instance: number | undefined;
  left: number;
  readonly disturbance: Disturbance;
}

export interface WorldOptions extends Partial<GateTimes> {
  readonly instances?: number;
  readonly policies?: readonly PolicyInForce[];
  readonly sizes?: GateSizes;
  /** Called whenever an instance looks for a policy. */
  readonly onPolicy?: () => void;
  /** Instances tell Graph of stops that no bot asked for. */
  readonly tellsGraph?: boolean;
  /** Reads the holds from the journal; `never`: the instances have none. By default the lines that were made durable. */
  readonly journal?: 'never';
  /** How Graph is asked for a call; absent: there is no credential for it. */
  readonly probe?: CallProbe;
  /** The store began without data right now; otherwise long ago. */
  readonly fresh?: boolean;
  /** What each instance observes, by its index; absent: nothing. */
  readonly observes?: (instance: number) => Observation | undefined;
}

export const unavailable = (): Promise<never> =>
  Promise.reject(new Fault('StoreUnavailable', 'the store did not answer'));

const silent = (): void => undefined;

/** Gates of several instances on one store and one Graph; whatever happens, both laws are watched. */
export class World {
  readonly clock = new VirtualClock();
  readonly times: GateTimes;
  readonly graph: ScriptedGraph;
  readonly instances: Instance[] = [];
  readonly writes: LiveWrite[] = [];
  readonly commands: Command[] = [];
  readonly log = collectedLog();
  readonly violations: string[] = [];
  readonly drains: string[] = [];
  /** Seconds that recordings were open, as metrics hear of them. */
  readonly lengths: number[] = [];
  readonly bytes = { live: 0, ended: 0 };
  /** By instance, the age of the oldest stop that is not confirmed, as of the last `sample`. */
  readonly oldestStops = new Map<number, number>();
  readonly samplers: (() => void)[] = [];
  /** As metrics hear of them: whether each instance enforces the laws, and why writes would have been refused. */
  readonly enforcing = new Map<number, boolean>();
  readonly observed: string[] = [];
  readonly ends: CallEnd[] = [];
  readonly contradictions: Contradiction[] = [];
  /** What became of the notifications that were learned from. */
  readonly outcomes: NoticeOutcome[] = [];
  /** Lines about holds that were made durable, whatever becomes of the store. */
  readonly holdLines: HoldLine[] = [];

  /** Stores that have lost their data, with the one in use last. */
  readonly #stores: Store[] = [];
  /** Records that were made durable. */
  readonly #durable = new Map<Store, readonly EvidenceRecord[]>();
  #rules: Rule[] = [];
  /** Befalls every store command that no rule is for. */
  weather: (command: Command) => Disturbance = () => ({});
  storeIsDown = false;
  wakesArrive = true;
  /** By how much the store's clock is off, ms. */
  storeSkewMs = 0;
  /** By how much the wall clocks of instances are off, ms. */
  wallSkewMs = 0;
  readonly wallNow = (): number => startOfTime + this.clock.now() + this.wallSkewMs;
  readonly #options: WorldOptions;
  #ids = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    const { ttlMs = 3000, drainMs = 1000, graphTimeoutMs = 2000, ...more } = options;
    const { silenceMs, evidenceWaitMs, witnessGraceMs = 5000 } = more;
    this.times = {
      ttlMs,
      drainMs,
      graphTimeoutMs,
      witnessGraceMs,
      ...(silenceMs === undefined ? {} : { silenceMs }),
      ...(evidenceWaitMs === undefined ? {} : { evidenceWaitMs }),
    };
    this.graph = new ScriptedGraph(this.clock, graphTimeoutMs, {
      stopSent: (call, asked) => {
        const live = this.live(call).length;
        if (live > 0)
          this.violations.push(`${live} writes live when ${asked} was sent at ${this.clock.now()}`);
      },
      changed: () => this.observe(),
    });
    this.restartStore(options.fresh === true ? 0 : aDayMs);
  }

  /** The store's own clock, ms since the epoch: for the evidence alone. */
  readonly storeNow = (): number => startOfTime + this.clock.now() + this.storeSkewMs;

  /** A store without data takes the place of the one before. */
  restartStore(ageMs = 0): void {
    const clock = (): number => startOfTime + this.clock.now();
    this.#stores.push(memoryStore({ clock, wallClock: this.storeNow, livedMs: ageMs }));
  }

  get store(): Store {
    return this.#stores.at(-1)!;
  }

  async boot(): Promise<Instance> {
    const index = this.instances.length;
    const isDead = (): boolean => this.instances[index]?.isDead ?? false;
    const gate = new Gate(this.#deps(index, isDead));
    const instance = { index, gate, isDead: false };
    this.instances.push(instance);
    void gate.open();
    await this.clock.settle();
    return instance;
  }

  /** The process is gone: its timers, its replies, its connections. What it had sent may still take effect. */
  crash(index: number): void {
    this.instances[index]!.isDead = true;
  }

  #deps(instance: number, isDead: () => boolean): GateParts {
    const through = <A extends unknown[], T>(
      name: Command['name'],
      run: (store: Store, ...args: A) => Promise<T>,
    ): ((...args: A) => Promise<T>) => {
      return async (...args) => {
        if (isDead()) return never();
        const { before, after } = this.#befalls({ instance, name });
        await before?.();
        if (this.storeIsDown) return isDead() ? never() : unavailable();
        const reply = await run(this.store, ...args);
        this.observe();
        await after?.();
        return isDead() ? never() : reply;
      };
    };
    const calls: CallStore = {
      read: through('read', ({ calls }, call) => calls.read(call)),
      commit: through('commit', ({ calls }, commit) => calls.commit(commit)),
      acquire: through('acquire', ({ calls }, ...args) => calls.acquire(...args)),
      leave: through('leave', ({ calls }, ...args) => calls.leave(...args)),
      census: through('census', ({ calls }) => calls.census()),
      oldestStop: through('oldestStop', ({ calls }) => calls.oldestStop()),
      touch: through('touch', ({ calls }, heard) => calls.touch(heard)),
      idle: through('idle', ({ calls }, ...args) => calls.idle(...args)),
      sweep: through('sweep', ({ calls }, limit) => calls.sweep(limit)),
    };
    const sessions: SessionStore = {
      join: through('join', ({ sessions }, ...args) => sessions.join(...args)),
      heartbeat: through('heartbeat', ({ sessions }, ...args) => sessions.heartbeat(...args)),
      revoke: through('revoke', ({ sessions }, ...args) => sessions.revoke(...args)),
      quit: through('quit', ({ sessions }, session) => sessions.quit(session)),
      onWake: through('onWake', ({ sessions }, session, wake) =>
        sessions.onWake(session, (revocation) => {
          if (this.wakesArrive && !isDead()) wake(revocation);
        }),
      ),
      announceStop: through('announceStop', ({ sessions }, announced) => sessions.announceStop(announced)),
      onStop: through('onStop', ({ sessions }, hear) =>
        sessions.onStop((announced) => {
          if (this.wakesArrive && !isDead()) hear(announced);
        }),
      ),
    };
    const holds = holdsThrough(through, () => this.wakesArrive && !isDead());
    const observation = this.#options.observes?.(instance);
    const meter: Meter = {
      ...silentMeter,
      observing: (until) => void this.enforcing.set(instance, until === undefined),
      observedWrite: (reason) => void this.observed.push(reason),
      sampled: (take) => this.samplers.push(take),
      drain: (_, how) => this.drains.push(how),
      bytesAdmitted: (count) => (this.bytes.ended += count),
      liveBytesAdmitted: (count) => (this.bytes.live += count),
      recorded: (seconds) => this.lengths.push(seconds),
      oldestUnconfirmedStop: (seconds) => this.oldestStops.set(instance, seconds),
      callEnded: (end) => this.ends.push(end),
      contradiction: (kind) => this.contradictions.push(kind),
      notice: (_, outcome) => this.outcomes.push(outcome),
    };
    return {
      calls,
      sessions,
      outbox: {
        backlog: through('backlog', ({ outbox }) => outbox.backlog()),
        report: through('report', ({ outbox }, report) => outbox.report(report)),
      },
      holds,
      ...(this.#options.journal !== 'never' && { readHolds: () => this.writeHolds() }),
      ...(this.#options.tellsGraph === true && {
        stopSender: (call) => this.#exchange(instance, call, 'notRecording'),
      }),
      log: this.log,
      meter,
      clock: {
        now: () => this.clock.now(),
        after: (ms, run) =>
          this.clock.after(ms, () => {
            if (!isDead()) run();
          }),
      },
      policyFor: (who) => {
        this.#options.onPolicy?.();
        return selectPolicy(this.#options.policies ?? [], who);
      },
      newId: () => `id-${++this.#ids}`,
      times: this.times,
      ...(this.#options.sizes === undefined ? {} : { sizes: this.#options.sizes }),
      ...(this.#options.probe === undefined ? {} : { probe: this.#options.probe }),
      ...(observation === undefined ? {} : { observation: { ...observation, wallClock: this.wallNow } }),
    };
  }

  /** Makes durable what waits in the store about holds; returns all such lines. */
  writeHolds(): Promise<readonly HoldLine[]> {
    return writeHoldLines(this.store, this.holdLines);
  }

  #befalls(command: Command): Disturbance {
    this.commands.push(command);
    const rule = this.#rules.find(
      ({ name, instance, left }) =>
        left > 0 && name === command.name && (instance ?? command.instance) === command.instance,
    );
    if (rule === undefined) return this.weather(command);
    rule.left -= 1;
    return rule.disturbance;
  }

  /** Lets the next such commands fail, before they took effect or after. */
  fail(name: Command['name'], when: keyof Disturbance, { instance = -1, times = 1 } = {}): void {
    this.#disturb(name, instance, times, { [when]: unavailable });
  }

  /** Keeps the next such command from taking effect, or its reply from arriving, until it is released. */
  hold(name: Command['name'], when: keyof Disturbance, { instance = -1 } = {}): Hold {
    let reached = false;
    let release = silent;
    const released = new Promise<void>((resolve) => (release = resolve));
    const wait = (): Promise<void> => {
      reached = true;
      return released;
    };
    this.#disturb(name, instance, 1, { [when]: wait });
    return {
      get reached() {
        return reached;
      },
      release,
    };
  }

  #disturb(name: Command['name'], instance: number, left: number, disturbance: Disturbance): void {
    this.#rules.push({ name, instance: instance < 0 ? undefined : instance, left, disturbance });
  }

  /** No disturbance that was prepared befalls anyone any more. */
  calm(): void {
    this.#rules = [];
    this.weather = () => ({});
    this.storeIsDown = false;
    this.wakesArrive = true;
  }

  start(index: number, { by = bot, call = theCall } = {}): Promise<Decision<Started<GraphAnswer>>> {
    const { gate } = this.instances[index]!;
    const confirmation = this.#exchange(index, call, 'notRecording');
    const { send, poll } = this.#exchange(index, call, 'recording');
    return gate.start({ call, by, send, poll, sendConfirmation: confirmation.send });
  }

  stop(
    index: number,
    cause: StopCause = 'notRecording',
    { by = bot, call = theCall, askedAt = this.clock.now() } = {},
  ): Promise<Decision<Stopped<GraphAnswer>>> {
    const { gate } = this.instances[index]!;
    const asked = cause === 'hangUp' ? 'hangUp' : 'notRecording';
    return gate.stop({ call, by, cause, askedAt, graph: this.#exchange(index, call, asked) });
  }

  #exchange(index: number, call: CallKey, asked: Asked): ReturnType<ScriptedGraph['exchange']> {
    const instance = this.instances[index]!;
    return this.graph.exchange(call, asked, () => instance.isDead);
  }

  async write(index: number, who: Binding | null = bot, call = theCall): Promise<Decision<LiveWrite>> {
    const instance = this.instances[index]!;
    const admitted = instance.gate.admitNow(call, who) ?? (await instance.gate.admit(call, who));
    if (!admitted.ok) {
      instance.gate.refused(call, admitted.reason, who);
      return admitted;
    }
    const write = new LiveWrite(instance, call, admitted.value);
    this.writes.push(write);
    this.observe();
    return grant(write);
  }

  /** A write that must be let in. */
  async admitted(index: number, who: Binding | null = bot): Promise<LiveWrite> {
    const decision = await this.run(this.write(index, who));
    if (!decision.ok) throw new Error(`the write was refused: ${decision.reason}`);
    return decision.value;
  }

  /** A start that must open the gate. */
  async recording(index = 0): Promise<void> {
    const started = await this.run(this.start(index));
    if (!started.ok || !started.value.open)
      throw new Error(`the gate is not open: ${JSON.stringify(started)}`);
  }

  live(call: CallKey = theCall): LiveWrite[] {
    return this.writes.filter((write) => write.call === call && write.isLive);
  }

  /** Law 1, and what the banner shows; law 2 is looked at whenever a stop is sent. */
  observe(): void {
    for (const call of new Set(this.writes.filter((write) => write.isLive).map((write) => write.call))) {
      const { open, actual } = this.graph.light(call);
      if (!open || !actual)
        this.violations.push(`a write is live at ${this.clock.now()}: open ${open}, banner ${actual}`);
    }
  }

  /** Lets time pass until the promise settles. */
  async run<T>(promise: Promise<T>, withinMs = 10 * 60_000): Promise<T> {
    const until = this.clock.now() + withinMs;
    const progress = { isSettled: false };
    const settled = promise.finally(() => (progress.isSettled = true));
    settled.catch(silent);
    await this.clock.settle();
    while (!progress.isSettled) {
      if (!(await this.clock.step(until))) throw new Error(`nothing settled within ${withinMs} ms`);
    }
    return settled;
  }

  view(call: CallKey = theCall): Promise<CallView> {
    return this.store.calls.read(call);
  }

  async state(call: CallKey = theCall): Promise<string> {
    return (await this.view(call)).state?.state ?? 'unknown';
  }

  /** What a writer of the evidence does. */
  async makeDurable(): Promise<void> {
    const { outbox } = this.store;
    const entries = await outbox.pending(100_000);
    this.#durable.set(this.store, [...(this.#durable.get(this.store) ?? []), ...recordsOf(entries)]);
    await outbox.remove(entries);
  }

  /** The evidence so far, of the store in use. */
  async records(): Promise<EvidenceRecord[]> {
    return recordsOf(await this.store.outbox.pending(100_000));
  }

  async events(): Promise<string[]> {
    return (await this.records()).map(({ event }) => event);
  }

  count(name: Command['name']): number {
    return this.commands.filter((command) => command.name === name).length;
  }

  /** Both laws held all the time, and the evidence of every store replays. */
  async verify(): Promise<void> {
    this.observe();
    expect(this.violations).toEqual([]);
    for (const store of this.#stores) {
      const durable = this.#durable.get(store) ?? [];
      const pasts = new Map<CallKey, EvidenceRecord>();
      for (const record of [...durable, ...recordsOf(await store.outbox.pending(100_000))]) {
        const past = pasts.get(record.call);
        const { hash, ...unsealed } = record;
        expect(hash).toBe(hashOf(unsealed));
        expect([record.seq, record.prev]).toEqual([(past?.seq ?? 0) + 1, past?.hash ?? null]);
        expect(record.from).toBe(past?.to ?? 'idle');
        expect(record.to).toBe(nextState(record.from, record.event));
        pasts.set(record.call, record);
      }
    }
  }
}

/** A world of two instances, watched to its end. */
export async function inWorld(options: WorldOptions, story: (world: World) => Promise<void>): Promise<void> {
  const world = new World(options);
  for (let booted = 0; booted < (options.instances ?? 2); booted++) await world.boot();
  await story(world);
  await world.verify();
}
