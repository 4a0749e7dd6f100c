import { type CallEnd, callEnds } from '../core/call/ends.ts';
import type { CallKey } from '../core/call/key.ts';
import type { TimedHolder } from '../core/call/session.ts';
import type { Binding, CallState } from '../core/call/state.ts';
import type { Tally } from '../core/call/tally.ts';
import { liveExchange } from '../core/call/transition.ts';
import { type Decision, grant, type Refusal, refuse } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Poll, Send, Sent } from '../core/graph/exchange.ts';
import type { GraphAnswer, StatusOutcome } from '../core/graph/outcome.ts';
import type { RequestIds } from '../core/http/request-ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { CallView } from '../core/ports/call-store.ts';
import { asRefusal, change, changeInsistently, freshForMs, stateOf, type Author } from './change.ts';
import { type GateDeps, sleep, type StatusDeps } from './context.ts';
import { outcomeFacts, resolve } from './exchange.ts';
import { intervalOf } from './interval.ts';
import { type Held, type OwnSession, revokeAll, HolderRevocations } from './revoke-holders.ts';
import type { Meaning } from './stop-marks.ts';

/** Cause of a stop; the end of a call closes its gate as well. */
export type StopCause =
  | 'notRecording'
  | 'failed'
  | 'notPolicyCall'
  | 'tenantMismatch'
  | 'confirmation'
  /** An operator closed the call, or put a hold on it: no bot has asked. */
  | 'operator'
  | 'hold'
  | CallEnd;

export interface StopRequest<Answer extends GraphAnswer> {
  readonly call: CallKey;
  readonly by: Binding | null;
  readonly cause: StopCause;
  /** How to send it to Graph; undefined: there is nothing to send. */
  readonly graph?: { readonly send: Send<Answer>; readonly poll: Poll<Answer> } | undefined;
  /** Facts for the evidence: client request id and the like. */
  readonly detail?: JsonObject;
  /** Of the request that asked; absent: no request did. */
  readonly ids?: RequestIds | undefined;
  /** Local clock: when it was asked for. What was done since counts towards its bound; now if absent. */
  readonly askedAt?: number;
  /** Only for a call that is bound: for any other, what says that it is gone may only mean that it is somebody else's. */
  readonly onlyBound?: boolean;
  /** What the state of the call means for it, before anything else is judged; undefined: it is judged as any other. */
  readonly meant?: (state: CallState) => Exclude<Meaning, 'own'> | undefined;
}

/** Handling of a received stop on this instance, once the store has reported the state of the call. */
export interface StopObserver {
  judge(state: CallState): Meaning;
  /** The store lets nobody in any more up to this epoch. */
  stored(epoch: number): void;
}

export interface Stopped<Answer extends GraphAnswer> {
  readonly sent: Sent<Answer> | undefined;
  readonly outcome: StatusOutcome | undefined;
}

/** A call whose gate is closing, as this handler drives it. */
interface Stop<Answer extends GraphAnswer> {
  readonly request: StopRequest<Answer>;
  readonly observer: StopObserver;
  readonly token: string;
  readonly author: Author;
  /** Local clock: the stop is sent or refused by then (promise 4 of docs/design/protocol.md). */
  readonly bound: number;
}

/**
 * Closes the gate of a call everywhere, once it is closed here (rule R6), and only then sends the stop to Graph (law 2).
 * A refusal leaves the gate closed and the stop to be taken over by the next request (rule R5).
 */
export async function stop<Answer extends GraphAnswer>(
  deps: StatusDeps,
  own: OwnSession,
  request: StopRequest<Answer>,
  observer: StopObserver,
): Promise<Decision<Stopped<Answer>>> {
  const { clock, times, policyFor } = deps;
  const drainMs = policyFor(request.by).drainMs ?? times.drainMs;
  const doing: Stop<Answer> = {
    request,
    observer,
    token: deps.newId(),
    author: { by: request.by, instance: own.id ?? 'none', ids: request.ids },
    bound: (request.askedAt ?? clock.now()) + drainMs + times.ttlMs,
  };
  try {
    const begun = await begin(deps, own, doing);
    if (!begun.ok) return begun;
    const drained = await drain(deps, own, doing, begun.value);
    if (!drained.ok) return await defer(deps, doing, drained);
    return await sendAndSettle(deps, doing, drained.value);
  } catch (error) {
    // The state may be `stopping` already: then nobody may go on admitting, whoever ends the stop.
    await revokeWherePossible(deps, own, request.call);
    return asRefusal(error);
  }
}

