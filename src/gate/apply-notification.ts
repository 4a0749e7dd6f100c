import type { CallEnd } from '../core/call/ends.ts';
import type { CallKey } from '../core/call/key.ts';
import type { Contradiction } from '../core/call/roster.ts';
import { type Binding, type CallState, noFacts } from '../core/call/state.ts';
import { type Decision, grant, refuse } from '../core/decision.ts';
import type { RequestIds } from '../core/http/request-ids.ts';
import type { Notice } from '../core/notices/notice.ts';
import type { NoticeOutcome } from '../core/notices/outcomes.ts';
import { readRoster, type RosterReading, showingOf } from '../core/notices/roster.ts';
import { contradictionOf } from '../core/notices/witness.ts';
import type { CallView } from '../core/ports/call-store.ts';
import type { Bindings } from './bindings.ts';
import {
  asRefusal,
  belongsTo,
  change,
  isSameBinding,
  type Proposal,
  stateOf,
  type Author,
} from './change.ts';
import type { GateDeps } from './context.ts';
import { operationKey, type Operations } from './operations.ts';
import type { StopMark } from './stop-marks.ts';

/** A notification, and its owner according to its token. */
export interface ReceivedNotice {
  readonly by: Binding;
  readonly notice: Notice;
  /** Of the request that brought it. */
  readonly ids?: RequestIds | undefined;
  /** If it reports an end: what closes the gate here until it has been processed. */
  readonly stopMark?: StopMark | undefined;
}

/** `again`: retry later, because the store does not answer or a status change is in progress. */
export type ApplyResult = NoticeOutcome | 'again';

export interface NotificationDeps extends GateDeps {
  readonly bindings: Bindings;
  readonly operations: Operations;
  readonly instance: () => string;
  /** Closes, drains and ends the call. */
  readonly end: (call: CallKey, by: Binding, cause: CallEnd, ids?: RequestIds) => Promise<Decision<unknown>>;
  readonly touch: (call: CallKey) => void;
}

const graceMs = 30_000;

type NoticeOf<Kind extends Notice['kind']> = Extract<Notice, { kind: Kind }>;

/** Applies one notification to the state of its call. A notification never opens a gate. */
export async function applyNotification(
  deps: NotificationDeps,
  { by, notice, ids }: ReceivedNotice,
): Promise<ApplyResult> {
  const { call } = notice;
  const owner = await deps.bindings.bind(call, by, 'notification', ids);
  if (owner === undefined) return 'again';
  if (owner === null) return 'ended';
  if (!isSameBinding(owner, by)) return 'stranger';
  deps.touch(call);
  const author = { by, instance: deps.instance(), ids };
  try {
    switch (notice.kind) {
      case 'call':
        return await applyCall(deps, author, by, notice);
      case 'operation':
        return await applyOperation(deps, notice);
      case 'roster':
        return await applyRoster(deps, author, by, notice);
    }
  } catch (error) {
    asRefusal(error);
    return 'again';
  }
}

async function applyCall(
  deps: NotificationDeps,
  author: Author,
  by: Binding,
  notice: NoticeOf<'call'>,
): Promise<ApplyResult> {
  const { call } = notice;
  const end = endOf(notice);
  const applied = await applyChange(deps, call, author, ({ state }) => proposeCall(state, notice)).catch(
    (error: unknown) => {
      // A store that refuses other changes may still take an end.
      if (end === undefined) throw error;
      asRefusal(error);
      return 'again' as const;
    },
  );
  if (end === undefined || applied === 'ended' || applied === 'stranger') return applied;
  const ended = await deps.end(call, by, end, author.ids);
  if (!ended.ok && ended.reason === 'CallNotFound') return 'stranger';
  // A state that is in the way passes; until then the gate is closed, or closing.
  return ended.ok || ended.reason === 'CallEnded' ? 'learned' : 'again';
}

/** The reason for which the call has ended, if the notification reports an end. */
export function endOf(notice: Notice): CallEnd | undefined {
  if (notice.kind !== 'call') return undefined;
  return notice.state === 'terminated'
    ? 'terminated'
    : notice.changeType === 'deleted'
      ? 'deleted'
      : undefined;
}

