import { LRUCache } from 'lru-cache';
import type { CallKey } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import { grant, refuse, type Decision } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { EvidenceRecord } from '../core/evidence.ts';
import type { GraphAnswer } from '../core/graph-outcome.ts';
import type { JsonObject } from '../core/json.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { Admission } from './admit.ts';
import { asRefusal, change, stateOf } from './change.ts';
import { sleep, type GateDeps } from './context.ts';
import { Refusals } from './refusals.ts';
import { start, type Started, type StartRequest } from './start.ts';
import { revokeWherePossible, stop, type OwnSession, type Stopped, type StopRequest } from './stop.ts';
import type { Write } from './write.ts';

export type NoteType = 'metadataUpdated' | 'operationPatched' | 'mediaRequested';

/** A call's binding as far as it is known: `undefined` when the store does not answer. */
export type KnownBinding = Binding | null | undefined;

const rememberedBindings = 10_000;
const storeWaitMs = 250;

/** The gate of every call, as one instance sees it (design, section 3). */
export class Gate {
  readonly #deps: GateDeps;
  readonly #admission: Admission;
  readonly #refusals: Refusals;
  /** A binding never changes, so it may be remembered for as long as there is room. */
  readonly #bindings = new LRUCache<CallKey, Binding>({ max: rememberedBindings });

  constructor(deps: GateDeps) {
    this.#deps = deps;
    this.#admission = new Admission(deps);
    this.#refusals = new Refusals(deps, () => this.#instance);
  }

  /** Joins the store. Returns even if the store does not answer; gates stay closed until it does. */
  open(): Promise<void> {
    return this.#admission.session.open();
  }

  /** Stops admitting, drains, leaves the store. */
  async close(): Promise<void> {
    await this.#admission.close();
    await this.#refusals.flush();
  }

  /** Whether this instance may open gates now. */
  isReady(): boolean {
    return this.#admission.session.isLive();
  }

  /** Lets one write in, without a promise where this instance already holds a grant. */
  admitNow(call: CallKey, who: Binding | null): Decision<Write> | undefined {
    return this.#admission.admitNow(call, who);
  }

  admit(call: CallKey, who: Binding | null): Promise<Decision<Write>> {
    return this.#admission.admit(call, who);
  }

  /** For signalling that needs the gate only for a part of it: a store that hangs counts as a closed gate. */
  async admitSoon(call: CallKey, who: Binding | null): Promise<Decision<Write>> {
    const admitting = this.#admission.admit(call, who);
    const soon = await Promise.race([admitting, sleep(this.#deps.clock, storeWaitMs).then(() => undefined)]);
    if (soon !== undefined) return soon;
    admitting.then(
      (late) => {
        if (late.ok) late.value.end(true);
      },
      (error: unknown) => this.#deps.log.error({ call, error: messageOf(error) }, 'a late admission failed'),
    );
    return refuse('StoreUnavailable', { retryAfterMs: 1000 });
  }

  /** Whether the gate is open for `who`, without writing anything. */
  async isOpen(call: CallKey, who: Binding | null): Promise<Decision<void>> {
    const held = await this.#admission.hold(call, who);
    return held.ok ? grant(undefined) : held;
  }

  start<Answer extends GraphAnswer>(request: StartRequest<Answer>): Promise<Decision<Started<Answer>>> {
    return start(this.#deps, this.#instance, request, (first) => this.stop(first));
  }

  stop<Answer extends GraphAnswer>(request: StopRequest<Answer>): Promise<Decision<Stopped<Answer>>> {
    return stop(this.#deps, this.#own(), request);
  }

  /**
   * The call is over without anything left to tell Graph. Only for a call that is bound: for any other, the 404
   * may only mean that it is somebody else's.
   */
  async callGone(call: CallKey, by: Binding | null): Promise<void> {
    const binding = this.#bindings.get(call) ?? (await this.#readBinding(call));
    if (binding === null) return;
    if (binding === undefined) {
      this.#deps.log.warn({ call }, 'a call is gone, but the store does not say whether it is bound');
      return;
    }
    const stopped = await this.stop({ call, by, cause: 'callGone' });
    if (!stopped.ok && stopped.reason !== 'CallEnded') {
      this.#deps.log.warn(
        { call, reason: stopped.reason },
        'a call is gone, but its gate could not be ended yet',
      );
    }
  }

  /**
   * Hears of a durable record, whichever instance made it. After a stop was asked for, no instance may go on
   * admitting, even if the handler of that stop died before it told them; for any other state this does nothing.
   */
  witnessed({ event, call }: EvidenceRecord): void {
    if (event === 'stopRequested') void revokeWherePossible(this.#deps, this.#own(), call);
  }

  /** Remembers who a call belongs to: the first whom Graph accepted for it. */
  async bind(call: CallKey, who: Binding): Promise<void> {
    if (this.#bindings.has(call)) return;
    try {
      const bound = await change(this.#deps, call, { by: who, instance: this.#instance }, (view) =>
        stateOf(view).binding === null
          ? grant({ event: { type: 'bound', binding: who } })
          : refuse('CallNotFound'),
      );
      if (bound.ok) this.#bindings.set(call, who);
    } catch (error) {
      if (!isFault(error, 'StoreUnavailable')) throw error;
      this.#deps.log.warn(
        { call, error: messageOf(error) },
        'a call could not be bound; the next request tries again',
      );
    }
  }

  /**
   * Who a call belongs to; null: nobody yet; undefined: unknown, since the store does not answer.
   * Signalling waits for this, so a store that hangs is not waited for long (promise 3 of the design).
   */
  async bindingOf(call: CallKey): Promise<KnownBinding> {
    const known = this.#bindings.get(call);
    if (known !== undefined) return known;
    return Promise.race([
      this.#readBinding(call),
      sleep(this.#deps.clock, storeWaitMs).then(() => undefined),
    ]);
  }

  async #readBinding(call: CallKey): Promise<KnownBinding> {
    try {
      const { binding } = stateOf(await this.#deps.calls.read(call));
      if (binding !== null) this.#bindings.set(call, binding);
      return binding;
    } catch (error) {
      if (!isFault(error)) throw error;
      return undefined;
    }
  }

  /** Counts a refused write for the evidence. */
  refused(call: CallKey, reason: ReasonCode): void {
    this.#admission.countRefused(call);
    this.#refusals.count(call, reason);
  }

  /** Puts something that does not change the gate into the evidence; a refusal means it is not there. */
  async note(type: NoteType, call: CallKey, by: Binding | null, detail: JsonObject): Promise<Decision<void>> {
    try {
      const noted = await change(this.#deps, call, { by, instance: this.#instance }, () =>
        grant({ event: { type }, detail }),
      );
      return noted.ok ? grant(undefined) : noted;
    } catch (error) {
      return asRefusal(error);
    }
  }

  get #instance(): string {
    return this.#admission.session.id ?? 'none';
  }

  #own(): OwnSession {
    return {
      id: this.#admission.session.id,
      revoke: (revocations) => this.#admission.revoke(revocations),
    };
  }
}
