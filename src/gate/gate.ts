import type { CallEnd } from '../core/call/ends.ts';
import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import { grant, refuse, type Decision } from '../core/decision.ts';
import type { EvidenceRecord } from '../core/call/evidence.ts';
import type { GraphAnswer } from '../core/graph/outcome.ts';
import type { Notice } from '../core/notices/notice.ts';
import type { RequestIds } from '../core/http/request-ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { Admission } from './admit.ts';
import { withinStoreWait } from './admit-soon.ts';
import { Announcements } from './announcements.ts';
import type { ByHand } from './by-hand.ts';
import { Bindings, type KnownBinding } from './bindings.ts';
import { StopRetries, isRetriedByCaller } from './stop-retries.ts';
import { asRefusal, belongsTo, isStopped } from './change.ts';
import { type GateParts, type StatusDeps } from './context.ts';
import { EvidenceBacklog } from './evidence-backlog.ts';
import { StopMarks, type StopMark } from './stop-marks.ts';
import { stopObserver } from './stop-observer.ts';
import { endOf } from './apply-notification.ts';
import { note, type NoteType } from './note.ts';
import { NotificationQueue } from './notification-queue.ts';
import { ObservedWrites } from './observe.ts';
import { Observing } from './observing.ts';
import { Operations } from './operations.ts';
import { Operators } from './operators.ts';
import { Refusals } from './refusals.ts';
import { IdleCalls } from './idle-calls.ts';
import { start, type Started, type StartRequest } from './start.ts';
import { revokeWherePossible, stop, type StopObserver, type Stopped, type StopRequest } from './stop.ts';
import type { OwnSession } from './revoke-holders.ts';
import { UnprovenStops, type Hold, type UnprovenStop } from './unproven-stops.ts';
import { UnchangedSince } from './unchanged-since.ts';
import type { Grant, Write } from './write.ts';

/** How long notifications that wait may still be processed when the instance shuts down, ms. */
const notificationsMs = 3000;

/** The gate of every call, as one instance sees it (docs/design/protocol.md). */
export class Gate {
  readonly #deps: StatusDeps;
  readonly #admission: Admission;
  readonly #refusals: Refusals;
  readonly #bindings: Bindings;
  readonly #notificationQueue: NotificationQueue;
  readonly #idleCalls: IdleCalls | undefined;
  readonly #stopMarks: StopMarks;
  readonly #stopRetries: StopRetries;
  readonly #unproven: UnprovenStops;
  /** Since when the oldest stop in the store is not confirmed, local clock; undefined: there is none. */
  #oldestStop: number | undefined;
  readonly #operators: Operators;
  /** What operators do, and what of it stands. */
  readonly byHand: ByHand;
  readonly #announcements: Announcements;

  /** What the store observes instead of enforcing the laws, and the writes that pass for it. */
  readonly observed: ObservedWrites;

  /** What this instance admits now, and what is still ending. */
  readonly grants = (): readonly Grant[] => this.#admission.current();

