import { type Refusal, refuse } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { Backlog, Outbox } from '../core/ports/outbox.ts';

const defaultWaitMs = 4 * 60 * 60 * 1000;
const longestPauseMs = 15_000;
const shortestPauseMs = 200;
/** How soon it is looked again once evidence waits too long, so that recording goes on soon after it is written, ms. */
const exceededPauseMs = 1000;

const megabyte = 1024 * 1024;

interface BacklogDeps {
  readonly outbox: Pick<Outbox, 'backlog'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Pick<Meter, 'evidenceBacklog'>;
}

interface BacklogBounds {
  readonly waitMs?: number | undefined;
  readonly bytes?: number | undefined;
}

/** What was seen of the evidence that waits. */
interface Seen extends Backlog {
  /** Local clock. */
  readonly at: number;
}

/**
 * Watches size and age of the evidence in the store that is not yet written, whichever instance writes it. Beyond
 * either limit no recording starts and no write is admitted, because it could not be proven later. Closing gates
 * continues.
 */
export class EvidenceBacklog {
  readonly #deps: BacklogDeps;
  readonly #maxAgeMs: number;
  readonly #maxBytes: number;
  #seen: Seen | undefined;
  /** Local clock: from when on a bound is exceeded, by what was seen last. */
  #exceededFrom = Infinity;
  #wasExceeded = false;
  #closed = false;
  #cancel: () => void = () => undefined;

  constructor(deps: BacklogDeps, { waitMs = defaultWaitMs, bytes = Infinity }: BacklogBounds) {
    this.#deps = deps;
    this.#maxAgeMs = waitMs;
    this.#maxBytes = bytes;
  }

  open(): void {
    void this.#turn();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  isExceeded(): boolean {
    return this.#deps.clock.now() >= this.#exceededFrom;
  }

  refusal(): Refusal {
    return refuse('EvidenceBacklog', { retryAfterMs: 5000 });
  }

  /** What is in the way of new recordings, for an operator; undefined: nothing. */
  obstacle(): string | undefined {
    if (!this.isExceeded() || this.#seen === undefined) return undefined;
    const seconds = Math.round(this.#ageMs(this.#seen) / 1000);
    const megabytes = Math.ceil(this.#seen.bytes / megabyte);
    return `evidence has been waiting in the store for ${seconds} s (about ${megabytes} MiB), which exceeds TALLYLIGHT_EVIDENCE_BACKLOG: find out why it is not written`;
  }

  async #turn(): Promise<void> {
    try {
      this.#look(await this.#deps.outbox.backlog());
    } catch (error) {
      if (!isFault(error)) throw error;
      // Without the store nothing is admitted either, and what was seen goes on to age.
      this.#deps.log.debug({ error: messageOf(error) }, 'the evidence backlog could not be read');
    }
    this.#report();
    if (!this.#closed) this.#cancel = this.#deps.clock.after(this.#pauseMs(), () => void this.#turn());
  }

  #look({ oldest, bytes }: Backlog): void {
    const at = this.#deps.clock.now();
    const before = this.#seen;
    // The store's clock may be set back meanwhile.
    const waited =
      before !== undefined && oldest !== null && before.oldest?.id === oldest.id ? this.#ageMs(before) : 0;
    this.#seen = { at, bytes, oldest: oldest && { ...oldest, ageMs: Math.max(oldest.ageMs, waited) } };
    if (bytes > this.#maxBytes) this.#exceededFrom = -Infinity;
    else this.#exceededFrom = oldest === null ? Infinity : at + this.#maxAgeMs - this.#ageMs(this.#seen);
  }

  #ageMs({ oldest, at }: Seen): number {
    return oldest === null ? 0 : oldest.ageMs + this.#deps.clock.now() - at;
  }

  #report(): void {
    const exceeded = this.isExceeded();
    this.#deps.meter.evidenceBacklog({ ...(this.#seen && { bytes: this.#seen.bytes }), exceeded });
    if (exceeded === this.#wasExceeded) return;
    this.#wasExceeded = exceeded;
    if (exceeded)
      this.#deps.log.error(
        { obstacle: this.obstacle() },
        'the evidence backlog exceeds its limit: no recording starts and no write is admitted until the evidence is written; stops are still sent',
      );
    else this.#deps.log.info({}, 'the evidence backlog is within its limit again; recordings can start');
  }

  #pauseMs(): number {
    if (this.#wasExceeded) return exceededPauseMs;
    return Math.min(longestPauseMs, Math.max(shortestPauseMs, this.#maxAgeMs / 4));
  }
}
