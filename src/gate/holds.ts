import {
  holdOf,
  type HoldRegistry,
  isClosedByHold,
  isInScope,
  noHolds,
  restored,
  scopeName,
  type StandingHold,
} from '../core/call/hold.ts';
import type { SessionId } from '../core/call/session.ts';
import type { Binding } from '../core/call/state.ts';
import { type Refusal, refuse } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Acknowledged, HoldsView } from '../core/ports/hold-store.ts';
import type { GateDeps } from './context.ts';
import type { Opening } from './stop-marks.ts';

const restoreAgainMs = 500;

/** What has to happen when the holds have changed. Synchronous: when it returns, this instance acts on them. */
export interface HoldsOwner {
  /** Close what is open here and is closed by a hold now. */
  changed(): void;
  /** The holds are known again: join now. */
  known(): void;
}

/**
 * The holds that this instance acts on. Until they are known everything is closed; a hold that was asked for here counts at
 * once, before the store has it.
 */
export class Holds {
  readonly #deps: GateDeps;
  readonly #owner: HoldsOwner;
  /** undefined: not known. */
  #registry: HoldRegistry | undefined;
  #acknowledged: Acknowledged | null = null;
  /** Asked for here, and not in the store yet. */
  readonly #asked = new Map<string, StandingHold>();
  #obstacle: string | undefined;
  #isRestoring = false;
  /** By how much the store's clock was ahead of the local one when it was read last, ms. */
  #clockAhead = 0;
  /** How often the store was asked, and which of these answers counts now: replies may overtake each other. */
  #reads = 0;
  #taken = 0;
  #closed = false;

  constructor(deps: GateDeps, owner: HoldsOwner) {
    this.#deps = deps;
    this.#owner = owner;
  }

  /** Why no gate may open; undefined: the holds are known. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  get standing(): readonly StandingHold[] {
    const stored = this.#registry?.standing ?? [];
    return [...stored, ...[...this.#asked.values()].filter(({ id }) => !stored.some((one) => one.id === id))];
  }

  /** Whether a recording may not be admitted here: a hold closes it, or it is not known whether one does. */
  covers(opening: Opening): boolean {
    return this.#registry === undefined || this.closes(opening);
  }

  /** Whether a hold that is known closes a recording. */
  closes({ epoch, binding }: Opening): boolean {
    if (this.#registry !== undefined && isClosedByHold(this.#registry, { epoch, binding })) return true;
    return [...this.#asked.values()].some(({ scope }) => isInScope(scope, binding));
  }

  /** Why no start may be sent for a call; undefined: nothing is in its way. */
  inTheWay(binding: Binding | null): Refusal | undefined {
    if (this.#registry === undefined)
      return refuse('HoldsUnknown', { detail: this.#obstacle, retryAfterMs: 1000 });
    const { standing } = this;
    const hold = holdOf({ ...noHolds, standing }, binding);
    return hold === undefined
      ? undefined
      : refuse('HoldStands', { detail: `hold ${hold.id} on ${scopeName(hold.scope)}` });
  }

  /** The store's clock to within a round trip, as far as it was ever read, RFC 3339. */
  get storeTime(): string {
    return new Date(this.#deps.clock.now() + this.#clockAhead).toISOString();
  }

  /** In force here from now on, whatever becomes of it in the store. */
  ask(hold: StandingHold): void {
    this.#asked.set(hold.id, hold);
    this.#owner.changed();
  }

  /** The store has it, or it was given up. */
  stored(id: string): void {
    this.#asked.delete(id);
  }

  /**
   * Acts on what the store says before it resolves, and tells the store what `session` has acted on before. `new`: the store
   * does not know yet that this instance acts on it; `unknown`: nothing may open. Throws `StoreUnavailable`.
   */
  async read(session: SessionId | null): Promise<'unknown' | 'new' | 'same'> {
    const asked = ++this.#reads;
    const view = await this.#deps.holds.read(session, this.#acknowledged);
    this.#clockAhead = view.clock - this.#deps.clock.now();
    if (asked > this.#taken) {
      this.#taken = asked;
      return this.#take(view);
    }
    return this.#registry === undefined ? 'unknown' : 'same';
  }

  /** The clock of the store, and what an act is computed from. */
  view(): Promise<HoldsView> {
    return this.#deps.holds.read(null, null);
  }

  #take(view: HoldsView): 'unknown' | 'new' | 'same' {
    const { registry, isKnown, life } = view;
    if (!isKnown) {
      this.#registry = undefined;
      this.#acknowledged = null;
      this.#owner.changed();
      this.#restore(view);
      return 'unknown';
    }
    const before = this.#acknowledged;
    const isNew = before?.life !== life || before.number !== registry.number;
    const isFirst = this.#registry === undefined;
    this.#registry = registry;
    this.#acknowledged = { life, number: registry.number };
    this.#obstacle = undefined;
    if (isNew || isFirst) this.#owner.changed();
    return isNew ? 'new' : 'same';
  }

  close(): void {
    this.#closed = true;
  }

  /** The store may have lost holds: what stands is in the journal, for whoever can read it. */
  #restore(view: HoldsView): void {
    const { readHolds, clock, log } = this.#deps;
    if (readHolds === undefined) {
      this.#waits(
        'the store does not know which holds stand, since it began without data; an instance that has the evidence directory must read them from the journal first. Start one, or set the evidence directory of this one',
      );
      return;
    }
    if (this.#isRestoring || this.#closed) return;
    this.#isRestoring = true;
    this.#obstacle ??= 'the holds are being read from the journal, since the store began without data';
    void this.#readAndStore(view, readHolds)
      .catch((error: unknown) => {
        const text = `the holds could not be read from the journal, so no gate opens: ${messageOf(error)}`;
        if (isFault(error)) this.#waits(text);
        else log.error({ error: messageOf(error) }, text);
        return new Promise<void>((resolve) => void clock.after(restoreAgainMs, resolve));
      })
      .finally(() => {
        this.#isRestoring = false;
        if (!this.#closed) this.#owner.known();
      });
  }

  async #readAndStore(
    { registry: left, life }: HoldsView,
    readHolds: NonNullable<GateDeps['readHolds']>,
  ): Promise<void> {
    const { holds, newId, log } = this.#deps;
    const registry = restored(await readHolds(), left);
    // Refused: another instance was faster, or the store has lost its data again.
    const stored = await holds.commit({
      ...{ expected: left.number, life, registry, line: null },
      operation: newId(),
    });
    if (stored === undefined || registry.number === 0) return;
    log.info(
      { holds: registry.standing.length, number: registry.number },
      'the holds that stand were read from the journal',
    );
  }

  /** Told once, and again when it has changed. */
  #waits(obstacle: string): void {
    if (obstacle !== this.#obstacle) this.#deps.log.warn({}, obstacle);
    this.#obstacle = obstacle;
  }
}
