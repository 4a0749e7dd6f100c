import type { CallKey } from '../core/call/key.ts';
import type { Binding, StateName } from '../core/call/state.ts';
import { grant, refuse, type Decision, type Refusal } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Poll, Send, Sent } from '../core/graph/exchange.ts';
import type { GraphAnswer, StatusOutcome } from '../core/graph/outcome.ts';
import type { RequestIds } from '../core/http/request-ids.ts';
import type { JsonObject } from '../core/json.ts';
import {
  asRefusal,
  belongsTo,
  change,
  changeInsistently,
  freshForMs,
  stateOf,
  type Author,
} from './change.ts';
import { sleep, type GateDeps, type StatusDeps } from './context.ts';
import { outcomeFacts, resolve } from './exchange.ts';
import type { Holds } from './holds.ts';
import type { Opening } from './stop-marks.ts';
import { seenOpen } from './epoch-opening.ts';
import type { Stopped, StopRequest } from './stop.ts';

export interface StartRequest<Answer extends GraphAnswer> {
  readonly call: CallKey;
  readonly by: Binding | null;
  readonly send: Send<Answer>;
  readonly poll: Poll<Answer>;
  /** Sends a `notRecording` of our own, where the last one was never confirmed (rule R3). */
  readonly sendConfirmation: Send<Answer>;
  readonly detail?: JsonObject;
  readonly ids?: RequestIds | undefined;
}

export interface Started<Answer extends GraphAnswer> {
  readonly sent: Sent<Answer>;
  readonly outcome: StatusOutcome;
  /** Whether the gate is open for this epoch now. */
  readonly open: boolean;
  /** Who the call belongs to; null: that is not known. */
  readonly owner: Binding | null;
}

type StopFirst<Answer extends GraphAnswer> = (
  request: StopRequest<Answer>,
) => Promise<Decision<Stopped<Answer>>>;

/** Whether a stop of what is recorded was received here, which the store does not have yet (rule R6). */
type IsStopHeard = (call: CallKey, opening: Opening) => boolean;

/** Why no start may be sent for a call; undefined: no hold is in its way. */
type InTheWay = Pick<Holds, 'inTheWay'>;

interface Begun {
  readonly token: string;
  readonly epoch: number;
  readonly repeated: boolean;
  /** Local clock: nothing is sent after this. */
  readonly sendBefore: number;
  /** Who the call belongs to, or will if Graph takes the request. */
  readonly owner: Binding | null;
}

/**
 * Reserves an epoch, lets Graph decide, and opens the gate only on a confirmed success of that epoch (law 1).
 */
export async function start<Answer extends GraphAnswer>(
  deps: StatusDeps,
  instance: string,
  request: StartRequest<Answer>,
  stopFirst: StopFirst<Answer>,
  isStopHeard: IsStopHeard,
  holds: InTheWay,
): Promise<Decision<Started<Answer>>> {
  const { ids } = request;
  const author = { by: request.by, instance, ids };
  try {
    const begun = await begin(deps, author, request, stopFirst, isStopHeard, holds);
    if (!begun.ok) return begun;
    const settled = await sendAndSettle(deps, author, request, begun.value, holds);
    if (!settled.ok) return settled;
    const started = settled.value;
    const cause = voided(started.outcome, begun.value.repeated, started.owner !== null);
    if (cause === undefined) return grant(started);
    const stopped = await stopFirst({ call: request.call, by: request.by, cause, ids });
    // Where it was not open before, Graph's own answer is the better one.
    return stopped.ok || !begun.value.repeated ? grant({ ...started, open: false }) : stopped;
  } catch (error) {
    return asRefusal(error);
  }
}

/** Why even what was confirmed before does not count any more: the call is gone, or can never be recorded, or not with this token. */
function voided(
  outcome: StatusOutcome,
  repeated: boolean,
  bound: boolean,
): 'statusNotFound' | 'notPolicyCall' | 'tenantMismatch' | undefined {
  if (outcome.kind !== 'refused') return undefined;
  // For a call that nobody is bound to, a 404 may only mean that it is somebody else's.
  if (outcome.gone && (repeated || bound)) return 'statusNotFound';
  if (!repeated) return undefined;
  if (outcome.notPolicyCall) return 'notPolicyCall';
  return outcome.tenantMismatch === true ? 'tenantMismatch' : undefined;
}

