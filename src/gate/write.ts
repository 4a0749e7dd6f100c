import type { CallKey } from '../core/call/key.ts';
import type { SessionId } from '../core/call/session.ts';
import type { Binding } from '../core/call/state.ts';
import type { Tally } from '../core/call/tally.ts';
import type { Reached, StopReason } from '../core/http/write-guard.ts';
import type { Clock } from '../core/ports/clock.ts';

/** One for all: a write costs as little as it can. */
const ignore = (): void => undefined;
const unmeasured = (): Reached => 'part';

/** Asks the handler of a write to discard it within so many ms; resolves with whether the handler agreed. */
export type Discard = (withinMs: number) => Promise<boolean>;

/** How many writes that a handler did not agree to discard are named in the evidence of one grant. */
const maxNamed = 16;
const leastDiscardMs = 100;

/** The last part of a drain limit, reserved for asking handlers to discard aborted writes. */
export const discardMs = (limitMs: number): number =>
  Math.min(limitMs, Math.max(limitMs / 4, leastDiscardMs));

/** The permission of this instance to admit writes of one call in one epoch, and its counts. */
export class Grant {
  readonly call: CallKey;
  readonly session: SessionId;
  readonly epoch: number;
  readonly binding: Binding | null;
  /** The latest moment at which its epoch can have been opened, local clock, ms. */
  readonly openedAt: number;
  readonly writes = new Set<Write>();
  admitted = 0;
  /** Writes of which the handler has not had everything, or which it gave up itself. */
  aborted = 0;
  /** Writes of which everything may be with the handler, and whose answer nobody took. */
  unanswered = 0;
  refused = 0;
  bytes = 0;
  /** Writes that a handler has agreed to discard. */
  discarded = 0;
  /** Writes that a handler was asked to discard, without agreeing in time; the first few. */
  readonly notDiscardedIds: string[] = [];
  notDiscarded = 0;
  /** What `admitted` and `bytes` came to when media was last reported to move. */
  #reported = 0;
  /** How many of `bytes` the metrics know. */
  #counted = 0;
  /** Local clock, ms; undefined while it may still be used. */
  revokedAt: number | undefined;
  wasCut = false;
  /** Why its writes should end; undefined: they need not. */
  stopReason: StopReason | undefined;
  /** How long a handler may take to agree to a discard, ms. */
  #discardMs = 0;
  /** Writes whose handlers were asked to discard them, and have not answered. */
  readonly #asked = new Set<Write>();
  #whenOver: (() => void)[] = [];

  constructor(
    call: CallKey,
    session: SessionId,
    { epoch, binding }: Pick<Grant, 'epoch' | 'binding'>,
    openedAt: number,
  ) {
    this.call = call;
    this.session = session;
    this.epoch = epoch;
    this.binding = binding;
    this.openedAt = openedAt;
  }

  /** Whether media has moved since this was asked last. */
  takeMoved(): boolean {
    const total = this.admitted + this.bytes;
    const hasMoved = total !== this.#reported;
    this.#reported = total;
    return hasMoved;
  }

  /**
   * Writes that can end by themselves do so; the others go on until they are over, or are cut so early that their handlers
   * can be asked to discard them within the limit. Returns the way to let those that are left go on after all.
   */
  stop(clock: Clock, limitMs: number, why: StopReason): () => void {
    this.stopReason = why;
    this.#discardMs = discardMs(limitMs);
    const cancelEarly = clock.after(limitMs - this.#discardMs, () =>
      this.#cut((write) => write.mayBeDiscarded),
    );
    const cancel = clock.after(limitMs, () => {
      this.#cut();
      this.#stopAsking();
    });
    for (const write of [...this.writes]) write.stop(why);
    return () => {
      cancelEarly();
      cancel();
    };
  }

  /** Stops the writes; `over` is called when nothing is left, which may be at once. */
  drain(clock: Clock, limitMs: number, why: StopReason, over: () => void): void {
    const cancel = this.stop(clock, limitMs, why);
    this.whenOver(() => {
      cancel();
      over();
    });
  }

