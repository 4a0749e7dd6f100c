import { callEnds } from '../../core/call/ends.ts';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import type { EventName } from '../../core/call/state.ts';
import { count, duration, endText, reasonText, size } from './words.ts';

type Detail = EvidenceRecord['detail'];

/** A record of the evidence as a reader needs it. */
export interface Sentence {
  readonly text: string;
  /** What else the record says of it, in words. */
  readonly more: readonly string[];
}

const fields = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

const stopCauses: Readonly<Record<string, string>> = {
  ...callEnds,
  notRecording: 'The bot requested the end of the recording.',
  failed: 'The bot reported that its recorder failed.',
  operator: 'An operator closed the call by hand.',
  hold: 'A hold of an operator closed the call.',
};

const contradictions: Readonly<Record<string, string>> = {
  neverShown: 'Graph confirmed the recording, but the roster has not shown it.',
  shownAfterStop: 'The roster still shows a recording after the stop.',
  shownUnconfirmed: 'The roster shows a recording that Graph did not confirm to this proxy.',
};

/** A line, if there is such a text. */
const line = (value: unknown, tell: (value: string) => string): string[] => {
  const told = text(value);
  return told === undefined ? [] : [tell(told)];
};

const operatorOf = (detail: Detail): string[] => {
  const { issuer, subject } = fields(detail.operator);
  return [
    ...line(subject, (who) => `By ${who}, of ${text(issuer) ?? 'an unknown issuer'}`),
    ...line(detail.operatorReason, (reason) => `Reason: ${reason}`),
  ];
};

/** What Graph answered. */
const answerOf = ({ outcome, code, why, operation }: Detail): string[] => [
  ...line(outcome, (value) => `Outcome: ${value}`),
  ...line(code, (value) => `Error code: ${value}`),
  ...line(why, (value) => `Because: ${reasonText(value) ?? value}`),
  ...line(operation, (value) => `Operation ${value}`),
];

const showingOf = ({ showing }: Detail): string =>
  Array.isArray(showing) && showing.length > 0
    ? `${count(showing.length, 'participant shows', 'participants show')} a recording.`
    : 'No participant shows a recording.';

const refusedIn = (refused: unknown): string[] =>
  Object.entries(fields(refused)).map(
    ([reason, times]) => `${count(number(times), 'write')}: ${reasonText(reason) ?? reason}`,
  );

const wouldBeRefusedIn = ({ refused, observed }: Detail): boolean =>
  Object.keys(fields(refused)).length === 0 && Object.keys(fields(observed)).length > 0;

function writesIn({ writes }: Detail): string[] {
  const { admitted, aborted, unanswered, refused, bytes } = fields(writes);
  if (admitted === undefined) return [];
  const others = [
    [aborted, 'aborted'],
    [unanswered, 'unanswered at the drain limit'],
    [refused, 'refused'],
  ] as const;
  return [
    `${count(number(admitted), 'write')} admitted, ${size(number(bytes))}`,
    ...others.flatMap(([value, what]) =>
      number(value) > 0 ? [`${count(number(value), 'write')} ${what}`] : [],
    ),
  ];
}

const plain =
  (sentence: string) =>
  ({ detail }: EvidenceRecord): Sentence => ({ text: sentence, more: answerOf(detail) });

const tellers: Readonly<Record<EventName, (record: EvidenceRecord) => Sentence>> = {
  bound: ({ by }) => ({
    text: 'The call was bound to a tenant and an application.',
    more: by === null ? [] : [`Tenant ${by.tenant}`, `Application ${by.app}`],
  }),
  startRequested: plain('The bot requested a recording.'),
  startConfirmed: plain('Graph confirmed the recording. The gate opened.'),
  startRefused: plain('Graph refused the recording. The gate stayed closed.'),
  startUnknown: plain('It is unknown whether Graph accepted the recording. The gate stayed closed.'),
  startSuperseded: plain('Graph answered a start that a stop had already shut out. It opened nothing.'),
  operationPending: plain('Graph accepted the change and named an operation whose end is awaited.'),
  repeatRequested: plain('The bot requested the recording again.'),
  repeatSettled: plain('Graph answered the repeated request.'),
  stopRequested: ({ detail }) => {
    const cause = text(detail.cause) ?? '';
    return {
      text: stopCauses[cause] ?? 'A stop was requested.',
      more: ['The gate closed; writes in progress end.', ...operatorOf(detail)],
    };
  },
  stopTakenOver: plain('Another request took over a stop whose handler is gone.'),
  holderLost: ({ detail }) => ({
    text: 'An instance that held the call is gone; its session was waited out.',
    more: [
      ...line(detail.session, (session) => `Session ${session}`),
      `Waited ${duration(number(detail.ttlMs))}`,
    ],
  }),
  stopDeferred: ({ detail }) => ({
    text: 'The stop could not be sent to Graph within its bound. The gate stays closed.',
    more: line(detail.reason, (code) => reasonText(code) ?? code),
  }),
  drained: ({ detail }) => ({
    text: 'No write is in progress on any instance. The interval is closed.',
    more: writesIn(detail),
  }),
  stopConfirmed: plain('Graph confirmed the stop.'),
  stopRefused: plain('Graph refused the stop. The gate stays closed.'),
  stopNotSent: plain(
    'Graph was not told of the stop: there is no credential. Participants may still see a recording.',
  ),
  stopUnknown: plain('It is unknown whether Graph acted on the stop. The gate stays closed.'),
  ended: ({ detail }) => ({
    text: 'The call has ended. The gate is closed for good.',
    more: line(detail.cause, (cause) => endText(cause) ?? cause),
  }),
  writesRefused: ({ detail }) => ({
    text: wouldBeRefusedIn(detail) ? 'Writes passed that would have been refused.' : 'Writes were refused.',
    more: [...refusedIn(detail.refused), ...refusedIn(detail.observed)],
  }),
  metadataUpdated: plain('The bot updated the metadata of the recording.'),
  operationPatched: plain('The bot changed a past operation.'),
  mediaRequested: plain('The bot asked Graph itself to record.'),
  notified: ({ detail }) => ({
    text:
      text(detail.state) === undefined ? 'Graph reported the call.' : 'Graph reported a state of the call.',
    more: line(detail.state, (state) => `State: ${state}`),
  }),
  rosterNotified: ({ detail }) => ({ text: 'The roster changed.', more: [showingOf(detail)] }),
  contradicted: ({ detail }) => ({
    text: contradictions[text(detail.kind) ?? ''] ?? 'The roster disagrees with the gate.',
    more: ['The gate is unchanged.', showingOf(detail)],
  }),
  callbackBypassed: plain('The notifications of this call will not come through the proxy.'),
  stopUnproven: plain(
    'A stop came while Graph could not verify its token. One instance holds the gate closed until it can.',
  ),
};

/** Of these it matters who asked: others may act for the bot that a call is bound to. */
const requests: readonly EventName[] = [
  'startRequested',
  'repeatRequested',
  'stopRequested',
  'mediaRequested',
  'metadataUpdated',
];

const isEnforced = ({ enforced }: { readonly enforced: boolean }): boolean => enforced;

/** Also of events that only a later version of the server knows. */
export function sentenceOf(record: EvidenceRecord): Sentence {
  const { event, by } = record;
  const tell = (tellers as Partial<Record<string, (record: EvidenceRecord) => Sentence>>)[event];
  const { text: told, more } = tell?.(record) ?? { text: event, more: [] };
  const asked = by !== null && requests.includes(event) ? [`Application ${by.app}`] : [];
  return { text: told, more: [...more, ...asked, ...(isEnforced(record) ? [] : ['Not enforced'])] };
}
