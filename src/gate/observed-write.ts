import type { CallKey } from '../core/call/key.ts';
import type { StopReason } from '../core/http/write-guard.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { PassingWrite } from './write.ts';

const ignore = (): void => undefined;

interface Parts {
  readonly call: CallKey;
  readonly id: string;
  /** Why its bytes may not go on; undefined: they may. */
  readonly obstacle: () => StopReason | undefined;
  readonly over: (write: ObservedWrite) => void;
}

/**
 * A write that the laws refuse, while the store only observes. No grant admitted it, so it has no epoch, and no stop waits
 * for it or ends it; what ends it is a hold, or the end of the observation, of the process, or of its token.
 */
export class ObservedWrite implements PassingWrite {
  readonly #parts: Parts;
  readonly epoch = null;
  #onCut: () => void = ignore;
  #onStop: (why: StopReason) => void = ignore;
  #why: StopReason | undefined;
  #cut = false;
  #over = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get call(): CallKey {
    return this.#parts.call;
  }

  get id(): string {
    return this.#parts.id;
  }

  get stopReason(): StopReason {
    return this.#why ?? this.#parts.obstacle() ?? 'RecordingNotActive';
  }

  mayContinue(): boolean {
    return !this.#cut && this.#parts.obstacle() === undefined;
  }

  addBytes(): void {
    // No interval counts them.
  }

  onMeasure(): void {
    // What its handler has of it belongs to no interval.
  }

  onDiscard(): void {
    // No stop ends it.
  }

  onCut(destroy: () => void): void {
    this.#onCut = destroy;
    if (this.#cut) destroy();
  }

  onStop(finish: (why: StopReason) => void): void {
    this.#onStop = finish;
    if (this.#why !== undefined && !this.#over) finish(this.#why);
  }

  revoke(): void {
    this.cut('TokenRevoked');
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#parts.over(this);
  }

  /** Ends it on both sides, at once. */
  cut(why: StopReason): void {
    if (this.#over) return;
    this.#why = why;
    this.#cut = true;
    this.#onCut();
    this.end();
  }

  /** Lets it end by itself, and cuts it after the limit. */
  stop(clock: Clock, limitMs: number, why: StopReason): void {
    if (this.#over) return;
    this.#why = why;
    clock.after(limitMs, () => this.cut(why));
    this.#onStop(why);
  }

  /** Cuts it if it may not go on. */
  look(): void {
    const why = this.#parts.obstacle();
    if (why !== undefined) this.cut(why);
  }
}
