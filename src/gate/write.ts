import type { CallKey } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import type { StopReason } from '../core/exchange.ts';
import type { SessionId, Tally } from '../core/ports.ts';

/** One for all: a write costs as little as it can. */
const ignore = (): void => undefined;

/** This instance's right to admit writes of one call in one epoch, and what it did with it. */
export class Grant {
  readonly call: CallKey;
  readonly session: SessionId;
  readonly epoch: number;
  readonly binding: Binding | null;
  readonly writes = new Set<Write>();
  admitted = 0;
  aborted = 0;
  unanswered = 0;
  refused = 0;
  bytes = 0;
  /** What `admitted` and `bytes` came to when media was last reported to move. */
  reported = 0;
  /** Local clock, ms; undefined while it may still be used. */
  revokedAt: number | undefined;
  /** Called when the last write of a revoked grant has ended. */
  whenEmpty: (() => void) | undefined;
  wasCut = false;
  /** Why its writes should end; undefined: they need not. */
  stopReason: StopReason | undefined;

  constructor(call: CallKey, session: SessionId, epoch: number, binding: Binding | null) {
    this.call = call;
    this.session = session;
    this.epoch = epoch;
    this.binding = binding;
  }

  /** Writes that can end by themselves do so; the others go on until they are over, or cut. */
  stop(why: StopReason): void {
    this.stopReason = why;
    for (const write of [...this.writes]) write.stop(why);
  }

  /** Ends every write on both sides, at once. */
  cut(): void {
    if (this.writes.size > 0) this.wasCut = true;
    for (const write of [...this.writes]) write.cut();
  }

  tally(left: Tally['left'], drainMs: number | null): Tally {
    const { admitted, aborted, unanswered, refused, bytes } = this;
    return { admitted, aborted, unanswered, refused, bytes, left, drainMs };
  }
}

/** A write that was let through and is not over. */
export class Write {
  readonly grant: Grant;
  readonly #isLive: () => boolean;
  #onCut: () => void = ignore;
  #onStop: (why: StopReason) => void = ignore;
  #over = false;
  #cut = false;

  constructor(grant: Grant, isLive: () => boolean) {
    this.grant = grant;
    this.#isLive = isLive;
    grant.admitted += 1;
    grant.writes.add(this);
  }

  /** Whether bytes may go on: checked for every chunk, so that a process that slept past its deadline passes none. */
  mayContinue(): boolean {
    return !this.#cut && this.#isLive();
  }

  get wasCut(): boolean {
    return this.#cut;
  }

  /** `destroy` must end both sides before it returns. */
  onCut(destroy: () => void): void {
    this.#onCut = destroy;
    if (this.#cut) destroy();
  }

  /** `finish` ends the write by itself, in order; what is not over by the drain limit is cut. */
  onStop(finish: (why: StopReason) => void): void {
    this.#onStop = finish;
    const { stopReason } = this.grant;
    if (stopReason !== undefined && !this.#over) finish(stopReason);
  }

  stop(why: StopReason): void {
    if (!this.#over) this.#onStop(why);
  }

  addBytes(count: number): void {
    this.grant.bytes += count;
  }

  cut(): void {
    if (this.#over) return;
    this.#cut = true;
    this.#onCut();
    this.end(false);
  }

  /** The write is over; only a complete one is not counted as aborted. */
  end(complete: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { grant } = this;
    if (!complete) grant.aborted += 1;
    grant.writes.delete(this);
    if (grant.writes.size === 0) grant.whenEmpty?.();
  }
}
