import type { CallKey } from '../core/call/key.ts';
import { freshMs, type TimedHolder } from '../core/call/session.ts';
import { type Binding, type CallState, retentionMs, unknownCall } from '../core/call/state.ts';
import { type CallEvent, transition, watchedAs } from '../core/call/transition.ts';
import { type Decision, grant, type Refusal } from '../core/decision.ts';
import { Fault, isFault } from '../core/errors.ts';
import type { RequestIds } from '../core/http/request-ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { CallView } from '../core/ports/call-store.ts';
import { type GateDeps, sessionTimes, sleep } from './context.ts';
import { logChange } from './story.ts';

export interface Author {
  readonly by: Binding | null;
  readonly instance: string;
  /** Of the request that asked; absent: no request did. */
  readonly ids?: RequestIds | undefined;
}

/** A proposed change to the current state of a call. */
export interface Proposal {
  readonly event: CallEvent;
  readonly detail?: JsonObject;
  /** The record carries the tallies, so they are forgotten with it. */
  readonly dropTallies?: boolean;
  /** It tells of what was not enforced. */
  readonly enforced?: false;
}

export interface Changed {
  readonly state: CallState;
  readonly before: CallState;
  /** At the read that the change was computed from. */
  readonly holders: readonly TimedHolder[];
}

export const stateOf = (view: CallView): CallState => view.state ?? unknownCall;

/** Other handlers change the same call; each loser looks again. */
const attempts = 100;

/**
 * The one function that changes the state of a call: read, compute the next state and its evidence, swap.
 * `propose` runs again on the newest view whenever another handler was faster; null: there is nothing to change.
 * `known` is a view that was read just now: the first attempt goes by it.
 */
export async function change(
  deps: GateDeps,
  call: CallKey,
  author: Author,
  propose: (view: CallView) => Decision<Proposal | null>,
  known?: CallView,
): Promise<Decision<Changed>> {
  const began = deps.clock.now();
  for (let attempt = 0; attempt < attempts; attempt++) {
    const view = attempt === 0 && known !== undefined ? known : await deps.calls.read(call);
    const proposal = propose(view);
    if (!proposal.ok) return proposal;
    const before = stateOf(view);
    const { now, clock, watched, holders, version, life } = view;
    if (proposal.value === null) return grant({ state: before, before, holders });
    const { event, detail = {}, dropTallies = false, enforced = true } = proposal.value;
    const owner = before.binding ?? author.by;
    deps.observing.storeShows(clock);
    const step = transition(before, event, {
      ...{ call, now, clock, watched },
      remainingMs: deps.watch.remainingMs,
      wireMs: deps.times.graphTimeoutMs,
      instance: author.instance,
      policy: deps.policyFor(owner).digest,
      by: author.by,
      enforced: enforced && deps.observing.enforces(owner?.tenant ?? null),
      detail,
    });
    if (!step.ok) return step;
    const { state, record } = step.value;
    const swapped = await deps.calls.commit({
      ...{ call, version, life },
      state,
      record,
      dropTallies,
      retentionMs: retentionMs(state.state),
      operation: deps.newId(),
    });
    if (!swapped) continue;
    // Who stored it goes on counting from now, should it be left to itself.
    if (state.exchange !== null) deps.watch.elapsedMs(watchedAs(state.exchange));
    if (state.wire !== null) deps.watch.elapsedMs(state.wire.token);
    deps.meter.transition(record.event, record.from, record.to, (deps.clock.now() - began) / 1000);
    // The interval as the evidence shows it.
    if (record.event === 'drained' && before.openedAt !== null)
      deps.meter.recorded(Math.max(0, clock - before.openedAt) / 1000);
    logChange(deps.log, record, author.ids);
    return grant({ state, before, holders });
  }
  throw new Fault(
    'StoreUnavailable',
    `the state of call ${call} could not be changed: ${attempts} attempts conflicted with other instances`,
  );
}

/**
 * Stores a response that Graph has already given. Retries until `deadline` (local clock); if the reply to a
 * successful change was lost, the event is refused or repeated without effect.
 */
export async function changeWithRetries(
  deps: GateDeps,
  call: CallKey,
  author: Author,
  propose: (view: CallView) => Decision<Proposal>,
  deadline: number,
): Promise<Decision<Changed>> {
  for (;;) {
    try {
      return await change(deps, call, author, propose);
    } catch (error) {
      if (!isFault(error, 'StoreUnavailable') || deps.clock.now() >= deadline) throw error;
      await sleep(deps.clock, 50);
    }
  }
}

/** For how long status changes of this call must wait, ms, because its part of the store began without data (rule R2). */
export const freshForMs = ({ times }: Pick<GateDeps, 'times'>, { livedMs }: CallView): number =>
  freshMs(sessionTimes(times)) - livedMs;

export const belongsTo = (state: Pick<CallState, 'binding'>, by: Binding | null): boolean =>
  state.binding === null || by === null || isSameBinding(state.binding, by);

export const isSameBinding = (one: Binding, other: Binding): boolean =>
  one.tenant === other.tenant && one.app === other.app;

export const asRefusal = (error: unknown): Refusal => {
  if (isFault(error, 'StoreUnavailable'))
    return { ok: false, reason: 'StoreUnavailable', retryAfterMs: 1000 };
  throw error;
};

/** Whether nothing of the call is recorded, as the store reports it now: a later start is not what was stopped before. */
export async function isStopped({ calls }: Pick<GateDeps, 'calls'>, call: CallKey): Promise<boolean> {
  try {
    const { state } = await calls.read(call);
    return state !== null && ['idle', 'ended', 'unconfirmed'].includes(state.state);
  } catch (error) {
    asRefusal(error);
    return false;
  }
}
