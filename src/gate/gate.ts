import type { CallEnd } from '../core/call-ends.ts';
import type { CallKey } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import { grant, refuse, type Decision } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import type { EvidenceRecord } from '../core/evidence.ts';
import type { GraphAnswer } from '../core/graph-outcome.ts';
import type { Notice } from '../core/graph-notice.ts';
import type { JsonObject } from '../core/json.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { Admission } from './admit.ts';
import { Bindings, type KnownBinding } from './bindings.ts';
import { asRefusal, change } from './change.ts';
import { sleep, type GateParts, type StatusDeps } from './context.ts';
import { Learner } from './learner.ts';
import { Operations } from './operations.ts';
import { Refusals } from './refusals.ts';
import { Silence } from './silence.ts';
import { start, type Started, type StartRequest } from './start.ts';
import { revokeWherePossible, stop, type Stopped, type StopRequest } from './stop.ts';
import type { OwnSession } from './telling.ts';
import { Watch } from './watch.ts';
import type { Write } from './write.ts';

export type NoteType = 'metadataUpdated' | 'operationPatched' | 'mediaRequested' | 'callbackBypassed';

const storeWaitMs = 250;
/** How long what notifications taught may still be taken in when the instance leaves, ms. */
const learningMs = 3000;

/** The gate of every call, as one instance sees it (design, section 3). */
export class Gate {
  readonly #deps: StatusDeps;
  readonly #admission: Admission;
  readonly #refusals: Refusals;
  readonly #bindings: Bindings;
  readonly #learner: Learner;
  readonly #silence: Silence | undefined;

  constructor(given: GateParts) {
    const operations = new Operations(given.clock);
    const deps = { ...given, operations, watch: new Watch(given.clock) };
    const instance = (): string => this.#instance;
    const end = (call: CallKey, by: Binding | null, cause: CallEnd): Promise<Decision<unknown>> =>
      this.stop({ call, by, cause });
    this.#deps = deps;
    this.#admission = new Admission(deps);
    this.#refusals = new Refusals(deps, instance);
    this.#bindings = new Bindings(deps, instance);
    const heard = (call: CallKey): void => this.heard(call);
    this.#learner = new Learner({ ...deps, bindings: this.#bindings, instance, end, heard });
    const { silenceMs } = deps.times;
    const listening = {
      ...deps,
      moved: () => this.#admission.moved(),
      isLive: () => this.isReady(),
      end: (call: CallKey, cause: CallEnd) => end(call, null, cause),
    };
    this.#silence = silenceMs === undefined ? undefined : new Silence(listening, silenceMs);
  }

  /** Joins the store. Returns even if the store does not answer; gates stay closed until it does. */
  open(): Promise<void> {
    return this.#admission.session.open();
  }

  /** Stops admitting, drains, leaves the store. */
  async close(): Promise<void> {
    this.#silence?.close();
    await this.#learner.close(learningMs);
    await this.#admission.close();
    await this.#refusals.flush();
  }

  /** Whether this instance may open gates now. */
  isReady(): boolean {
    return this.#admission.session.isLive();
  }

  /** Why this instance must not take part in the store as it is; undefined: nothing is known against it. */
  obstacle(): string | undefined {
    return this.#admission.session.obstacle;
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

  async start<Answer extends GraphAnswer>(request: StartRequest<Answer>): Promise<Decision<Started<Answer>>> {
    const started = await start(this.#deps, this.#instance, request, (first) => this.stop(first));
    if (started.ok) this.#bindings.remember(request.call, started.value.owner);
    return started;
  }

  stop<Answer extends GraphAnswer>(request: StopRequest<Answer>): Promise<Decision<Stopped<Answer>>> {
    return stop(this.#deps, this.#own(), request);
  }

  /**
   * The call is over without anything left to tell Graph. Only for a call that is bound: for any other, the 404
   * may only mean that it is somebody else's.
   */
  async callEnded(call: CallKey, by: Binding | null, cause: CallEnd): Promise<void> {
    const binding = await this.#bindings.read(call);
    if (binding === null) return;
    if (binding === undefined) {
      this.#deps.log.warn({ call }, 'a call is gone, but the store does not say whether it is bound');
      return;
    }
    const stopped = await this.stop({ call, by, cause });
    if (!stopped.ok && stopped.reason !== 'CallEnded') {
      this.#deps.log.warn(
        { call, reason: stopped.reason },
        'a call is gone, but its gate could not be ended yet',
      );
    }
  }

  /**
   * Takes in what Graph's notifications tell, by whom their token is for. Returns at once; nothing that is learned here
   * opens a gate.
   */
  learn(by: Binding, notices: readonly Notice[]): void {
    this.#learner.learn(by, notices);
  }

  /** Something was heard of the call, so it is not silent. */
  heard(call: CallKey): void {
    this.#silence?.heard(call);
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
    await this.#bindings.bind(call, who, 'request');
  }

  /** Whether this instance knows the call, without asking the store. */
  knows(call: CallKey): boolean {
    return this.#admission.holds(call) || this.#bindings.knows(call);
  }

  /** Who a call belongs to; null: nobody yet; undefined: unknown, since the store does not answer in time. */
  bindingOf(call: CallKey): Promise<KnownBinding> {
    return this.#bindings.of(call);
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
