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
  /** Owners according to notifications that are still queued. */
  readonly #pending = new Map<CallKey, Binding>();

  constructor(deps: GateDeps, instance: () => string) {
    this.#deps = deps;
    this.#instance = instance;
  }

  /** A queued notification names the owner of the call. Costs nothing now: a request that comes before it is processed binds the call. */
  addPending(call: CallKey, who: Binding): void {
    if (!this.#known.has(call) && !this.#pending.has(call)) this.#pending.set(call, who);
  }

  /** No notification of the call is queued any more. */
  removePending(call: CallKey): void {
    this.#pending.delete(call);
  }

  /** Binds the call if it is not bound, and returns who it belongs to now. */
  bind(call: CallKey, who: Binding, from: Acceptance, ids?: RequestIds): Promise<KnownBinding> {
    const known = this.#known.get(call);
    if (known !== undefined) return Promise.resolve(known);
    const before = this.#underWay.get(call);
    // The notification came before this request.
    const pending = this.#pending.get(call);
    const [first, how] = pending === undefined ? [who, from] : ([pending, 'notification'] as const);
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

  /** The owner of the call according to a notification that is still queued. */
  pendingOwner(call: CallKey): Binding | undefined {
    return this.#pending.get(call);
  }

  knows(call: CallKey): boolean {
    return this.#known.has(call) || this.#underWay.has(call) || this.#pending.has(call);
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
    const pending = this.#pending.get(call);
    const underWay =
      pending === undefined ? this.#underWay.get(call) : this.bind(call, pending, 'notification');
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
      const write = from === 'request' ? log.warn.bind(log) : log.debug.bind(log);
      write({ call, error: messageOf(error) }, 'a call could not be bound to its caller; trying again');
      return undefined;
    }
  }
}
