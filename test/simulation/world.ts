import { type CallKey, parseCallKey } from '../../src/core/call/key.ts';
import { selectPolicy } from '../../src/core/call/policy.ts';
import type { Decision } from '../../src/core/decision.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { Notice } from '../../src/core/notices/notice.ts';
import type { Log } from '../../src/core/ports/log.ts';
import type { Meter } from '../../src/core/ports/meter.ts';
import { type EvidenceWriter, startEvidenceWriter } from '../../src/evidence/journal/writer.ts';
import { Gate } from '../../src/gate/gate.ts';
import { unknownForMs } from '../../src/gate/stop-marks.ts';
import type { Act } from './acts.ts';
import { type Choice, Weather } from './chance.ts';
import { Engine, Process } from './engine.ts';
import { EvidenceDisk } from './evidence-disk.ts';
import { callNotice, SimulatedGraph } from './graph.ts';
import { isWaiting, kindOf } from './labels.ts';
import { Observer } from './observer.ts';
import { Operator } from './operator.ts';
import type { Setting } from './plan.ts';
import { RedisLine } from './redis-line.ts';
import { StoreLine } from './store-line.ts';
import type { SimulatedStore } from './store-ports.ts';
import { Surroundings } from './surroundings.ts';
import { openness } from './openness.ts';
import { bot, Tenants } from './tenants.ts';
import { Upload } from './upload.ts';

export interface Instance {
  readonly process: Process;
  readonly gate: Gate;
  readonly writer: EvidenceWriter;
  /** It leaves in order, and takes no new requests. */
  isLeaving: boolean;
}

interface Request {
  readonly what: string;
  readonly process: Process;
}

const silent = (): void => undefined;
const meter = new Proxy({}, { get: () => silent }) as Meter;

/** Three instances of the real gate and the real evidence writer, with everything around them simulated. */
export class World {
  readonly engine = new Engine();
  readonly weather: Weather;
  readonly setting: Setting;
  readonly observer: Observer;
  readonly graph: SimulatedGraph;
  readonly store: SimulatedStore;
  readonly disk: EvidenceDisk;
  readonly uploads: Upload[] = [];
  /** Bytes that instances passed on, by call and epoch. */
  readonly letThrough = new Map<string, number>();
  /** Requests of bots that were not answered yet. */
  readonly waiting = new Set<Request>();
  readonly operator: Operator;
  readonly #around: Surroundings;
  readonly #instances = new Map<number, Instance>();
  readonly #incarnations = new Map<number, number>();
  /** Which call each bot is in: a new one when the last is over. */
  readonly #rounds = new Map<number, number>();
  /** For how long a slot is to be suspended as soon as a reply to its heartbeat is there, ms. */
  readonly #pausesAtReply = new Map<number, number>();
  /** Who announces stops by which name. */
  readonly #announcers = new Map<string, Process>();
  #ids = 0;
  readonly #tenants: Tenants;

