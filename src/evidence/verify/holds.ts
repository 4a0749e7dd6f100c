import type { HoldLine } from '../../core/call/evidence-lines.ts';
import { scopeName, type StandingHold } from '../../core/call/hold.ts';
import type { Mismatch } from './format.ts';

interface HoldsOptions {
  /** Earlier lines are not at hand. */
  readonly partial: boolean;
  /** The store is known to have lost data: a line may be among it, and its number given again. */
  readonly storeLost: boolean;
}

/**
 * Checks that no line about a hold is missing, and that what is released stood. What was admitted meanwhile is not judged:
 * the journal does not say when each instance acted on a hold.
 */
export class HoldLines {
  readonly #options: HoldsOptions;
  readonly #standing = new Map<string, StandingHold>();
  #number: number | undefined;
  /** From now on earlier lines may be in another directory. */
  #moved = false;
  /** Holds that were set, and releases. */
  set = 0;
  released = 0;

  constructor(options: HoldsOptions) {
    this.#options = options;
  }

  /** Those of which there is no release, in the order in which they were set. */
  get standing(): readonly StandingHold[] {
    return [...this.#standing.values()];
  }

  moved(): void {
    this.#moved = true;
    this.#number = undefined;
  }

  take(hold: HoldLine): Mismatch | undefined {
    const { act, id, number, scope } = hold;
    const mismatch = this.#numberOf(number) ?? this.#actOf(hold);
    this.#number = number;
    if (act === 'set') {
      const { reason, by, at } = hold;
      this.#standing.set(id, { id, number, scope, reason, by, at });
      this.set += 1;
    } else {
      this.#standing.delete(id);
      this.released += 1;
    }
    return mismatch;
  }

  #numberOf(number: number): Mismatch | undefined {
    const { partial, storeLost } = this.#options;
    if (storeLost || (this.#number === undefined && (partial || this.#moved))) return undefined;
    const expected = (this.#number ?? 0) + 1;
    // After a move those that stood are written again: there are gaps between their numbers.
    if (number === expected || (this.#moved && number > expected)) return undefined;
    return { expected: `number ${expected} of the holds`, found: `number ${number}` };
  }

  #actOf({ act, id, scope }: HoldLine): Mismatch | undefined {
    const before = this.#standing.get(id);
    const mayRepeat = this.#moved || this.#options.storeLost;
    if (act === 'set')
      return before === undefined || mayRepeat
        ? undefined
        : { expected: 'a hold that does not stand yet', found: `hold ${id}, which stands` };
    if (before === undefined)
      return this.#options.partial || mayRepeat
        ? undefined
        : { expected: 'the release of a hold that stands', found: `hold ${id}, which does not stand` };
    return scopeName(before.scope) === scopeName(scope)
      ? undefined
      : { expected: `the release of a hold on ${scopeName(before.scope)}`, found: scopeName(scope) };
  }
}