  constructor(given: GateParts) {
    const operations = new Operations(given.clock);
    const { times, sizes } = given;
    const backlog = new EvidenceBacklog(given, { waitMs: times.evidenceWaitMs, bytes: sizes?.evidenceBytes });
    const watch = new UnchangedSince(given.clock);
    const observing = new Observing(given, (ms) => this.#admission.session.wasMemberWithin(ms));
    const deps = { ...given, operations, backlog, watch, observing };
    const instance = (): string => this.#instance;
    this.#deps = deps;
    this.#announcements = new Announcements(deps);
    this.#stopMarks = new StopMarks(() => deps.clock.now(), { maxWaiting: sizes?.maxStopMarks });
    this.#operators = new Operators({
      ...{ deps, instance },
      own: () => this.#own(),
      heartbeat: () => void this.#admission.session.heartbeat(),
      grants: () => this.#admission.grants,
      shut: (call, epoch) => this.#admission.shut(call, epoch),
      ownerOf: (call) => this.#ownerOf(call),
      readOwner: (call) => this.#bindings.read(call),
      stop: (request) => this.stop(request),
      lookAtObserved: () => this.observed.look(),
    });
    this.byHand = this.#operators;
    this.#admission = new Admission(deps, this.#stopMarks, this.#operators.acting);
    this.#stopRetries = new StopRetries(deps, (request, mark) => {
      if (mark.epoch !== undefined || this.#ownerOf(request.call) !== undefined)
        this.#announcements.stopped(request.call, mark.epoch ?? null);
      // Each attempt has the whole bound of a stop.
      const anew = { ...request, askedAt: deps.clock.now() };
      return stop(deps, this.#own(), anew, this.#observer(request, mark, true));
    });
    this.#unproven = new UnprovenStops(deps, {
      ownerOf: (call) => this.bindingOf(call),
      suspend: (call) => this.#admission.suspend(call),
      resume: (call) => this.#admission.resume(call),
      shut: (call, epoch) => this.#admission.shut(call, epoch),
      instance,
    });
    this.#refusals = new Refusals(deps, instance);
    this.#bindings = new Bindings(deps, instance);
    this.observed = new ObservedWrites(deps, {
      knownOwner: (call) => this.knownOwner(call),
      isHeld: (owner) => this.#operators.acting.inTheWay(owner) !== undefined,
      count: (call, reason, by) => this.#refusals.observed(call, reason, by),
    });
    this.#notificationQueue = new NotificationQueue({
      ...deps,
      bindings: this.#bindings,
      instance,
      end: (call, by, cause, ids) => this.stop({ call, by, cause, ids }),
      touch: (call) => this.touch(call),
    });
    const listening = {
      ...deps,
      moved: () => this.#admission.moved(),
      isLive: () => this.isReady(),
      end: (call: CallKey, cause: CallEnd) => this.stop({ call, by: null, cause }),
    };
    this.#idleCalls = times.silenceMs === undefined ? undefined : new IdleCalls(listening, times.silenceMs);
    deps.meter.sampled(() => this.#sample());
  }

  /** Joins the store. Returns even if the store does not answer; gates stay closed until it does. */
  async open(): Promise<void> {
    this.#deps.backlog.open();
    const listening = this.#announcements.listen({
      stopped: (call, epoch) => {
        this.#stopMarks.announced(call, epoch);
        this.#admission.shut(call, epoch);
        this.#unproven.over(call);
      },
      holdsChanged: () => void this.#admission.session.heartbeat(),
    });
    await Promise.all([this.#admission.session.open(), listening]);
    this.observed.open();
  }

  /** Stops admitting, drains, leaves the store. */
  async close(): Promise<void> {
    this.#idleCalls?.close();
    this.#deps.backlog.close();
    this.#stopRetries.close();
    this.#unproven.close();
    this.#operators.close();
    this.#announcements.close();
    await this.#notificationQueue.close(notificationsMs);
    await Promise.all([this.#admission.close(), this.observed.close()]);
    await this.#refusals.close();
  }

  /** Whether this instance may open gates now. */
  isReady(): boolean {
    return this.#admission.session.isLive();
  }

  /** Why nothing new may be recorded, though gates could be opened: evidence of it would wait for too long. */
  evidenceObstacle(): string | undefined {
    return this.#deps.backlog.obstacle();
  }

  /** Why this instance must not take part in the store as it is; undefined: nothing is known against it. */
  obstacle(): string | undefined {
    return this.#admission.session.obstacle;
  }

  /**
   * Whether this instance may write the evidence that waits in the store. A full store takes nobody in, and has room again
   * only once its evidence is written.
   */
  mayWriteEvidence(): boolean {
    return this.#admission.session.isUnopposed;
  }

  /** Lets one write in, without a promise where this instance already holds a grant. */
  admitNow(call: CallKey, who: Binding | null, beganAt?: number): Decision<Write> | undefined {
    return this.#admission.admitNow(call, who, beganAt);
  }

  /** `beganAt`: no write that began before its interval was opened is let in; local clock, the earliest it may have been. */
  admit(call: CallKey, who: Binding | null, beganAt?: number): Promise<Decision<Write>> {
    return this.#admission.admit(call, who, beganAt);
  }

  /** For signalling that needs the gate only for a part of it: a store that hangs counts as a closed gate. */
  admitSoon(call: CallKey, who: Binding | null): Promise<Decision<Write>> {
    return withinStoreWait(this.#deps, call, this.#admission.admit(call, who));
  }

  /** Whether the gate is open for `who`, without writing anything. */
  async isOpen(call: CallKey, who: Binding | null): Promise<Decision<void>> {
    const held = await this.#admission.hold(call, who);
    return held.ok ? grant(undefined) : held;
  }

  async start<Answer extends GraphAnswer>(request: StartRequest<Answer>): Promise<Decision<Started<Answer>>> {
    const { session } = this.#admission;
    if (!session.hasJoined) await session.heartbeat();
    // Others would not wait for us as long as they had to.
    const obstacle =
      session.obstacle ?? (session.hasJoined ? undefined : 'this instance has not joined the store yet');
    if (obstacle !== undefined) return refuse('StoreUnavailable', { detail: obstacle, retryAfterMs: 1000 });
    const { acting } = this.#operators;
    // Without a session the holds may have changed meanwhile.
    const unread = session.isLive() ? undefined : await acting.read(null).then(() => undefined, asRefusal);
    if (unread !== undefined) return unread;
    const started = await this.#operators.duringStart(request, () =>
      start(
        this.#deps,
        this.#instance,
        request,
        (first) => this.stop(first),
        (call, opening) => this.#stopMarks.covers(call, opening) || acting.closes(opening),
        acting,
      ),
    );
    if (started.ok) this.#bindings.remember(request.call, started.value.owner);
    return started;
  }

  /**
   * Closes the gate of a call here before it returns, whatever is answered later (rule R6), then everywhere, and then
   * sends the stop to Graph. What could not be completed is repeated in the background.
   */
  async stop<Answer extends GraphAnswer>(request: StopRequest<Answer>): Promise<Decision<Stopped<Answer>>> {
    const mark = this.#mark(request.call, request.by);
    if (mark === undefined) return refuse('CallNotFound');
    const observer = this.#observer(request, mark, false);
    const { askedAt = this.#deps.clock.now() } = request;
    const joined = await this.#stopRetries.join(request);
    if (joined?.ok === true && (await isStopped(this.#deps, request.call))) {
      mark.drop();
      // Whoever may stop a call of a gate brings the same kind of answer.
      return joined as Decision<Stopped<Answer>>;
    }
    const stopped = await stop(this.#deps, this.#own(), { ...request, askedAt }, observer);
    if (stopped.ok) return stopped;
    if (!this.#stopRetries.add(request, mark, stopped.reason)) {
      // It would never become known which recording was meant, and a later one would be closed here for good.
      if (mark.epoch === undefined && isRetriedByCaller(request.cause)) mark.drop();
      return stopped;
    }
    const detail =
      'the gate of this call is closed on this instance, and the instance retries the stop; send it again until it succeeds';
    return { ...stopped, detail };
  }

  /**
   * For how long a stop may wait for the proof of its token, ms: the other instances are notified after it, and are to have
   * closed within one TTL of the request.
   */
  get proofMs(): number {
    return this.#deps.times.ttlMs / 2;
  }

  /**
   * Holds the gate of a call closed here for a stop of which Graph cannot say now whether it is the call's own;
   * undefined: it does not. Nothing else is done for the claims of a token that nobody has verified.
   */
  holdClosed(stop: UnprovenStop): Promise<Hold | undefined> {
    return this.#unproven.hold(stop);
  }

  /**
   * The call is over and there is nothing to send to Graph. Only for a call that is bound: for any other, the 404
   * may only mean that it is somebody else's.
   */
  async callEnded(call: CallKey, by: Binding | null, cause: CallEnd, ids?: RequestIds): Promise<void> {
    if (this.#ownerOf(call) === undefined && (await this.#bindings.read(call)) === null) return;
    const stopped = await this.stop({ call, by, cause, onlyBound: true, ids });
    if (!stopped.ok && stopped.reason !== 'CallEnded' && stopped.reason !== 'CallNotFound') {
      this.#deps.log.warn(
        { call, reason: stopped.reason },
        'a call does not exist any more, but it could not be ended in the store yet',
      );
    }
  }

  /**
   * Queues Graph's notifications for processing; `by` is the owner according to their token. Returns at once. No
   * notification opens a gate.
   */
  receiveNotices(by: Binding, notices: readonly Notice[], ids?: RequestIds): void {
    // Processing may have to wait for the store; closing a gate does not (rule R6).
    const received = notices.map((notice) => ({
      by,
      notice,
      ids,
      stopMark: endOf(notice) === undefined ? undefined : this.#mark(notice.call, by),
    }));
    this.#notificationQueue.add(received);
  }

  /** There was activity of the call, so it is not idle. */
  touch(call: CallKey): void {
    this.#idleCalls?.touch(call);
  }

  /**
   * To be called for each durable record, whichever instance made it. After a stop was requested, no instance may go
   * on admitting, even if the handler of that stop died before it announced it; for other records this does nothing.
   */
  onRecordWritten({ event, call }: EvidenceRecord): void {
    if (event === 'stopRequested') void revokeWherePossible(this.#deps, this.#own(), call);
  }

  /** Remembers who a call belongs to: the first whom Graph accepted for it. */
  async bind(call: CallKey, who: Binding, ids?: RequestIds): Promise<void> {
    await this.#bindings.bind(call, who, 'request', ids);
  }

  /** Whether this instance knows the call, without asking the store. */
  knows(call: CallKey): boolean {
    return this.#admission.holds(call) || this.#bindings.knows(call);
  }

  /** Whether the store said just now that the call is not recorded. */
  wasSeenClosed(call: CallKey): boolean {
    return this.#admission.closedCache.has(call);
  }

  /** Who a call belongs to, as far as this instance knows without asking the store. */
  knownOwner(call: CallKey): Binding | undefined {
    return this.#ownerOf(call) ?? this.#bindings.pendingOwner(call);
  }

  /** Who a call belongs to; null: nobody yet; undefined: unknown, since the store does not answer in time. */
  async bindingOf(call: CallKey): Promise<KnownBinding> {
    return this.#ownerOf(call) ?? (await this.#bindings.of(call));
  }

  /** Counts a write that was refused to `by` for the evidence. */
  refused(call: CallKey, reason: ReasonCode, by: Binding | null): void {
    this.#admission.countRefused(call);
    this.#deps.onRefused?.(call, reason);
    this.#refusals.count(call, reason, by);
  }

  /** Puts something that does not change the gate into the evidence; a refusal means it is not there. */
  note(type: NoteType, call: CallKey, by: Binding | null, detail: JsonObject): Promise<Decision<void>> {
    return note(this.#deps, { by, instance: this.#instance }, type, call, detail);
  }

  /**
   * The store has reported the age of its oldest stop that is not confirmed, ms; undefined: there is none. For metrics
   * alone; until the next report that stop counts as not confirmed.
   */
  reportOldestStop(ageMs: number | undefined): void {
    this.#oldestStop = ageMs === undefined ? undefined : this.#deps.clock.now() - ageMs;
  }

  /** What only changes with time, or with every chunk of media. */
  #sample(): void {
    const { clock, meter } = this.#deps;
    const now = clock.now();
    const since = Math.min(this.#oldestStop ?? now, this.#stopRetries.oldest() ?? now);
    meter.oldestUnconfirmedStop((now - since) / 1000);
    this.#admission.countBytes();
    this.observed.report();
  }

  /**
   * Rule R6: from now on nothing more of the call is admitted here, and what is in flight ends within the drain limit.
   * undefined: the call is known to belong to somebody else.
   */
  #mark(call: CallKey, by: Binding | null): StopMark | undefined {
    const grant = this.#admission.grantOf(call);
    const owner = this.#ownerOf(call);
    if (owner !== undefined && !belongsTo({ binding: owner }, by)) return undefined;
    const mark = this.#stopMarks.add(call, by, grant?.epoch);
    if (grant !== undefined) this.#admission.shut(call, grant.epoch);
    if (owner !== undefined) this.#unproven.over(call);
    if (grant !== undefined) this.#announcements.stopped(call, grant.epoch);
    return mark;
  }

  /** The owner of the call, from a grant or a known binding; undefined: the store has to be asked. */
  #ownerOf(call: CallKey): Binding | null | undefined {
    const grant = this.#admission.grantOf(call);
    return grant === undefined ? this.#bindings.known(call) : grant.binding;
  }

  #observer(request: StopRequest<GraphAnswer>, mark: StopMark, isRepeated: boolean): StopObserver {
    const { call } = request;
    return stopObserver(request, mark, {
      isRepeated,
      isAnnounced: isRepeated ? mark.epoch !== undefined : this.#admission.grantOf(call) !== undefined,
      announce: (epoch) => this.#announcements.stopped(call, epoch),
      shut: (epoch) => this.#admission.shut(call, epoch),
    });
  }

  get #instance(): string {
    return this.#admission.session.id ?? 'none';
  }

  #own(): OwnSession {
    const { session } = this.#admission;
    return { id: session.id, revoke: (revocations) => this.#admission.revoke(revocations) };
  }
}