async function begin<Answer extends GraphAnswer>(
  deps: StatusDeps,
  author: Author,
  request: StartRequest<Answer>,
  stopFirst: StopFirst<Answer>,
  isStopHeard: IsStopHeard,
  holds: InTheWay,
): Promise<Decision<Begun>> {
  const { clock, times, newId } = deps;
  const { call, by, detail = {} } = request;
  const bound = clock.now() + times.drainMs + times.ttlMs;
  for (;;) {
    const token = newId();
    // Local time before the store was asked, so that we give up before the store lets another one in.
    const sendBefore = clock.now() + times.graphTimeoutMs;
    const hold = { token, forMs: 3 * times.graphTimeoutMs };
    let found: StateName = 'idle';
    const requested = await change(deps, call, author, (view) => {
      const state = stateOf(view);
      found = state.state;
      if (!belongsTo(state, by)) return refuse('CallNotFound');
      const freshMs = freshForMs(deps, view);
      if (freshMs > 0) return refuse('StoreFresh', { retryAfterMs: freshMs });
      const held = holds.inTheWay(state.binding ?? by);
      if (held !== undefined) return held;
      // Its stop may be among what the store has forgotten: that is confirmed before the call starts anew (rule R3).
      if (state.state === 'recording' && (!view.isOfThisLife || isStopHeard(call, state)))
        return refuse('StopUnconfirmed');
      const type = state.state === 'recording' ? 'repeatRequested' : 'startRequested';
      if (type === 'startRequested' && deps.backlog.isExceeded()) return deps.backlog.refusal();
      return grant({ event: { type, hold }, detail });
    }).catch((error: unknown) => {
      void release(deps, call, author, token);
      throw error;
    });
    if (requested.ok) {
      const { before, state } = requested.value;
      const repeated = before.state === 'recording';
      return grant({ token, epoch: state.epoch, repeated, sendBefore, owner: state.binding ?? by });
    }
    const inTheWay = await makeWay(request, requested, found, stopFirst);
    if (inTheWay !== undefined || clock.now() >= bound) return inTheWay ?? requested;
    await sleep(clock, 25);
  }
}

/**
 * The reservation may be in the store though its reply was lost. Nothing was sent and nothing will be, so it must
 * not keep a stop waiting until its time is over.
 */
async function release(deps: GateDeps, call: CallKey, author: Author, token: string): Promise<void> {
  const deadline = deps.clock.now() + 3 * deps.times.graphTimeoutMs;
  try {
    await changeInsistently(
      deps,
      call,
      author,
      (view) => {
        const { state, epoch, exchange } = stateOf(view);
        if (exchange?.token !== token) return refuse('StatusInProgress');
        const event =
          state === 'starting'
            ? { type: 'startUnknown' as const, token, epoch }
            : { type: 'repeatSettled' as const, token };
        return grant({ event, detail: { outcome: 'notSent' } });
      },
      deadline,
    );
  } catch (error) {
    // Its time ends by itself.
    deps.log.warn(
      { call, error: messageOf(error) },
      'a start that was not sent could not be withdrawn from the store',
    );
  }
}

/** A refusal that waiting does not cure, or undefined: look again. */
async function makeWay<Answer extends GraphAnswer>(
  { call, by, sendConfirmation, poll, ids }: StartRequest<Answer>,
  refusal: Refusal,
  found: StateName,
  stopFirst: StopFirst<Answer>,
): Promise<Refusal | undefined> {
  if (refusal.reason === 'StatusInProgress') return undefined;
  if (refusal.reason !== 'StopUnconfirmed') return refusal;
  // Confirmed, but the lost one may still be on the wire: only time helps.
  if (found !== 'recording' && found !== 'stopping' && found !== 'unconfirmed') return undefined;
  const stopped = await stopFirst({
    call,
    by,
    cause: 'confirmation',
    ids,
    graph: { send: sendConfirmation, poll },
  });
  if (!stopped.ok) return stopped;
  const { outcome } = stopped.value;
  return outcome?.kind === 'completed' || outcome?.kind === 'refused' ? undefined : refusal;
}

async function sendAndSettle<Answer extends GraphAnswer>(
  deps: StatusDeps,
  author: Author,
  { call, by, send, poll, detail = {} }: StartRequest<Answer>,
  { token, epoch, repeated, sendBefore, owner }: Begun,
  holds: InTheWay,
): Promise<Decision<Started<Answer>>> {
  const { clock, times, calls } = deps;
  const first = await send(() => clock.now() < sendBefore && holds.inTheWay(owner) === undefined);
  const deadline = sendBefore + times.graphTimeoutMs;
  const shutOut = async (): Promise<boolean> => {
    try {
      const state = stateOf(await calls.read(call));
      return state.exchange?.token !== token || state.state !== (repeated ? 'recording' : 'starting');
    } catch (error) {
      // Graph's answer is worth having even so: it can be stored once the store is back.
      if (!isFault(error, 'StoreUnavailable')) throw error;
      return false;
    }
  };
  const { outcome, sent } = await resolve(deps, {
    call,
    author,
    token,
    binding: by,
    sent: first,
    poll,
    deadline,
    abandoned: shutOut,
  });
  const facts = {
    ...detail,
    ...outcomeFacts(outcome),
    ...(sent.kind === 'notSent' ? {} : { graph: sent.facts }),
  };
  const settled = await changeInsistently(
    deps,
    call,
    author,
    () => {
      if (repeated) return grant({ event: { type: 'repeatSettled', token }, detail: facts });
      if (outcome.kind === 'completed') {
        return grant({ event: { type: 'startConfirmed', token, epoch, binding: by }, detail: facts });
      }
      const type = outcome.kind === 'refused' ? 'startRefused' : 'startUnknown';
      return grant({ event: { type, token, epoch }, detail: facts });
    },
    deadline,
  );
  if (!settled.ok) return settled;
  const { state } = settled.value;
  const held = holds.inTheWay(state.binding ?? owner);
  if (held !== undefined && sent.kind === 'notSent') return held;
  // What a hold has met on its way is stopped.
  const open = held === undefined && state.state === 'recording' && state.epoch === epoch;
  if (open) seenOpen(deps.watch, call, epoch);
  return grant({ sent, outcome, open, owner: state.binding });
}
