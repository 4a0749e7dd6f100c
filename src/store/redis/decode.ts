import type { HoldLine, OutboxContent, RefusedWrites } from '../../core/call/evidence-lines.ts';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import type { GraphCallState } from '../../core/call/graph-state.ts';
import {
  type ClosedUpTo,
  type HoldRegistry,
  type HoldScope,
  noHolds,
  type Operator,
  type StandingHold,
} from '../../core/call/hold.ts';
import { type CallKey, parseCallKey } from '../../core/call/key.ts';
import type { Roster } from '../../core/call/roster.ts';
import {
  type Binding,
  type CallState,
  keptStates,
  type StateName,
  stateNames,
  type NotifiedFacts,
  type Wire,
} from '../../core/call/state.ts';
import type { Tally } from '../../core/call/tally.ts';
import { Fault } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { Census } from '../../core/ports/call-store.ts';

/** What comes from the store is data: others may have written it. */
export const malformed = (what: string): Fault =>
  new Fault('Internal', `the store holds a malformed ${what}`);

export function asText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw malformed(what);
  return value;
}

export function asNumber(value: unknown, what: string): number {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) throw malformed(what);
  return number;
}

export function asList(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(what);
  return value;
}

/** The pairs of a map: an object or a list of them, as the version of the protocol has it. */
export function asMap(value: unknown, what: string): (readonly [name: string, value: unknown])[] {
  if (isRecord(value)) return Object.entries(value);
  return asList(value, what).map((pair) => {
    const [name, item] = asList(pair, what);
    return [asText(name, what), item];
  });
}

/** The pairs of a hash, which Redis sends as one flat list. */
export function asPairs(value: unknown, what: string): (readonly [name: string, value: string])[] {
  const flat = asList(value, what);
  if (flat.length % 2 !== 0) throw malformed(what);
  return Array.from({ length: flat.length / 2 }, (_, pair) => [
    asText(flat[2 * pair], what),
    asText(flat[2 * pair + 1], what),
  ]);
}

export function asCallKey(value: unknown): CallKey {
  const call = parseCallKey(asText(value, 'call id'));
  if (call === undefined) throw malformed('call id');
  return call;
}

export function asStateName(value: unknown): StateName {
  const state = stateNames.find((name) => name === value);
  if (state === undefined) throw malformed('state');
  return state;
}

function parse(text: unknown, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(asText(text, what));
    if (isRecord(value)) return value;
  } catch {
    // Told below; a parser's message quotes the data.
  }
  throw malformed(what);
}

function binding(value: unknown): Binding | null {
  if (value === null) return null;
  if (!isRecord(value)) throw malformed('binding');
  return { tenant: asText(value.tenant, 'binding'), app: asText(value.app, 'binding') };
}

/** A binding as `acquire` reads it: JSON, `null` included. */
export function parseBinding(text: unknown): Binding | null {
  return text === 'null' ? null : binding(parse(text, 'binding'));
}

export function parseCallState(text: unknown): CallState {
  const value = parse(text, 'call state');
  const { exchange } = value;
  if (exchange !== null && !isRecord(exchange)) throw malformed('exchange');
  if (exchange !== null && exchange.kind !== 'start' && exchange.kind !== 'stop') throw malformed('exchange');
  return {
    state: asStateName(value.state),
    epoch: asNumber(value.epoch, 'epoch'),
    binding: binding(value.binding),
    exchange:
      exchange === null
        ? null
        : {
            kind: exchange.kind as 'start' | 'stop',
            token: asText(exchange.token, 'exchange'),
            heldAt: asNumber(exchange.heldAt, 'exchange'),
            forMs: asNumber(exchange.forMs, 'exchange'),
            ...(exchange.operation === undefined
              ? {}
              : { operation: asText(exchange.operation, 'exchange') }),
          },
    wire: wire(value.wire),
    openedAt: asTime(value.openedAt),
    startedAt: asNumber(value.startedAt, 'call state'),
    closedAt: asTime(value.closedAt),
    notified: notified(value.notified),
    at: asNumber(value.at, 'call state'),
    seq: asNumber(value.seq, 'call state'),
    head: value.head === null ? null : asText(value.head, 'call state'),
  };
}

const asTime = (value: unknown): number | null => (value === null ? null : asNumber(value, 'call state'));

function wire(value: unknown): Wire | null {
  if (value === null) return null;
  if (!isRecord(value)) throw malformed('call state');
  return { token: asText(value.token, 'call state'), forMs: asNumber(value.forMs, 'call state') };
}

const isSighting = (value: unknown): boolean =>
  isRecord(value) &&
  typeof value.recording === 'boolean' &&
  (value.sequence === null || typeof value.sequence === 'number');

