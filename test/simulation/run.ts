import type { CallKey } from '../../src/core/call/key.ts';
import type { Decision } from '../../src/core/decision.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import { isRecord } from '../../src/core/json.ts';
import type { Choice } from './chance.ts';
import type { Setting } from './plan.ts';
import { World, type Instance } from './world.ts';

export interface Result {
  readonly violation: string | undefined;
  readonly fingerprint: string;
  readonly steps: number;
  readonly lines: readonly string[];
  /** The names of the faults that befell messages and processes. */
  readonly faults: readonly string[];
  /** Simulated time, ms. */
  readonly ms: number;
  readonly uploads: number;
  /** How many times bytes passed that no recording admitted. */
  readonly observed: number;
  readonly records: number;
}

/** Plays one setting to its end, and then sees whether everything recovers. */
export async function simulate(
  seed: number,
  setting: Setting,
  choice: Choice = { jitter: true },
  isVerbose = false,
): Promise<Result> {
  const world = new World(seed, setting, choice);
  const { engine } = world;
  engine.isVerbose = isVerbose;
  engine.judgesRules = !setting.onlyLaws;
  const unhandled = (error: unknown): void =>
    engine.violated(`a rejection is not handled: ${messageOf(error)}`);
  process.on('unhandledRejection', unhandled);
  try {
    await engine.run(setting.endsAt);
    if (engine.violation === undefined) {
      world.heal();
      await new Recovery(world).run();
    }
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  return {
    violation: engine.violation,
    fingerprint: engine.fingerprint,
    steps: engine.steps,
    lines: engine.lines,
    faults: world.weather.befallen,
    ms: engine.now,
    uploads: world.uploads.length,
    observed: world.observer.observed,
    records: world.disk.text.split('\n').length - 1,
  };
}

/** How often a bot that obeys what refusals say has to ask. */
const attempts = 8;
/** How often a client tries a write, once a second: others may be closed for a while by a stop of which no recording is known. */
const uploads = 20;

/** Once nothing goes wrong any more: every stop ends, every call can be recorded anew, all evidence is there. */
class Recovery {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async run(): Promise<void> {
    const { engine, calls } = this.#world;
    await this.#released();
    const places = [...calls].map((key, slot) => [key, slot] as const);
    // All of them first: an instance may have room for one call alone.
    for (const place of places) await this.#ended(...place);
    for (const place of places) await this.#recordedAnew(...place);
    // Bots that asked before everything healed may have begun calls since.
    for (const [slot, key] of this.#world.calls.entries())
      if (!calls.includes(key)) await this.#ended(key, slot);
    await this.#nobodyWaits();
    await this.#evidence();
    if (engine.violation === undefined) engine.note('all is well');
  }

  /** Operators release every hold; one that was refused may be stored only now. */
  async #released(): Promise<void> {
    const { engine, setting, waiting } = this.#world;
    const standing = (): string[] =>
      setting.rates.flatMap((_, slot) => {
        const ids = this.#world.instanceAt(slot)?.gate.byHand.holds() ?? [];
        return ids.map(({ id }) => id);
      });
    const isAsked = (): boolean => [...waiting].some(({ what }) => what.startsWith('hold'));
    const until = engine.now + 120_000;
    let quiet = 0;
    while (quiet < 3 && engine.now < until && engine.violation === undefined) {
      quiet = standing().length === 0 && !isAsked() ? quiet + 1 : 0;
      for (const id of new Set(standing()))
        await this.#settles('release', this.#world.operator.release(id, this.#instance(0)));
      await engine.run(engine.now + setting.times.ttlMs);
    }
    if (quiet < 3) engine.violated(`holds can never be released: ${standing().join(', ')}`);
  }

  async #ended(key: CallKey, slot: number): Promise<void> {
    const { engine } = this.#world;
    await this.#stop(key, slot);
    if (
      this.#world.uploads.some(
        (upload) => upload.call === key && !upload.isObserved && !upload.isOver && !upload.process.isDead,
      )
    )
      engine.violated(`an upload of ${key.slice(-4)} is live after its stop`);
  }

  async #recordedAnew(key: CallKey, slot: number): Promise<void> {
    const { engine, graph, observer, setting, store } = this.#world;
    if (!graph.call(key).isAlive) return;
    await this.#insist(`start of ${key.slice(-4)}`, slot + 1, (instance) =>
      this.#world.ask('start', key, instance),
    );
    // A hang-up that was asked for before may only now have come to its end.
    const isRecording = async (): Promise<boolean> => (await store.view(key)).state?.state === 'recording';
    // What an instance has heard of an earlier recording must not keep it from this one.
    for (let next = slot; next < slot + setting.rates.length; next++) {
      const before = observer.bytes;
      for (
        let attempt = 0;
        attempt < uploads && observer.bytes === before && (await isRecording());
        attempt++
      ) {
        await this.#settles(
          `upload of ${key.slice(-4)}`,
          this.#world.upload(key, this.#instance(next), 1, 10),
        );
        await engine.run(engine.now + 1000);
      }
      if (observer.bytes === before && (await isRecording()))
        engine.violated(`${key.slice(-4)} cannot be recorded again at slot ${next % setting.rates.length}`);
    }
    await this.#stop(key, slot);
  }

  async #stop(key: CallKey, slot: number): Promise<void> {
    const { ttlMs, drainMs } = this.#world.setting.times;
    const bound = drainMs + 2 * ttlMs;
    await this.#insist(
      `stop of ${key.slice(-4)}`,
      slot,
      (instance) => this.#world.ask('notRecording', key, instance),
      bound,
    );
  }

  /** Asks until it is granted; each answer comes within `bound`, if given, and each refusal says when to ask again. */
  async #insist(
    what: string,
    slot: number,
    ask: (instance: Instance) => Promise<Decision<unknown>>,
    bound?: number,
  ): Promise<void> {
    const { engine, setting, store } = this.#world;
    const { ttlMs, graphTimeoutMs } = setting.times;
    for (let attempt = 0; attempt < attempts && engine.violation === undefined; attempt++) {
      const began = engine.now;
      const decision = await this.#settles(what, ask(this.#instance(slot + attempt)));
      const took = engine.now - began;
      // The instance's clock may be slow, and store and network take their time.
      if (bound !== undefined && took > 1.12 * bound + 500)
        engine.violated(`${what} took ${took.toFixed(0)} ms; the bound is ${bound}`);
      if (decision === undefined || decision.ok || decision.reason === 'CallEnded') return;
      const { retryAfterMs } = decision;
      const longest = 3 * graphTimeoutMs + ttlMs + store.fencedMs;
      if (bound !== undefined && !(retryAfterMs !== undefined && retryAfterMs <= longest))
        engine.violated(
          `${what} was refused (${decision.reason}) until ${retryAfterMs ?? 'nobody knows when'}`,
        );
      await engine.run(engine.now + (retryAfterMs ?? 1000));
    }
    engine.violated(`${what} never succeeds, though nothing is in its way`);
  }

  #instance(slot: number): Instance {
    const { setting } = this.#world;
    for (let next = slot; next < slot + setting.rates.length; next++) {
      const instance = this.#world.instanceAt(next % setting.rates.length);
      if (instance !== undefined) return instance;
    }
    throw new Error('no instance is up');
  }

  /** Time passes until the promise settles; undefined: it does not. */
  async #settles<T>(what: string, promise: Promise<T>): Promise<T | undefined> {
    const { engine, setting } = this.#world;
    const { ttlMs, drainMs, graphTimeoutMs } = setting.times;
    const result: { value?: T; isSettled: boolean } = { isSettled: false };
    void promise.then((value) => Object.assign(result, { value, isSettled: true }));
    await engine.run(engine.now + 4 * (ttlMs + drainMs + 3 * graphTimeoutMs), () => result.isSettled);
    if (!result.isSettled) engine.violated(`${what} hangs`);
    return result.value;
  }

  async #nobodyWaits(): Promise<void> {
    const { engine, setting, waiting } = this.#world;
    await engine.run(
      engine.now + 6 * setting.times.graphTimeoutMs + 3 * setting.leaseMs,
      () => waiting.size === 0,
    );
    for (const { what } of waiting) engine.violated(`${what} is never answered`);
  }

  async #evidence(): Promise<void> {
    const { engine, store, disk } = this.#world;
    for (let round = 0; round < 60 && (await store.depth()) > 0; round++) await engine.run(engine.now + 1000);
    if (engine.violation !== undefined) return;
    if ((await store.depth()) > 0) {
      engine.violated('the evidence stays in the store');
      return;
    }
    const journal = disk.verify(store.losses > 0);
    if (typeof journal === 'string') {
      engine.violated(`the evidence does not fit: ${journal}`);
      return;
    }
    const hashes = new Set(journal.map(({ hash }) => hash));
    for (const hash of disk.acknowledged)
      if (!hashes.has(hash)) engine.violated('a record that was durable is gone');
    for (const { event, call, hash } of store.committed.values())
      if (!hashes.has(hash)) engine.violated(`${event} of ${call} is not in the evidence`);
    this.#bytes(journal);
  }

  /** Every byte that the sink stored is in the report of one session, and no interval counts what it did not let through. */
  #bytes(journal: readonly EvidenceRecord[]): void {
    const { engine, observer, store, letThrough } = this.#world;
    const reports = new Map<string, number>();
    let counts: {
      readonly call: string;
      readonly seq: number;
      readonly name: string;
      readonly bytes: number;
    }[] = [];
    const lost = new Set<string>();
    for (const { event, call, seq, detail } of journal) {
      // What the store forgot after it was made durable comes again, in a history that takes its place.
      if (store.losses > 0) counts = counts.filter((one) => one.call !== call || one.seq < seq);
      if (event !== 'drained') continue;
      const { interval, writes, holders } = detail;
      for (const holder of Array.isArray(holders) ? holders.filter(isRecord) : []) {
        const name = `${call} ${Number(holder.epoch)}`;
        if (holder.left === 'lost') lost.add(name);
        else {
          const of = `${name} ${String(holder.session)}`;
          reports.set(of, Math.max(reports.get(of) ?? 0, Number(holder.bytes)));
        }
      }
      if (!isRecord(interval) || !isRecord(writes)) continue;
      const name = `${call} ${Number(interval.epoch)}`;
      counts.push({ call, seq, name, bytes: Number(writes.bytes) });
    }
    for (const { name } of counts) {
      const bytes = counts.reduce((sum, one) => (one.name === name ? sum + one.bytes : sum), 0);
      const most = letThrough.get(name) ?? 0;
      if (bytes > most)
        engine.violated(`the evidence counts ${bytes} bytes in interval ${name}, which let ${most} through`);
    }
    if (store.losses > 0) return;
    for (const call of this.#world.calls)
      for (const [epoch, bytes] of observer.light(call).stored) {
        const name = `${call} ${epoch}`;
        const told = [...reports].reduce(
          (sum, [of, each]) => (of.startsWith(`${name} `) ? sum + each : sum),
          0,
        );
        if (!lost.has(name) && told < bytes)
          engine.violated(`${bytes} bytes were stored in interval ${name}, the evidence has ${told}`);
      }
  }
}
