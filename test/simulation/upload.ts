import type { CallKey } from '../../src/core/call/key.ts';
import type { StopReason } from '../../src/core/http/write-guard.ts';
import type { PassingWrite } from '../../src/gate/write.ts';
import type { Weather } from './chance.ts';
import type { Engine, Process } from './engine.ts';
import type { Observer } from './observer.ts';
import type { Setting } from './plan.ts';

const chunkBytes = 100;

/**
 * One upload that was let in, streamed to the media sink chunk by chunk, as the upstream adapter does it. Every second one
 * is a WebSocket with frames of two chunks, which ends by itself when the gate closes.
 */
export class Upload {
  isOver = false;
  readonly number: number;
  readonly process: Process;
  readonly call: CallKey;
  readonly #write: PassingWrite;
  readonly #engine: Engine;
  readonly #weather: Weather;
  readonly #observer: Observer;
  readonly #odds: Setting['odds'];
  readonly #counts: Map<string, number>;
  readonly #drainMs: number;
  readonly #mayBeObserved: boolean;
  /** The connection to the sink was reset: what is on its way is lost. */
  #isReset = false;
  /** The gate closes: the frame in flight is the last. */
  #isEnding = false;
  /** Nothing more is sent; the sink's answer is waited for. */
  #isSent = false;
  #inFrame = false;

  constructor(
    world: {
      readonly engine: Engine;
      readonly weather: Weather;
      readonly observer: Observer;
      readonly setting: Setting;
      readonly letThrough: Map<string, number>;
    },
    upload: {
      readonly number: number;
      readonly process: Process;
      readonly call: CallKey;
      readonly write: PassingWrite;
      /** Whether its tenant is one that is observed. */
      readonly mayBeObserved: boolean;
    },
  ) {
    this.#engine = world.engine;
    this.#weather = world.weather;
    this.#observer = world.observer;
    this.#odds = world.setting.odds;
    this.#counts = world.letThrough;
    this.#drainMs = world.setting.times.drainMs;
    this.number = upload.number;
    this.process = upload.process;
    this.call = upload.call;
    this.#write = upload.write;
    this.#mayBeObserved = upload.mayBeObserved;
    this.#write.onCut(() => this.#abort('is cut'));
    if (this.number % 2 === 0) this.#write.onStop((why) => this.#endFrame(why));
  }

  /** No recording has admitted it, so no stop ends it. */
  get isObserved(): boolean {
    return this.#write.epoch === null;
  }

  /** The client sends this many chunks, one every so often, and waits for the sink's answer. */
  stream(chunks: number, everyMs: number): void {
    if (this.isOver || this.#isSent) return;
    if (chunks === 0) {
      this.#finish();
      return;
    }
    const sent = (): void => {
      if (this.isOver || this.#isSent) return;
      if (!this.#write.mayContinue()) {
        this.#abort('may not go on');
        return;
      }
      this.#write.addBytes(chunkBytes);
      this.#letThrough(chunkBytes);
      const takes = this.#weather.delay(`sink ${this.number}`);
      this.#engine.schedule(takes, `sink <- upload ${this.number}`, () => this.#store());
      this.#inFrame = !this.#inFrame;
      const isLast = this.#isEnding && !this.#inFrame;
      this.stream(isLast ? 0 : chunks - 1, everyMs);
    };
    this.#engine.schedule(everyMs, `${this.process.name} <- upload ${this.number}`, sent, this.process);
  }

  #endFrame(why: StopReason): void {
    this.#engine.note(`${this.process.name}: upload ${this.number} is to end: ${why}`);
    this.#isEnding = true;
    if (!this.#inFrame && !this.isOver && !this.#isSent) this.#finish();
  }

  #letThrough(bytes: number): void {
    const { epoch } = this.#write;
    if (epoch === null) {
      this.#observer.passedObserved(this.process, this.number, this.#mayBeObserved);
      return;
    }
    this.#observer.passed(this.process, this.call, epoch, this.#drainMs);
    const name = `${this.call} ${epoch}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + bytes);
  }

  #store(): void {
    const { epoch } = this.#write;
    if (this.#isReset || epoch === null) return;
    this.#observer.stored(this.call, this.number, epoch, chunkBytes);
  }

  #finish(): void {
    this.#isSent = true;
    const slow = this.#weather.fault(`sink ${this.number} slow`, this.#odds.sink, (chance) =>
      chance.between(0, 3 * this.#drainMs),
    );
    // Its answer cannot overtake the bytes.
    const takes = 50 + (slow ?? 0);
    const answered = (): void => {
      if (this.isOver) return;
      this.isOver = true;
      this.#write.end(true);
    };
    this.#engine.schedule(
      takes,
      `${this.process.name} <- sink, upload ${this.number}`,
      answered,
      this.process,
    );
  }

  #abort(how: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#isReset = true;
    this.#engine.note(`${this.process.name}: upload ${this.number} ${how}`);
    this.#write.end(false);
  }
}