/** `stopping`, and the exchange is ours: a start in flight is shut out at once, then waited for. */
async function begin<Answer extends GraphAnswer>(
  deps: GateDeps,
  own: OwnSession,
  { request, observer, token, author, bound }: Stop<Answer>,
): Promise<Decision<Held>> {
  const { call, cause, detail = {} } = request;
  for (;;) {
    let epoch = 0;
    const requested = await change(deps, call, author, (view) => {
      const state = stateOf(view);
      const meaning = observer.judge(state);
      if (meaning === 'stranger') return refuse('CallNotFound');
      if (meaning === 'lapsed') return refuse('RecordingNotActive');
      epoch = state.epoch;
      const live = liveExchange(state, deps.watch.remainingMs);
      if (state.state === 'stopping' && live !== null) {
        return refuse('StatusInProgress', { retryAfterMs: live.remainingMs });
      }
      // Nothing is sent before the drain is over, so until then a crashed handler is taken over after the bound.
      const hold = { token, forMs: Math.max(0, bound - deps.clock.now()) };
      const type = state.state === 'stopping' ? 'stopTakenOver' : 'stopRequested';
      return grant({ event: { type, hold }, detail: { cause, ...detail } });
    });
    // Refused for either reason, it is stopping or has ended.
    if (requested.ok || requested.reason === 'StatusInProgress' || requested.reason === 'CallEnded')
      observer.stored(epoch);
    if (requested.ok && requested.value.state.exchange?.token === token) return grant(requested.value);
    if (!requested.ok && requested.reason !== 'StatusInProgress') return requested;
    // While a start in flight, or another stop, is waited for, the gate is closed all the same.
    await revokeAll(deps, own, await deps.calls.read(call), call);
    if (deps.clock.now() >= bound) {
      const retryAfterMs = requested.ok ? 1000 : Math.max(1000, requested.retryAfterMs ?? 0);
      return refuse('StatusInProgress', { retryAfterMs });
    }
    await sleep(deps.clock, 25);
  }
}

/** A call without holders, as it was read at a moment. */
interface Drained {
  readonly view: CallView;
  /** Local clock, before the store was asked. */
  readonly asked: number;
}

/**
 * Revokes, again and again, until no holder is left; one whose session stands still is waited out for its whole TTL. Those that
 * held the call when the stop was stored are revoked while the store is asked who holds it now.
 */
async function drain<Answer extends GraphAnswer>(
  deps: GateDeps,
  own: OwnSession,
  { request: { call }, author, bound }: Stop<Answer>,
  begun: Held,
): Promise<Decision<Drained>> {
  const { clock, times, calls } = deps;
  const revocations = new HolderRevocations(deps, own, call);
  // Holders with nothing in flight leave within a few round trips, so the first pauses are those of the store.
  for (let held = begun, pauseMs = 1 / 8; ; pauseMs = Math.min(50, pauseMs * 2)) {
    const revoked = revocations.revoke(held);
    const asked = clock.now();
    const [view] = await Promise.all([calls.read(call), revoked]);
    held = view;
    const freshMs = freshForMs(deps, view);
    if (view.holders.length === 0 && freshMs <= 0) return grant({ view, asked });
    for (const holder of revocations.lost(view.holders)) await waitedOut(deps, call, author, holder);
    // A holder that is being waited out needs its own whole TTL, which may be longer than ours.
    const longerMs = Math.max(0, ...view.holders.map(({ ttlMs }) => ttlMs - times.ttlMs));
    const mustWait = freshMs > 0 || !revocations.areIdle(view.holders);
    if (mustWait && clock.now() >= bound + (freshMs > 0 ? 0 : longerMs)) {
      return freshMs > 0
        ? refuse('StoreFresh', { retryAfterMs: freshMs })
        : refuse('DrainTimeout', { retryAfterMs: times.ttlMs });
    }
    if (pauseMs >= 1) await sleep(clock, pauseMs);
  }
}

/** Whether nothing of the call is recorded, as the store reports it now: a later start is not what was stopped before. */
export async function isStopped({ calls }: GateDeps, call: CallKey): Promise<boolean> {
  try {
    const { state } = await calls.read(call);
    return state !== null && ['idle', 'ended', 'unconfirmed'].includes(state.state);
  } catch (error) {
    asRefusal(error);
    return false;
  }
}

/** Closes the gate of a stopping call on every instance, on behalf of a handler that cannot do so itself. */
export async function revokeWherePossible(deps: GateDeps, own: OwnSession, call: CallKey): Promise<void> {
  try {
    await revokeAll(deps, own, await deps.calls.read(call), call);
  } catch (error) {
    // Without the store nobody's session lives on: every instance cuts its own writes within one TTL.
    if (!isFault(error)) throw error;
  }
}

async function waitedOut(deps: GateDeps, call: CallKey, author: Author, holder: TimedHolder): Promise<void> {
  const unknown: Tally = {
    admitted: 0,
    aborted: 0,
    unanswered: 0,
    refused: 0,
    bytes: 0,
    left: 'lost',
    drainMs: null,
  };
  await change(deps, call, author, () =>
    grant({
      event: { type: 'holderLost' },
      detail: { session: holder.session, ttlMs: holder.ttlMs, graphTimeoutMs: holder.graphTimeoutMs },
    }),
  );
  await deps.calls.leave(call, holder, unknown);
  deps.meter.drain(holder.ttlMs / 1000, 'lost');
}