  constructor(seed: number, setting: Setting, choice: Choice) {
    this.setting = setting;
    this.weather = new Weather(seed, choice);
    this.#tenants = new Tenants(seed, setting);
    this.observer = new Observer(this.engine, setting.times, setting.observesUntil);
    this.graph = new SimulatedGraph(this.engine, this.weather, setting, this.observer);
    const Line = setting.redis === undefined ? StoreLine : RedisLine;
    this.store = new Line(this.engine, this.weather, setting);
    this.disk = new EvidenceDisk(this.engine, this.weather, setting);
    this.store.announced = (process, { call, epoch, from }) => {
      // Who does not know which recording is meant was asked for none that began later; it may be heard long after that.
      const { observer } = this;
      const meant =
        epoch === null
          ? { upTo: observer.heardUpTo(this.#announcers.get(from), call), forMs: unknownForMs }
          : { upTo: observer.recordingOf(call, epoch) };
      observer.heard(process, call, meant);
    };
    this.store.started = (call, epoch) => this.observer.started(call, epoch);
    this.store.forgot = () => this.observer.storeForgot();
    if (!setting.isOld) this.observer.storeForgot();
    this.#around = new Surroundings(this);
    this.operator = new Operator({
      ...{ engine: this.engine, observer: this.observer, bot, tenants: this.#tenants },
      arrive: (slot, what, run) => this.#arrive(slot, what, run),
      watch: (promise, what, { process }, tell) => this.#watch(promise, what, process, tell),
    });
    this.disk.crash = (process) => this.crash(process.slot, setting.times.ttlMs);
    this.graph.notify = (notice) => this.#notify(notice);
    this.engine.befalls = (process, label) => this.#befalls(process, label);
    for (const slot of setting.rates.keys()) this.boot(slot);
    for (const { at, act } of setting.plan)
      this.engine.schedule(at, `plan: ${act.kind}`, () => this.#perform(act));
  }

  boot(slot: number): void {
    if (this.#instances.has(slot)) return;
    const incarnation = (this.#incarnations.get(slot) ?? 0) + 1;
    this.#incarnations.set(slot, incarnation);
    const process = new Process(this.engine, slot, `i${slot}.${incarnation}`, this.setting.rates[slot] ?? 1);
    this.engine.note(`${process.name} boots`);
    const { calls, sessions: through, outbox, holds } = this.store.portsFor(process);
    const sessions: typeof through = {
      ...through,
      announceStop: (stop) => {
        this.#announcers.set(stop.from, process);
        return through.announceStop(stop);
      },
    };
    const log: Log = {
      debug: silent,
      info: silent,
      warn: (facts, text) => this.engine.note(`${process.name} warns: ${text} ${JSON.stringify(facts)}`),
      error: (facts, text) => this.engine.note(`${process.name} says: ${text} ${JSON.stringify(facts)}`),
    };
    const { clock } = process;
    const gate = new Gate({
      calls,
      sessions,
      outbox,
      holds,
      readHolds: () => this.disk.readHolds(process, () => writer.flush()),
      stopSender: (call) => this.graph.exchange(process, call, 'notRecording'),
      clock,
      log,
      meter,
      policyFor: (who) => selectPolicy([], who),
      newId: () => `${process.name}-${++this.#ids}`,
      times: this.setting.timesOf[slot]!,
      sizes: { maxGrants: this.setting.maxGrants },
      probe: this.graph.probe(process),
      ...this.#tenants.observation(this.engine),
    });
    const writer: EvidenceWriter = startEvidenceWriter({
      outbox,
      sink: this.disk.sinkFor(process),
      owner: process.name,
      clock,
      log,
      meter,
      leaseMs: this.setting.leaseMs,
      idleMs: 500,
      onDurable: (record) => gate.onRecordWritten(record),
    });
    this.#instances.set(slot, { process, gate, writer, isLeaving: false });
    void this.#watch(gate.open(), 'open', process);
  }

  /** The process is gone; what it had sent may still arrive. */
  crash(slot: number, rebootsAfterMs: number): void {
    const instance = this.#instances.get(slot);
    if (instance === undefined) return;
    const { process } = instance;
    this.engine.note(`${process.name} crashes`);
    process.isDead = true;
    this.#instances.delete(slot);
    for (const request of this.waiting) if (request.process === process) this.waiting.delete(request);
    this.engine.schedule(rebootsAfterMs, `slot ${slot} boots`, () => this.boot(slot));
  }

  /** Every call that a bot was in. */
  get calls(): CallKey[] {
    return Array.from({ length: this.setting.calls }, (_, call) =>
      Array.from({ length: (this.#rounds.get(call) ?? 0) + 1 }, (_, round) => this.#keyOf(call, round)),
    ).flat();
  }

  /** An instance that takes requests. */
  instanceAt(slot: number): Instance | undefined {
    const instance = this.#instances.get(slot);
    return instance?.isLeaving === true ? undefined : instance;
  }

  key(call: number): CallKey {
    return this.#keyOf(call, this.#rounds.get(call) ?? 0);
  }

  #keyOf(call: number, round: number): CallKey {
    return parseCallKey(`${'0'.repeat(28)}c${call}${String(round).padStart(2, '0')}`)!;
  }

  /** From now on nothing goes wrong any more. */
  heal(): void {
    this.engine.note('everything heals');
    this.weather.isCalm = true;
    this.disk.isFull = false;
    this.graph.isDown = false;
    this.graph.refusesCredential = false;
    for (const { process } of this.#instances.values()) this.engine.resume(process);
    this.store.heal();
    this.#around.judgeStore();
    for (const slot of this.setting.rates.keys()) this.boot(slot);
  }

  ask(
    kind: 'start' | 'notRecording' | 'failed' | 'hangUp',
    key: CallKey,
    { process, gate }: Instance,
  ): Promise<Decision<unknown>> {
    const exchange = (asked: 'recording' | 'notRecording' | 'hangUp') =>
      this.graph.exchange(process, key, asked);
    const asked =
      kind === 'start'
        ? gate.start({
            call: key,
            by: this.#tenants.ownerOf(key),
            ...exchange('recording'),
            sendConfirmation: exchange('notRecording').send,
          })
        : gate.stop({
            call: key,
            by: this.#tenants.ownerOf(key),
            cause: kind,
            askedAt: process.clock.now(),
            graph: exchange(kind === 'hangUp' ? 'hangUp' : 'notRecording'),
          });
    const what = `${kind} of ${key.slice(-4)} at ${process.name}`;
    this.engine.note(what);
    if (kind !== 'start') this.observer.heard(process, key);
    const tell = (decision: Decision<unknown>): void =>
      this.engine.note(`${what}: ${decision.ok ? `ok${openness(decision.value)}` : decision.reason}`);
    return this.#watch(asked, what, process, tell);
  }

  async upload(key: CallKey, { process, gate }: Instance, chunks: number, everyMs: number): Promise<boolean> {
    const who = this.#tenants.ownerOf(key);
    const admitted = gate.admitNow(key, who) ?? (await this.#watch(gate.admit(key, who), 'upload', process));
    const write = admitted.ok
      ? admitted.value
      : await this.#watch(gate.observed.take(key, who, admitted), 'observe', process);
    if (write === undefined) {
      if (!admitted.ok) gate.refused(key, admitted.reason, who);
      return false;
    }
    const number = this.uploads.length + 1;
    const { epoch } = write;
    this.engine.note(
      `${process.name} lets upload ${number} of ${key.slice(-4)} in, epoch ${epoch ?? 'none'}`,
    );
    if (epoch !== null) this.observer.admitted(process, key, epoch);
    const upload = new Upload(this, { number, process, call: key, write, mayBeObserved: who === bot });
    this.uploads.push(upload);
    upload.stream(chunks, everyMs);
    return true;
  }

  #perform(act: Act): void {
    if (this.weather.isCalm) return;
    switch (act.kind) {
      case 'start':
      case 'notRecording':
      case 'failed':
      case 'hangUp': {
        this.#bot(act.kind, act.call, act.slot, act.again);
        return;
      }
      case 'upload': {
        this.#arrive(act.slot, 'upload', (instance) => {
          void this.upload(this.key(act.call), instance, act.chunks, act.everyMs);
        });
        return;
      }
      case 'hold':
        this.operator.hold(act);
        return;
      case 'terminate':
        this.graph.terminate(this.key(act.call));
        return;
      case 'crash':
        this.crash(act.slot, act.ms);
        return;
      case 'shutDown':
        this.#shutDown(act.slot);
        return;
      case 'pause': {
        const paused = this.#instances.get(act.slot)?.process;
        if (paused !== undefined) this.engine.pause(paused, act.ms, act.ms % 2 < 1);
        return;
      }
      case 'pauseAtReply':
        this.#pausesAtReply.set(act.slot, act.ms);
        return;
      case 'cutOff':
      case 'deaf':
      case 'lateGrant':
      case 'storeDown':
      case 'storeReplaced':
      case 'storeLost':
      case 'storeFull':
      case 'storeRefuses':
      case 'diskFull':
      case 'graphDown':
      case 'credentialRefused':
      case 'step':
        this.#around.befall(act);
    }
  }

  /** A bot asks, and asks again where a refusal says when. */
  #bot(
    kind: 'start' | 'notRecording' | 'failed' | 'hangUp',
    call: number,
    slot: number,
    again: number,
  ): void {
    if (kind === 'start' && !this.graph.call(this.key(call)).isAlive) {
      this.#rounds.set(call, (this.#rounds.get(call) ?? 0) + 1);
      this.graph.notify(callNotice(this.key(call), 'incoming'));
    }
    const key = this.key(call);
    const retry = (ms: number): void => {
      if (again <= 0 || this.weather.isCalm) return;
      this.engine.schedule(ms, `bot ${call} asks again`, () =>
        this.#bot(kind, call, (slot + 1) % 3, again - 1),
      );
    };
    this.#arrive(
      slot,
      kind,
      (instance) => {
        void this.ask(kind, key, instance).then((decision) => {
          if (!decision.ok) retry(decision.retryAfterMs ?? 1000);
        });
      },
      () => retry(200),
    );
  }

  /** A request reaches an instance, if there is one that takes it. */
  #arrive(slot: number, what: string, run: (instance: Instance) => void, refused = silent): void {
    const instance = this.instanceAt(slot);
    if (instance === undefined) {
      refused();
      return;
    }
    const { process } = instance;
    this.engine.schedule(
      this.weather.delay(`${slot} <- bot`),
      `${process.name} <- ${what}`,
      () => run(instance),
      process,
    );
  }

  #shutDown(slot: number): void {
    const instance = this.instanceAt(slot);
    if (instance === undefined) return;
    const { process, gate, writer } = instance;
    this.engine.note(`${process.name} shuts down`);
    instance.isLeaving = true;
    const leave = async (): Promise<void> => {
      await gate.close();
      await writer.flush().catch(silent);
      await writer.stop();
    };
    void this.#watch(leave(), 'shut down', process).then(() => this.crash(slot, 50));
  }

  /** Graph tells some instance, late, twice, or not at all. */
  #notify(notice: Notice): void {
    const occasion = `notice ${notice.kind}`;
    const fate = this.weather.fault(occasion, this.setting.odds.notice, (chance) => ({
      times: chance.below(3),
      ms: chance.between(0, 2 * this.setting.times.ttlMs),
    }));
    for (let times = fate?.times ?? 1; times > 0; times--) {
      const ms = times * (fate?.ms ?? this.weather.delay(occasion));
      const slot = Math.floor(this.weather.delay(occasion) * 10) % 3;
      this.engine.schedule(ms, `Graph tells slot ${slot} of ${notice.kind}`, () =>
        this.#arrive(slot, occasion, ({ gate }) =>
          gate.receiveNotices(this.#tenants.ownerOf(notice.call), [notice]),
        ),
      );
    }
  }

  /** A process may die or be suspended before any event; less often where it only waits. */
  #befalls(process: Process, label: string): boolean {
    const { odds, times } = this.setting;
    const { ttlMs } = times;
    if (this.weather.isCalm) return false;
    const what = kindOf(label);
    const weight = isWaiting(what) ? 0.2 : 3;
    const planned = what === 'heartbeat' ? this.#pausesAtReply.get(process.slot) : undefined;
    if (planned !== undefined) {
      this.#pausesAtReply.delete(process.slot);
      this.engine.pause(process, planned, false);
      return true;
    }
    const misfortune = this.weather.fault(
      `${process.slot} ${what} befalls`,
      weight * (odds.crash + odds.pause),
      (chance) =>
        chance.happens(odds.crash / (odds.crash + odds.pause))
          ? { crash: chance.between(10, 2 * ttlMs) }
          : {
              pause: chance.pick([0.1, 1, 3]) * chance.between(0.3, 1.3) * ttlMs,
              timersFirst: chance.happens(0.3),
            },
    );
    if (misfortune === undefined) return false;
    if (misfortune.crash !== undefined) this.crash(process.slot, misfortune.crash);
    else this.engine.pause(process, misfortune.pause, misfortune.timersFirst);
    return true;
  }

  /** Nothing that is asked of an instance may throw, and all of it is answered. */
  #watch<T>(
    promise: Promise<T>,
    what: string,
    process: Process,
    tell: (value: T) => void = silent,
  ): Promise<T> {
    const request = { what, process };
    this.waiting.add(request);
    return promise.then(
      (value) => {
        this.waiting.delete(request);
        tell(value);
        return value;
      },
      (error: unknown) => {
        this.engine.violated(`${what} threw: ${messageOf(error)}`);
        return new Promise<T>(silent);
      },
    );
  }
}