  /** Nobody may rely on the grant any more: cuts every write at once, and gives handlers the same time to agree to a discard. */
  expire(clock: Clock, limitMs: number, over: () => void): void {
    this.stopReason ??= 'SessionLost';
    this.#discardMs = discardMs(limitMs);
    this.#cut();
    const cancel = clock.after(this.#discardMs, () => this.#stopAsking());
    this.whenOver(() => {
      cancel();
      over();
    });
  }

  /** Calls back when no write is left, and no handler is asked to discard one; at once, if that is so now. */
  whenOver(run: () => void): void {
    if (this.#isOver) run();
    else this.#whenOver.push(run);
  }

  /** Ends writes on both sides, at once. */
  #cut(which: (write: Write) => boolean = () => true): void {
    const chosen = [...this.writes].filter(which);
    if (chosen.length > 0) this.wasCut = true;
    for (const write of chosen) write.cut();
  }

  /** A write is over. What was cut, or ended without its answer while the gate closes, may still be stored by its handler. */
  end(write: Write, reached: Reached | 'answered', discard: Discard | undefined): void {
    if (reached === 'whole') this.unanswered += 1;
    else if (reached !== 'answered') this.aborted += 1;
    if (discard !== undefined && (reached === 'whole' || reached === 'part')) this.#ask(write, discard);
    this.writes.delete(write);
    this.#settle();
  }

  #ask(write: Write, discard: Discard): void {
    this.#asked.add(write);
    discard(this.#discardMs).then(
      (agreed) => this.#settleDiscard(write, agreed),
      () => this.#settleDiscard(write, false),
    );
  }

  #settleDiscard(write: Write, agreed: boolean): void {
    // What comes after the limit is not waited for, and not counted.
    if (!this.#asked.delete(write)) return;
    if (agreed) this.discarded += 1;
    else {
      this.notDiscarded += 1;
      if (this.notDiscardedIds.length < maxNamed) this.notDiscardedIds.push(write.id);
    }
    this.#settle();
  }

  #stopAsking(): void {
    for (const write of [...this.#asked]) this.#settleDiscard(write, false);
  }

  get #isOver(): boolean {
    return this.writes.size === 0 && this.#asked.size === 0;
  }

  #settle(): void {
    if (!this.#isOver) return;
    const waiting = this.#whenOver;
    this.#whenOver = [];
    for (const run of waiting) run();
  }

  /** Bytes since this was asked last. */
  takeUncounted(): number {
    const added = this.bytes - this.#counted;
    this.#counted = this.bytes;
    return added;
  }

  tally(left: Tally['left'], drainMs: number | null): Tally {
    const { admitted, aborted, unanswered, refused, bytes, discarded, notDiscarded, notDiscardedIds } = this;
    const asked = discarded + notDiscarded > 0;
    return {
      ...{ admitted, aborted, unanswered, refused, bytes, left, drainMs },
      ...(asked ? { discarded, notDiscarded, notDiscardedIds } : {}),
    };
  }
}

/** An admitted write that has not ended. */
export class Write {
  readonly grant: Grant;
  /** Names the write towards its handler. */
  readonly id: string;
  readonly #isLive: () => boolean;
  #reached: () => Reached = unmeasured;
  #discard: Discard | undefined;
  #onCut: () => void = ignore;
  #onStop: (why: StopReason) => void = ignore;
  #over = false;
  #cut = false;
  #revoked = false;

  constructor(grant: Grant, id: string, isLive: () => boolean) {
    this.grant = grant;
    this.id = id;
    this.#isLive = isLive;
    grant.admitted += 1;
    grant.writes.add(this);
  }

  /** Whether bytes may go on: checked for every chunk, so that a process that slept past its deadline passes none. */
  mayContinue(): boolean {
    return !this.#cut && this.#isLive();
  }

  /** Where nobody has said that the gate closes, it is the session that is over. */
  get stopReason(): StopReason {
    return this.#revoked ? 'TokenRevoked' : (this.grant.stopReason ?? 'SessionLost');
  }

  get wasCut(): boolean {
    return this.#cut;
  }

  get mayBeDiscarded(): boolean {
    return this.#discard !== undefined;
  }

  onMeasure(reached: () => Reached): void {
    this.#reached = reached;
  }

  /** `discard` is called when the write is cut, or ends without its answer while the gate closes. */
  onDiscard(discard: Discard): void {
    this.#discard = discard;
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
    const reached = this.#reached();
    this.#cut = true;
    this.#onCut();
    this.#end(reached);
  }

  /**
   * Cuts this write alone, at once: its token was revoked. The gate stays as it is, so the handler has the same as of a
   * client that went away.
   */
  revoke(): void {
    if (this.#over) return;
    this.#revoked = true;
    this.cut();
  }

  /** The write is over; only a complete one counts as answered. */
  end(complete: boolean): void {
    if (!this.#over) this.#end(complete ? 'answered' : this.#reached());
  }

  #end(reached: Reached | 'answered'): void {
    if (this.#over) return;
    this.#over = true;
    const isStopped = (this.#cut && !this.#revoked) || this.grant.stopReason !== undefined || !this.#isLive();
    this.grant.end(this, reached, isStopped ? this.#discard : undefined);
  }
}
