import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/core/ports/clock.ts';

interface Event {
  at: number;
  order: number;
  readonly label: string;
  readonly run: () => void;
  readonly process: Process | undefined;
  readonly isTimer: boolean;
  isCancelled: boolean;
}

/** One incarnation of an instance: a clock of its own, and a life that may be suspended or end between any two events. */
export class Process {
  readonly name: string;
  readonly slot: number;
  /** How much faster than true time its clock runs. */
  readonly rate: number;
  readonly clock: Clock;
  isDead = false;
  isPaused = false;
  /** For how long it was suspended so far, ms. */
  suspendedMs = 0;
  pausedAt = 0;
  /** What waits for a suspended process. */
  backlog: Event[] = [];

  constructor(engine: Engine, slot: number, name: string, rate: number) {
    this.slot = slot;
    this.name = name;
    this.rate = rate;
    const bornAt = engine.now;
    this.clock = {
      now: () => (engine.now - bornAt) * rate,
      // As in Node: whole milliseconds, one at least, so a timer may be a fraction early.
      after: (ms, run) =>
        engine.schedule(Math.max(1, Math.trunc(ms)) / rate, `${name} timer`, run, this, true),
    };
  }
}

/** One queue of everything that happens, in virtual time; nothing here knows another clock. */
export class Engine {
  /** True time, ms. */
  now = 0;
  steps = 0;
  /** The trace: what happened, one line each. */
  get lines(): string[] {
    return this.#told.map(({ at, text }) => `${at.toFixed(1).padStart(9)}  ${text}`);
  }
  isVerbose = false;
  /** Whether a broken rule counts as well, or only what rules are there for. */
  judgesRules = true;
  violation: string | undefined;
  /** Called before each event of a process; true: it befell the process, and the event has to wait or is lost. */
  befalls: (process: Process, label: string) => boolean = () => false;
  readonly #told: { readonly at: number; readonly text: string }[] = [];
  readonly #heap: Event[] = [];
  #orders = 0;
  #hashes: [number, number] = [0x811c9dc5, 0x1234567];

  /** Fingerprint of everything that happened, and when. */
  get fingerprint(): string {
    return this.#hashes.map((hash) => (hash >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Returns the way to cancel. Without a process it happens elsewhere: in the network, the store, Graph, the sink. */
  schedule(ms: number, label: string, run: () => void, process?: Process, isTimer = false): () => void {
    const event = {
      at: this.now + ms,
      order: this.#orders++,
      label,
      run,
      process,
      isTimer,
      isCancelled: false,
    };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** A line of the trace. */
  note(text: string): void {
    this.#mix(text);
    this.#told.push({ at: this.now, text });
  }

  violated(text: string): void {
    if (this.violation !== undefined) return;
    if (!this.judgesRules && text.startsWith('rule ')) return;
    this.note(`VIOLATION: ${text}`);
    this.violation = text;
  }

  pause(process: Process, ms: number, timersFirst: boolean): void {
    if (process.isPaused || process.isDead) return;
    this.note(`${process.name} is suspended for ${ms.toFixed(0)} ms`);
    process.isPaused = true;
    process.pausedAt = this.now;
    this.schedule(ms, `${process.name} resumes`, () => this.resume(process, timersFirst));
  }

  /** Everything that waited happens now: as it was due, or timers before what came from outside. */
  resume(process: Process, timersFirst = false): void {
    if (!process.isPaused) return;
    process.isPaused = false;
    process.suspendedMs += this.now - process.pausedAt;
    if (!process.isDead) this.note(`${process.name} resumes`);
    const backlog = process.backlog;
    process.backlog = [];
    if (timersFirst) backlog.sort((one, other) => Number(other.isTimer) - Number(one.isTimer));
    for (const event of backlog) this.#push(Object.assign(event, { at: this.now, order: this.#orders++ }));
  }

  /** Runs until `until`, a violation, or until `isDone`. */
  async run(until: number, isDone: () => boolean = () => false): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (this.violation !== undefined || isDone()) return;
      if (next === undefined || next.at > until) break;
      this.#pop();
      const { process } = next;
      if (next.isCancelled || process?.isDead === true) continue;
      this.now = Math.max(this.now, next.at);
      if (process?.isPaused === true) {
        process.backlog.push(next);
        continue;
      }
      if (process !== undefined && this.befalls(process, next.label)) {
        // Suspended, it finds the event when it resumes; dead, it never does.
        process.backlog.push(next);
        continue;
      }
      this.steps += 1;
      this.#mix(next.label);
      if (this.isVerbose) this.#told.push({ at: this.now, text: `  ${next.label}` });
      next.run();
      // An immediate runs only when no promise is left to settle.
      await setImmediate();
    }
    this.now = Math.max(this.now, until);
  }

  #mix(text: string): void {
    let [one, other] = this.#hashes;
    const at = Math.round(this.now * 1000);
    one = Math.imul(one ^ at, 0x01000193);
    for (let index = 0; index < text.length; index++) {
      one = Math.imul(one ^ text.charCodeAt(index), 0x01000193);
      other = Math.imul(other ^ one ^ (other >>> 13), 0x5bd1e995);
    }
    this.#hashes = [one, other];
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

const before = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);
