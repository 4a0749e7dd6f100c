import type { EvidenceRecord } from '../core/call/evidence.ts';
import { toGuid } from '../core/call/key.ts';
import type { EventName } from '../core/call/state.ts';
import { idFacts, type RequestIds } from '../core/http/request-ids.ts';
import { isRecord, type JsonObject } from '../core/json.ts';
import type { Log } from '../core/ports/log.ts';

interface Line {
  readonly level: 'info' | 'debug';
  readonly text: string;
}

const info = (text: string): Line => ({ level: 'info', text });
/** Another line tells it already, or it can come often and changes no gate. */
const debug = (text: string): Line => ({ level: 'debug', text });

/** The log line of each event of a call. */
export const eventLines: Readonly<Record<EventName, Line>> = {
  bound: info('the call is bound to its tenant and application'),
  startRequested: info('recording was requested: the gate is closed until Graph confirms it'),
  startConfirmed: info('Graph confirmed the recording: the gate is open'),
  startRefused: info('Graph refused the recording: the gate stays closed'),
  startUnknown: info('it is unknown whether Graph accepted the recording: the gate stays closed'),
  startSuperseded: info('the answer to a start came after a stop: the gate stays closed'),
  operationPending: info('Graph accepted a status change and named an operation, whose end is awaited'),
  repeatRequested: info('recording was requested again: the gate stays open'),
  repeatSettled: info('Graph answered a repeated request for recording'),
  stopRequested: info('a stop was requested: the gate is closed, and writes in progress end'),
  stopTakenOver: info('a stop whose handler is gone is continued'),
  holderLost: info('an instance that held the call is gone: its session was waited out'),
  stopDeferred: info('a stop could not be sent within its bound: the gate stays closed'),
  drained: info('no write of the call is in progress: the recording interval is closed'),
  stopConfirmed: info('Graph confirmed the stop'),
  stopRefused: info('Graph refused the stop: the gate stays closed'),
  stopUnknown: info('it is unknown whether Graph accepted the stop: the gate stays closed'),
  stopNotSent: info('the stop was not sent to Graph, for want of a credential: the gate stays closed'),
  ended: info('the call has ended: the gate is closed for good'),
  writesRefused: debug('refused writes were recorded'),
  metadataUpdated: debug('updateMetadata passed'),
  operationPatched: debug('a change of an operation passed'),
  mediaRequested: info('Graph was asked to record'),
  notified: info('Graph reported a state of the call'),
  rosterNotified: debug('the participants who show a recording have changed'),
  contradicted: debug('a contradiction of the roster was recorded'),
  callbackBypassed: debug('a callback URI that bypasses the proxy was recorded'),
  stopUnproven: debug('a stop with an unverified token was recorded'),
};

/** Details of a record that belong to the story: never more than these, since details may be long. */
const detailNames = [
  'cause',
  'reason',
  'outcome',
  'code',
  'why',
  'operation',
  'from',
  'state',
  'changeType',
  'session',
] as const;

/** Writes the line of a change that the store has taken. */
export function tellChange(log: Log, record: EvidenceRecord, ids?: RequestIds): void {
  const { level, text } = eventLines[record.event];
  log[level](factsOf(record, ids), text);
}

function factsOf(
  { call, event, from, to, epoch, seq, instance, by, detail }: EvidenceRecord,
  ids: RequestIds | undefined,
): JsonObject {
  const graph = isRecord(detail.graph) ? detail.graph : {};
  return {
    call: toGuid(call),
    ...(by === null ? {} : { tenant: by.tenant, app: by.app }),
    ...{ event, from, to, epoch, seq, instance },
    ...told(detail, detailNames, (name) => (name === 'from' ? 'source' : name)),
    ...(ids === undefined ? told(detail, ['requestId', 'clientRequestId']) : idFacts(ids)),
    ...told(graph, ['status', 'requestId'], (name) => (name === 'status' ? 'graphStatus' : 'graphRequestId')),
    ...intervalFacts(detail),
  };
}

function told(
  detail: Readonly<Record<string, unknown>>,
  names: readonly string[],
  as: (name: string) => string = (name) => name,
): JsonObject {
  const facts: Record<string, string | number> = {};
  for (const name of names) {
    const value = detail[name];
    if (typeof value === 'string' || typeof value === 'number') facts[as(name)] = value;
  }
  return facts;
}

/** What was written in the interval that a drain has closed. */
const intervalFacts = ({ interval, writes }: JsonObject): JsonObject =>
  isRecord(interval) && isRecord(writes) ? told(writes, ['admitted', 'aborted', 'refused', 'bytes']) : {};