/** The gate stays closed; whoever asks next takes over. */
async function defer<Answer extends GraphAnswer>(
  deps: GateDeps,
  { request, token, author }: Stop<Answer>,
  refusal: Refusal,
): Promise<Refusal> {
  await change(deps, request.call, author, () =>
    grant({ event: { type: 'stopDeferred', token }, detail: { reason: refusal.reason } }),
  );
  return refusal;
}

async function sendAndSettle<Answer extends GraphAnswer>(
  deps: StatusDeps,
  doing: Stop<Answer>,
  { view: drained, asked }: Drained,
): Promise<Decision<Stopped<Answer>>> {
  const { clock, times } = deps;
  const { request, token, author } = doing;
  const { call, graph } = request;
  const hold = { token, forMs: 2 * times.graphTimeoutMs };
  // Local time before the store was asked, so that we give up before the store lets another one in.
  const sendBefore = asked + times.graphTimeoutMs;
  const closed = await change(
    deps,
    call,
    author,
    (view) => grant({ event: { type: 'drained', hold }, detail: intervalOf(view), dropTallies: true }),
    drained,
  );
  if (!closed.ok) return closed;
  if (graph === undefined) {
    await withoutGraph(deps, doing);
    return grant({ sent: undefined, outcome: undefined });
  }
  const first = await graph.send(() => clock.now() < sendBefore);
  const deadline = sendBefore + times.graphTimeoutMs;
  const { outcome, sent } = await resolve(deps, {
    call,
    author,
    token,
    // To ask for a stop does not make the call one's own.
    binding: null,
    sent: first,
    poll: graph.poll,
    deadline,
  });
  await settle(deps, doing, sent, outcome, deadline);
  return grant({ sent, outcome });
}

/** Graph has already said what it had to say. */
async function withoutGraph<Answer extends GraphAnswer>(
  deps: GateDeps,
  { request: { call, cause }, token, author }: Stop<Answer>,
): Promise<void> {
  if (isEnd(cause)) return end(deps, call, author, cause);
  if (isByHand(cause)) {
    // Nobody has told Graph: it has to confirm a stop before the next start (rule R3).
    await change(deps, call, author, () =>
      grant({ event: { type: 'stopNotSent', token }, detail: { cause } }),
    );
    return;
  }
  await change(deps, call, author, () => grant({ event: { type: 'stopRefused', token }, detail: { cause } }));
}

async function settle<Answer extends GraphAnswer>(
  deps: GateDeps,
  { request, token, author }: Stop<Answer>,
  sent: Sent<Answer>,
  outcome: StatusOutcome,
  deadline: number,
): Promise<void> {
  const { call, cause } = request;
  const answered = sent.kind === 'answered';
  // A hang-up has no operation: any success is the end of the call.
  const taken = outcome.kind === 'completed' || (cause === 'hangUp' && answered && sent.answer.status < 300);
  const judged = taken ? 'stopConfirmed' : outcome.kind === 'refused' ? 'stopRefused' : 'stopUnknown';
  const type = sent.kind === 'notSent' && isByHand(cause) ? 'stopNotSent' : judged;
  const detail = {
    cause,
    ...outcomeFacts(outcome),
    ...(sent.kind === 'notSent' ? {} : { graph: sent.facts }),
  };
  try {
    const settled = await changeInsistently(
      deps,
      call,
      author,
      () => grant({ event: { type, token }, detail }),
      deadline,
    );
    // For a call that nobody is bound to, a 404 may only mean that it is somebody else's.
    const gone =
      outcome.kind === 'refused' && outcome.gone && settled.ok && settled.value.state.binding !== null;
    if (gone) await end(deps, call, author, 'statusNotFound');
    else if (taken && cause === 'hangUp') await end(deps, call, author, 'hangUp');
  } catch (error) {
    // The store still says `unconfirmed`: closed, and to be confirmed before the next start.
    if (!isFault(error)) throw error;
    deps.log.error(
      { call, error: messageOf(error) },
      'the response from Graph to a stop could not be stored; the gate stays closed',
    );
  }
}

/** No bot has asked, and there may be no credential to tell Graph with. */
const isByHand = (cause: StopCause): boolean => cause === 'operator' || cause === 'hold';

const isEnd = (cause: StopCause): cause is CallEnd => Object.hasOwn(callEnds, cause);

async function end(deps: GateDeps, call: CallKey, author: Author, cause: CallEnd): Promise<void> {
  const ended = await change(deps, call, author, () =>
    grant({ event: { type: 'ended' }, detail: { cause } }),
  );
  if (ended.ok) deps.meter.callEnded(cause);
}
