import { lineKinds, type RefusedWrites } from '../core/call/evidence-lines.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Reporter } from '../core/ports/outbox.ts';
import type { GateDeps } from './context.ts';
import { reporterName, RefusedCount } from './refused-count.ts';

const maxApplications = 1000;
/** From the first refused write to its line in the evidence, ms. */
const periodMs = 10_000;
const beatMs = 2000;
/** A reporter that stood still for so many reports of this instance is gone: as these were stored, so could its own. */
const stillBeats = 3;
/** How often the last report is tried. */
const lastAttempts = 5;

/** What is being reported: the same lines until the store has taken them, so that none is taken twice. */
interface Batch {
  readonly lines: readonly RefusedWrites[];
  readonly gone: readonly Reporter[];
}

const nothing: Batch = { lines: [], gone: [] };

/**
 * Reports refused and observed writes that are not in the records of their calls: one line per application and period. From its
 * first report on, the instance is listed in the store until it leaves in order; if it crashes, the others notice and
 * report that its latest counts may be lost.
 */
export class RefusalReports {
  readonly #deps: GateDeps;
  readonly #instance: string;
  #counts = new Map<string, RefusedCount>();
  /** Local clock: when the first of them was taken. */
  #since = Infinity;
  #batch = nothing;
  #beat = 0;
  /** Of the last line. */
  #number = 0;
  #others = new Map<string, { readonly reporter: Reporter; readonly still: number }>();
  /** To be added to the local clock to get the store's; undefined: the store has not answered yet. */
  #offsetMs: number | undefined;
  #turning: Promise<void> | undefined;
  #closed = false;
  #cancel: () => void = () => undefined;

  constructor(deps: GateDeps) {
    this.#deps = deps;
    this.#instance = deps.newId();
  }

  take(count: RefusedCount): void {
    const isOne = this.#counts.has(reporterName(count.by)) || this.#counts.size < maxApplications;
    const by = isOne ? count.by : null;
    const all = this.#counts.get(reporterName(by)) ?? new RefusedCount(by);
    all.add(count);
    this.#counts.set(reporterName(by), all);
    this.#since = Math.min(this.#since, this.#deps.clock.now());
    // At once, so that others know that there is something to lose.
    if (this.#beat === 0 && !this.#closed) void this.#turn();
  }

  /** Reports what is left; nothing may be counted afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#turning;
    if (this.#counts.size === 0 && this.#beat === 0) return;
    let isTold = false;
    for (let attempt = 0; attempt < lastAttempts; attempt++) {
      // Lines first, then leaving: either can be repeated where a reply was lost.
      const isNext = !isTold && this.#batch === nothing && this.#offsetMs !== undefined;
      const batch: Batch = isNext ? this.#nextBatch(true) : this.#batch;
      const isLast = batch.lines.at(-1)?.last === true;
      if (!(await this.#report(batch, isTold))) continue;
      if (isTold) return;
      isTold = isLast;
    }
    if (isTold) return;
    const untold = [...this.#counts.values()].reduce((sum, { total }) => sum + total, 0);
    this.#deps.log.warn(
      { untold, lines: this.#batch.lines.length, instance: this.#instance },
      'refused writes could not be reported to the store and are missing in the evidence',
    );
  }

  #turn(): Promise<void> {
    this.#turning ??= this.#turnOnce().finally(() => {
      this.#turning = undefined;
      if (!this.#closed) this.#cancel = this.#deps.clock.after(beatMs, () => void this.#turn());
    });
    return this.#turning;
  }

  async #turnOnce(): Promise<void> {
    const isDue =
      this.#deps.clock.now() - this.#since >= periodMs ||
      (this.#counts.size === 0 && this.#gone().length > 0);
    const isNext = isDue && this.#batch === nothing && this.#offsetMs !== undefined;
    await this.#report(isNext ? this.#nextBatch(false) : this.#batch, false);
  }

  /** Whether the store has taken it. */
  async #report(batch: Batch, last: boolean): Promise<boolean> {
    const { clock, outbox, log } = this.#deps;
    this.#batch = batch;
    this.#beat += 1;
    const from = { instance: this.#instance, beat: this.#beat };
    try {
      const { now, others } = await outbox.report({ from, ...batch, last });
      this.#offsetMs = now - clock.now();
      this.#batch = nothing;
      this.#watch(others);
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      log.debug(
        { error: messageOf(error) },
        'the report of refused writes failed; it is kept until the store answers',
      );
      return false;
    }
  }

  #watch(others: readonly Reporter[]): void {
    const before = this.#others;
    this.#others = new Map(
      others.map((reporter) => {
        const known = before.get(reporter.instance);
        const still = known?.reporter.beat === reporter.beat ? known.still + 1 : 0;
        return [reporter.instance, { reporter, still }];
      }),
    );
  }

  #gone(): readonly Reporter[] {
    return [...this.#others.values()]
      .filter(({ still }) => still >= stillBeats)
      .map(({ reporter }) => reporter);
  }

  /** What was counted until now, to be reported until the store has taken it. */
  #nextBatch(last: boolean): Batch {
    const gone = this.#gone();
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    this.#since = Infinity;
    // Where nothing was counted the line has something else to say.
    const reported = counts.length > 0 || !(last || gone.length > 0) ? counts : [new RefusedCount(null)];
    const lines = reported.map((count, index) =>
      this.#lineOf(count, index === 0 ? gone : [], last && index === reported.length - 1),
    );
    return { lines, gone };
  }

  #lineOf(
    { by, refused, observed, first, latest, calls }: RefusedCount,
    gone: readonly Reporter[],
    last: boolean,
  ): RefusedWrites {
    this.#number += 1;
    return {
      version: lineKinds.refusedWrites.version,
      at: this.#timeAt(this.#deps.clock.now()),
      instance: this.#instance,
      number: this.#number,
      last,
      by,
      refused,
      ...(observed === undefined ? {} : { observed }),
      first: calls.size === 0 ? null : this.#timeAt(first),
      latest: calls.size === 0 ? null : this.#timeAt(latest),
      calls: [...calls],
      countsLost: gone.map(({ instance, number }) => ({ instance, number })),
    };
  }

  #timeAt(local: number): string {
    return new Date(Math.round(local + (this.#offsetMs ?? 0))).toISOString();
  }
}
