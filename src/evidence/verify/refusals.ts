import type { RefusedWrites } from '../../core/call/evidence-lines.ts';
import { fieldsOf, readCount } from '../../core/notices/values.ts';
import type { Mismatch } from './format.ts';

interface Reporter {
  /** Of its last line. */
  readonly number: number;
  readonly left: boolean;
}

interface RefusalsOptions {
  /** Earlier lines are not at hand, so an instance may appear in the middle of its lines. */
  readonly partial: boolean;
  /** The store is known to have lost data: lines may be among it. */
  readonly storeLost: boolean;
}

/** Of counts by reason; what is none counts nothing. */
export const sumOf = (counts: unknown): number =>
  Object.values(fieldsOf(counts)).reduce<number>((sum, count) => sum + (readCount(count) ?? 0), 0);

/** Checks that no line about refused writes is missing, and sums them up. */
export class RefusalLines {
  readonly #options: RefusalsOptions;
  readonly #reporters = new Map<string, Reporter>();
  /** Instances that were found gone, and the number of the last line of each by then. */
  readonly #lost = new Map<string, number>();
  /** Refused writes that the lines count. */
  writes = 0;
  /** Observed writes that the lines count, and a sample of their calls. */
  observedWrites = 0;
  readonly observedCalls = new Set<string>();
  /** From now on earlier lines may be in another directory. */
  #moved = false;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** Instances of which counts may be lost: they were found gone, and no later line of theirs says otherwise. */
  get countsLost(): number {
    return this.#lost.size;
  }

  moved(): void {
    this.#moved = true;
  }

  take({
    instance,
    number,
    last,
    refused,
    observed,
    calls,
    countsLost,
  }: RefusedWrites): Mismatch | undefined {
    this.writes += sumOf(refused);
    this.observedWrites += sumOf(observed);
    if (observed !== undefined) for (const call of calls) this.observedCalls.add(call);
    for (const lost of countsLost)
      if (this.#reporters.get(lost.instance)?.left !== true) this.#lost.set(lost.instance, lost.number);
    const before = this.#reporters.get(instance);
    this.#reporters.set(instance, { number, left: last });
    // It lived on, and had lost nothing.
    if ((this.#lost.get(instance) ?? Infinity) < number) this.#lost.delete(instance);
    if (before?.left === true)
      return {
        expected: `no line after the final line of instance ${instance}`,
        found: `number ${number}`,
      };
    const expected = (before?.number ?? 0) + 1;
    const mayMiss =
      this.#options.storeLost || (before === undefined && (this.#options.partial || this.#moved));
    if (number === expected || (mayMiss && number > expected)) return undefined;
    return { expected: `line number ${expected} of instance ${instance}`, found: `number ${number}` };
  }
}
