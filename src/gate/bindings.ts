import { LRUCache } from 'lru-cache';
import type { CallKey } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import { grant } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import { change, stateOf } from './change.ts';
import { sleep, type GateDeps } from './context.ts';

/** A call's binding as far as it is known: `undefined` when the store does not answer. */
export type KnownBinding = Binding | null | undefined;

/** How Graph has shown whose a call is: it took a request of theirs, or told them of it. */
export type Acceptance = 'request' | 'notification';

const rememberedBindings = 10_000;
const storeWaitMs = 250;

/** Who each call belongs to: the first whom Graph accepted for it, or told of it. */
export class Bindings {
  readonly #deps: GateDeps;
  readonly #instance: () => string;
  /** A binding never changes, so it may be remembered for as long as there is room. */
  readonly #known = new LRUCache<CallKey, Binding>({ max: rememberedBindings });
  /** Bindings on their way to the store: whoever asks next must not be faster. */
  readonly #underWay = new Map<CallKey, Promise<KnownBinding>>();

  constructor(deps: GateDeps, instance: () => string) {
    this.#deps = deps;
    this.#instance = instance;
  }

  /** Binds the call if it is not bound, and returns who it belongs to now. */
  bind(call: CallKey, who: Binding, from: Acceptance): Promise<KnownBinding> {
    const known = this.#known.get(call);
    if (known !== undefined) return Promise.resolve(known);
    const before = this.#underWay.get(call);
    const binding = (before ?? Promise.resolve(undefined))
      .then((bound) => bound ?? this.#store(call, who, from))
      .finally(() => {
        if (this.#underWay.get(call) === binding) this.#underWay.delete(call);
      });
    this.#underWay.set(call, binding);
    return binding;
  }

  knows(call: CallKey): boolean {
    return this.#known.has(call) || this.#underWay.has(call);
  }

  /**
   * Who a call belongs to; null: nobody yet; undefined: unknown, since the store does not answer.
   * Signalling waits for this, so a store that hangs is not waited for long (promise 3 of the design).
   */
  of(call: CallKey): Promise<KnownBinding> {
    const known = this.#known.get(call);
    if (known !== undefined) return Promise.resolve(known);
    return Promise.race([this.read(call), sleep(this.#deps.clock, storeWaitMs).then(() => undefined)]);
  }

  /** The same, however long the store takes. */
  async read(call: CallKey): Promise<KnownBinding> {
    const binding = this.#known.get(call) ?? (await this.#underWay.get(call));
    if (binding !== null && binding !== undefined) return binding;
    try {
      return this.remember(call, stateOf(await this.#deps.calls.read(call)).binding);
    } catch (error) {
      if (!isFault(error)) throw error;
      return undefined;
    }
  }

  remember<Known extends Binding | null>(call: CallKey, binding: Known): Known {
    if (binding !== null) this.#known.set(call, binding);
    return binding;
  }

  async #store(call: CallKey, who: Binding, from: Acceptance): Promise<KnownBinding> {
    try {
      const bound = await change(this.#deps, call, { by: who, instance: this.#instance() }, (view) =>
        grant(
          stateOf(view).binding === null
            ? { event: { type: 'bound', binding: who }, detail: { from } }
            : null,
        ),
      );
      return this.remember(call, bound.ok ? bound.value.state.binding : null);
    } catch (error) {
      if (!isFault(error, 'StoreUnavailable')) throw error;
      this.#deps.log.warn(
        { call, error: messageOf(error) },
        'a call could not be bound; the next request tries again',
      );
      return undefined;
    }
  }
}