function proposeCall(
  state: CallState,
  { changeType, state: reported, facts, result }: NoticeOf<'call'>,
): Proposal | null {
  const before = state.notified ?? noFacts;
  const first = state.notified === null;
  const isNew = reported !== null && !before.states.includes(reported);
  if (!first && !isNew) return null;
  return {
    event: {
      type: 'notified',
      notified: {
        ...before,
        states: isNew ? [...before.states, reported] : before.states,
        applicationInstance: before.applicationInstance ?? facts.applicationInstance,
      },
    },
    detail: {
      changeType,
      state: reported,
      result,
      // A roster may have come before.
      ...(before.states.length === 0 || changeType === 'created' ? { facts } : {}),
    },
  };
}

async function applyOperation(
  { operations, calls }: NotificationDeps,
  { call, operation, type, final }: NoticeOf<'operation'>,
): Promise<ApplyResult> {
  if (type === 'other') return 'otherOperation';
  if (!final) return 'known';
  if (operations.wake(call, operation)) return 'awaited';
  const awaited = stateOf(await calls.read(call)).exchange?.operation ?? '';
  return operationKey(awaited) === operationKey(operation) ? 'awaited' : 'unknownOperation';
}

/**
 * First whether it contradicts the gate, then who shows a recording: once that is stored, the notification says nothing
 * new, so what failed before it would be lost when it is tried again.
 */
async function applyRoster(
  deps: NotificationDeps,
  author: Author,
  by: Binding,
  notice: NoticeOf<'roster'>,
): Promise<ApplyResult> {
  const { call } = notice;
  let kind: Contradiction | undefined;
  const contradicted = await applyChange(deps, call, author, ({ state, watched }) => {
    const reading = readFor(state, by, notice);
    kind = contradictionOf(state, reading.roster, reading, watched, deps.times.witnessGraceMs ?? graceMs);
    return kind === undefined ? null : proposeContradiction(state, reading, kind);
  });
  if (contradicted !== 'learned' && contradicted !== 'known') return contradicted;
  if (contradicted === 'learned' && kind !== undefined) {
    deps.meter.contradiction(kind);
    deps.log.warn({ call, kind }, 'the roster disagrees with the gate; the gate is unchanged');
  }
  const updated = await applyChange(deps, call, author, ({ state }) =>
    proposeRoster(state, readFor(state, by, notice), notice.delta),
  );
  return updated === 'known' ? contradicted : updated;
}

/** What a roster reports, added to what the call's state has. */
function readFor(state: CallState, by: Binding, notice: NoticeOf<'roster'>): RosterReading {
  const known = (state.notified ?? noFacts).roster;
  const reading = readRoster(known, notice, selfOf(state, by));
  const counts = state.state === 'starting' || state.state === 'recording';
  const shownIn = reading.shown && counts ? state.epoch : known.shownIn;
  return { ...reading, roster: { ...reading.roster, shownIn } };
}

function proposeRoster(
  state: CallState,
  { roster, changed }: RosterReading,
  delta: boolean,
): Proposal | null {
  const known = state.notified ?? noFacts;
  if (!changed && roster.shownIn === known.roster.shownIn) return null;
  return {
    event: { type: 'rosterNotified', notified: { ...known, roster } },
    detail: { showing: showingOf(roster.participants), delta },
  };
}

function proposeContradiction(state: CallState, { roster }: RosterReading, kind: Contradiction): Proposal {
  const known = state.notified ?? noFacts;
  const contradictedIn = { ...known.roster.contradictedIn, [kind]: state.epoch };
  return {
    event: { type: 'contradicted', notified: { ...known, roster: { ...known.roster, contradictedIn } } },
    detail: { kind, showing: showingOf(roster.participants) },
  };
}

const selfOf = (
  { notified }: CallState,
  { app }: Binding,
): { application: string; applicationInstance: string | null } => ({
  application: app,
  applicationInstance: notified?.applicationInstance ?? null,
});

/** `propose` on the newest state: `known` where it has nothing to change. */
async function applyChange(
  deps: NotificationDeps,
  call: CallKey,
  author: Author,
  propose: (view: { readonly state: CallState; readonly watched: number }) => Proposal | null,
): Promise<'learned' | 'known' | 'ended' | 'stranger' | 'again'> {
  const changed = await change(deps, call, author, (view: CallView) => {
    const state = stateOf(view);
    if (!belongsTo(state, author.by)) return refuse('CallNotFound');
    return state.state === 'ended' ? refuse('CallEnded') : grant(propose({ state, watched: view.watched }));
  });
  if (!changed.ok) {
    if (changed.reason === 'CallNotFound') return 'stranger';
    return changed.reason === 'CallEnded' ? 'ended' : 'again';
  }
  const { state, before } = changed.value;
  return state === before ? 'known' : 'learned';
}
