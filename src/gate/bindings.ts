import { LRUCache } from 'lru-cache';
import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import { grant } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { RequestIds } from '../core/http/request-ids.ts';
import { type Author, change, stateOf } from './change.ts';
import { sleep, type GateDeps } from './context.ts';

/** A call's binding as far as it is known: `undefined` when the store does not answer. */
export type KnownBinding = Binding | null | undefined;

/**
 * How Graph has confirmed the owner of a call: it accepted a request of the owner, or notified the owner of the call.
 */
export type Acceptance = 'request' | 'notification';

const rememberedBindings = 10_000;
const storeWaitMs = 250;

/** The owner of each call: the first caller whose request Graph accepted, or whom Graph notified of it. */
export class Bindings {
  readonly #deps: GateDeps;
  readonly #instance: () => string;
  /** A binding never changes, so it may be remembered for as long as there is room. */
  readonly #known = new LRUCache<CallKey, Binding>({ max: rememberedBindings });
  /** Bindings on their way to the store: whoever asks next must not be faster. */
  readonly #underWay = new Map<CallKey, Promise<KnownBinding>>();
  /** Whose calls are, as notifications told that are still to be learned from. */
  readonly #told = new Map<CallKey, Binding>();

  constructor(deps: GateDeps, instance: () => string) {
    this.#deps = deps;
    this.#instance = instance;
  }

  /** A notification told whose the call is. Costs nothing now: whoever asks before it is learned binds the call. */
  expect(call: CallKey, who: Binding): void {
    if (!this.#known.has(call) && !this.#told.has(call)) this.#told.set(call, who);
  }

  /** There is nothing left to learn of the call. */
  learned(call: CallKey): void {
    this.#told.delete(call);
  }

  /** Binds the call if it is not bound, and returns who it belongs to now. */
  bind(call: CallKey, who: Binding, from: Acceptance, ids?: RequestIds): Promise<KnownBinding> {
    const known = this.#known.get(call);
    if (known !== undefined) return Promise.resolve(known);
    const before = this.#underWay.get(call);
    // Graph's word came before whoever asks now.
    const told = this.#told.get(call);
    const [first, how] = told === undefined ? [who, from] : ([told, 'notification'] as const);
    const binding = (before ?? Promise.resolve(undefined))
      .then((bound) => bound ?? this.#store(call, { by: first, instance: this.#instance(), ids }, how))
      .finally(() => {
        if (this.#underWay.get(call) === binding) this.#underWay.delete(call);
      });
    this.#underWay.set(call, binding);
    return binding;
  }

  /** Who the call belongs to, as far as that is known here. */
  known(call: CallKey): Binding | undefined {
    return this.#known.get(call);
  }

  /** Whose the call is as a notification told that is still to be learned from. */
  told(call: CallKey): Binding | undefined {
    return this.#told.get(call);
  }

  knows(call: CallKey): boolean {
    return this.#known.has(call) || this.#underWay.has(call) || this.#told.has(call);
  }

  /**
   * Who a call belongs to; null: nobody yet; undefined: unknown, since the store does not answer.
   * Signalling waits for this, so a store that hangs is not waited for long (promise 3 of docs/design/protocol.md).
   */
  of(call: CallKey): Promise<KnownBinding> {
    const known = this.#known.get(call);
    if (known !== undefined) return Promise.resolve(known);
    return Promise.race([this.read(call), sleep(this.#deps.clock, storeWaitMs).then(() => undefined)]);
  }

  /** The same, however long the store takes. */
  async read(call: CallKey): Promise<KnownBinding> {
    const told = this.#told.get(call);
    const underWay = told === undefined ? this.#underWay.get(call) : this.bind(call, told, 'notification');
    const binding = this.#known.get(call) ?? (await underWay);
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

  async #store(
    call: CallKey,
    author: Author & { readonly by: Binding },
    from: Acceptance,
  ): Promise<KnownBinding> {
    try {
      const bound = await change(this.#deps, call, author, (view) =>
        grant(
          stateOf(view).binding === null && stateOf(view).state !== 'ended'
            ? { event: { type: 'bound', binding: author.by }, detail: { from } }
            : null,
        ),
      );
      return this.remember(call, bound.ok ? bound.value.state.binding : null);
    } catch (error) {
      if (!isFault(error, 'StoreUnavailable')) throw error;
      const { log } = this.#deps;
      // Notifications are tried again by themselves, and there may be many.
      const tell = from === 'request' ? log.warn.bind(log) : log.debug.bind(log);
      tell({ call, error: messageOf(error) }, 'a call could not be bound to its caller; trying again');
      return undefined;
    }
  }
}
