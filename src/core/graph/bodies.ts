import { grant, refuse, type Decision } from '../decision.ts';
import { isAnnotation } from '../json-keys.ts';
import { isRecord } from '../json.ts';

const recordingStatuses = ['recording', 'notRecording', 'failed'] as const;
export type RecordingStatus = (typeof recordingStatuses)[number];

type Body = Readonly<Record<string, unknown>>;

const operationStatuses = ['notstarted', 'running', 'completed', 'failed'];
const maxClientContext = 256;

/** The body of updateRecordingStatus: one of three statuses (docs/design/success.md); Microsoft's stateful SDK writes `Recording`. */
export function judgeStatusBody(
  body: Body,
): Decision<{ status: RecordingStatus; clientContext: string | null }> {
  const strange = unknownKey(body, ['status', 'clientContext']);
  if (strange !== undefined)
    return refuse('BodyInvalid', { detail: `the property "${strange}" is not supported` });
  const given = isText(body.status) ? body.status.toLowerCase() : undefined;
  const status = recordingStatuses.find((one) => one.toLowerCase() === given);
  if (status === undefined) return refuse('StatusInvalid');
  const context = judgeClientContext(body.clientContext);
  return context.ok ? grant({ status, clientContext: context.value }) : context;
}

/** The body of updateMetadata: a string, and a client context. */
export function judgeMetadataBody(body: Body): Decision<{ metadata: string; clientContext: string | null }> {
  const strange = unknownKey(body, ['metadata', 'clientContext']);
  if (strange !== undefined)
    return refuse('BodyInvalid', { detail: `the property "${strange}" is not supported` });
  if (typeof body.metadata !== 'string')
    return refuse('BodyInvalid', { detail: '"metadata" must be a string' });
  const context = judgeClientContext(body.clientContext);
  return context.ok ? grant({ metadata: body.metadata, clientContext: context.value }) : context;
}

/** The body of a PATCH of an operation: the properties in Graph's documentation, and nothing else. */
export function judgeOperationBody(body: Body): Decision<{ status: string | null }> {
  const strange = unknownKey(body, ['id', 'status', 'clientContext', 'resultInfo']);
  if (strange !== undefined)
    return refuse('BodyInvalid', { detail: `the property "${strange}" is not supported` });
  if (!optional(body.id, isText)) return refuse('BodyInvalid', { detail: '"id" must be a string' });
  if (!optional(body.status, (value) => isText(value) && operationStatuses.includes(value.toLowerCase()))) {
    return refuse('BodyInvalid', { detail: '"status" must be notStarted, running, completed or failed' });
  }
  if (!optional(body.resultInfo, isResultInfo)) {
    return refuse('BodyInvalid', {
      detail: '"resultInfo" must have only code, subcode (numbers) and message (a string)',
    });
  }
  const context = judgeClientContext(body.clientContext);
  return context.ok ? grant({ status: isText(body.status) ? body.status : null }) : context;
}

function judgeClientContext(value: unknown): Decision<string | null> {
  if (value === undefined || value === null) return grant(null);
  if (typeof value !== 'string') return refuse('BodyInvalid', { detail: '"clientContext" must be a string' });
  if (value.length > maxClientContext) {
    return refuse('BodyInvalid', { detail: `"clientContext" is longer than ${maxClientContext} characters` });
  }
  return grant(value);
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isCode = (value: unknown): boolean =>
  Number.isSafeInteger(value) || (isText(value) && /^\d{1,10}$/.test(value));
const optional = (value: unknown, check: (value: unknown) => boolean): boolean =>
  value === undefined || value === null || check(value);

function isResultInfo(value: unknown): boolean {
  return (
    isRecord(value) &&
    unknownKey(value, ['code', 'subcode', 'message']) === undefined &&
    optional(value.code, isCode) &&
    optional(value.subcode, isCode) &&
    optional(value.message, isText)
  );
}

const unknownKey = (body: Body, known: readonly string[]): string | undefined =>
  Object.keys(body).find((key) => !known.includes(key) && !isAnnotation(key));

/** What a bot needs to fetch a recording that Graph made; it is worth as much as the media. */
const recordingKeys = new Set(['recordinglocation', 'recordingaccesstoken']);

/** Annotations of these, such as `recordingLocation@odata.mediaReadLink`, count too. */
const tellsRecording = (key: string): boolean =>
  recordingKeys.has((key.split('@')[0] ?? '').trim().toLowerCase());

/** The same JSON without the location and token of a recording; `withheld` says whether there were any. */
export function withholdRecording(value: unknown): { value: unknown; withheld: boolean } {
  let withheld = false;
  const strip = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(strip);
    if (!isRecord(part)) return part;
    const kept = Object.entries(part).filter(([key]) => !tellsRecording(key));
    if (kept.length < Object.keys(part).length) withheld = true;
    return Object.fromEntries(kept.map(([key, inner]) => [key, strip(inner)]));
  };
  return { value: strip(value), withheld };
}