/** Only what the gate reads: it never opens for any of this. */
function notified(value: unknown): NotifiedFacts | null {
  if (value === null || value === undefined) return null;
  if (!isRecord(value) || !isRecord(value.roster)) throw malformed('call state');
  const { participants, contradictedIn, shownIn, partial } = value.roster;
  if (!isRecord(participants) || !isRecord(contradictedIn)) throw malformed('call state');
  if (!Object.values(participants).every(isSighting)) throw malformed('call state');
  const { applicationInstance } = value;
  return {
    states: asList(value.states, 'call state').map((state) => asText(state, 'call state') as GraphCallState),
    applicationInstance: applicationInstance === null ? null : asText(applicationInstance, 'call state'),
    roster: {
      participants: participants as Roster['participants'],
      shownIn: asNumber(shownIn, 'call state'),
      contradictedIn,
      ...(partial === true ? { partial } : {}),
    },
  };
}

/** The calls of all shards by state; a reply to HGETALL is a flat list or, from ioredis, a record. */
export function sumCensus(replies: readonly unknown[]): Census {
  const counts = new Map<StateName, number>(keptStates.map((state) => [state, 0]));
  for (const reply of replies) {
    const pairs = isRecord(reply) ? Object.entries(reply) : asPairs(reply, 'census');
    for (const [name, text] of pairs) {
      const state = asStateName(name);
      const count = counts.get(state);
      if (count !== undefined) counts.set(state, count + asNumber(text, 'census'));
    }
  }
  return Object.fromEntries(counts);
}

const ways: readonly Tally['left'][] = ['drained', 'cut', 'shutDown', 'expired', 'unused', 'lost'];

export function parseTally(text: unknown): Tally {
  const value = parse(text, 'tally');
  const left = ways.find((way) => way === value.left);
  if (left === undefined) throw malformed('tally');
  const { discarded, notDiscarded, notDiscardedIds: ids } = value;
  const areIds = Array.isArray(ids) && ids.every((id) => typeof id === 'string');
  if (ids !== undefined && !areIds) throw malformed('tally');
  return {
    admitted: asNumber(value.admitted, 'tally'),
    aborted: asNumber(value.aborted, 'tally'),
    unanswered: asNumber(value.unanswered, 'tally'),
    refused: asNumber(value.refused, 'tally'),
    bytes: asNumber(value.bytes, 'tally'),
    left,
    drainMs: value.drainMs === null ? null : asNumber(value.drainMs, 'tally'),
    ...(discarded === undefined ? {} : { discarded: asNumber(discarded, 'tally') }),
    ...(notDiscarded === undefined ? {} : { notDiscarded: asNumber(notDiscarded, 'tally') }),
    ...(areIds ? { notDiscardedIds: ids } : {}),
  };
}

/** An entry of the outbox: the name of what it holds, and that as JSON. */
export function parseContent(fields: unknown): OutboxContent {
  const [kind, text] = asList(fields, 'outbox entry');
  if (kind === 'record') return { record: parseRecord(text) };
  if (kind === 'hold') return { hold: parseHoldLine(text) };
  if (kind !== 'refusedWrites') throw malformed('outbox entry');
  const value = parse(text, 'report of refused writes');
  asText(value.instance, 'report of refused writes');
  asNumber(value.number, 'report of refused writes');
  return { refusedWrites: value as unknown as RefusedWrites };
}

function scope(value: unknown): HoldScope {
  if (isRecord(value)) {
    if (value.all === true) return { all: true };
    if (typeof value.tenant === 'string') return { tenant: value.tenant };
    if (typeof value.app === 'string') return { app: value.app };
  }
  throw malformed('hold');
}

function operator(value: unknown): Operator {
  if (!isRecord(value)) throw malformed('hold');
  return { issuer: asText(value.issuer, 'hold'), subject: asText(value.subject, 'hold') };
}

function standingHold(value: unknown): StandingHold {
  if (!isRecord(value)) throw malformed('hold');
  return {
    id: asText(value.id, 'hold'),
    number: asNumber(value.number, 'hold'),
    scope: scope(value.scope),
    reason: asText(value.reason, 'hold'),
    by: operator(value.by),
    at: asText(value.at, 'hold'),
  };
}

function closedUpTo(value: unknown): ClosedUpTo {
  if (!isRecord(value)) throw malformed('hold');
  return { scope: scope(value.scope), epoch: asNumber(value.epoch, 'hold') };
}

export function parseHolds(text: unknown): HoldRegistry {
  if (text === null) return noHolds;
  const value = parse(text, 'hold');
  return {
    number: asNumber(value.number, 'hold'),
    standing: asList(value.standing, 'hold').map(standingHold),
    closed: asList(value.closed, 'hold').map(closedUpTo),
  };
}

/** It came from the store, and goes into the evidence as it is. */
function parseHoldLine(text: unknown): HoldLine {
  const value = parse(text, 'hold');
  standingHold(value);
  return value as unknown as HoldLine;
}

/** Only what naming and ordering a record needs: whether it is genuine is for the chain to show. */
function parseRecord(text: unknown): EvidenceRecord {
  const value = parse(text, 'evidence record');
  asCallKey(value.call);
  asNumber(value.seq, 'evidence record');
  asText(value.hash, 'evidence record');
  return value as unknown as EvidenceRecord;
}
