import { graphCallStates } from '../call/graph-state.ts';
import { parseCallKey } from '../call/key.ts';
import { isRecord } from '../json.ts';
import { readCallFacts } from './call-facts.ts';
import type { IgnoredNotice, Notice, NoticeBatch, ResultInfo } from './notice.ts';
import { type NoticeResource, parseNoticeResource, sameResource } from './resource.ts';
import { readRosterNotice } from './roster-notice.ts';
import { fieldsOf, foldCase, isNamed, readCount, readId, readWord } from './values.ts';

type Fields = Readonly<Record<string, unknown>>;
type ChangeType = 'created' | 'updated' | 'deleted';
type Read = Notice | IgnoredNotice;

/**
 * What one POST of Graph to a bot's notification endpoint reports, in its order, repetitions included.
 *
 * @param body the parsed JSON, of any shape; nothing makes this throw
 * @param tenant the lower-case `tid` of the verified token that came with it
 */
export function readNotices(body: unknown, tenant: string): NoticeBatch {
  const { value } = fieldsOf(body);
  if (!Array.isArray(value)) return { notices: [], ignored: { unreadable: 1 } };
  const notices: Notice[] = [];
  const ignored: Partial<Record<IgnoredNotice, number>> = {};
  for (const entry of value as unknown[]) {
    const read = readEntry(entry, tenant);
    if (typeof read === 'string') ignored[read] = (ignored[read] ?? 0) + 1;
    else notices.push(read);
  }
  return { notices, ignored };
}

function readEntry(entry: unknown, tenant: string): Read {
  const { changeType, resource, resourceUrl, resourceData } = fieldsOf(entry);
  const change = readChangeType(changeType);
  const names = [resourceUrl, resource].filter(isNamed);
  if (change === undefined || names.length === 0) return 'unreadable';
  const about = readResource(names);
  if (typeof about === 'string') return about;
  switch (about.kind) {
    case 'call':
      return readCall(about, change, fieldsOf(resourceData), tenant);
    case 'operation':
      return readOperation(about, change, fieldsOf(resourceData));
    case 'participants':
      return readRosterNotice(about, change === 'deleted', resourceData) ?? 'contradictory';
  }
}

function readChangeType(value: unknown): ChangeType | undefined {
  const type = readWord(value);
  return type === 'created' || type === 'updated' || type === 'deleted' ? type : undefined;
}

/** The legacy twin must name the same: the gate and the bot could each believe another. */
function readResource(names: readonly string[]): NoticeResource | 'resourceUnknown' | 'contradictory' {
  const [first, second] = names.map(parseNoticeResource);
  if (names.length === 1) return first ?? 'resourceUnknown';
  if (first === undefined && second === undefined) return 'resourceUnknown';
  return first !== undefined && second !== undefined && sameResource(first, second) ? first : 'contradictory';
}

const callStates = new Map(graphCallStates.map((state) => [foldCase(state), state]));

function readCall(
  about: Extract<NoticeResource, { kind: 'call' }>,
  changeType: ChangeType,
  data: Fields,
  tenant: string,
): Read {
  if (namesAnotherCall(about, data)) return 'contradictory';
  if (namesAnotherTenant(data.tenantId, tenant)) return 'tenantMismatch';
  return {
    kind: 'call',
    call: about.call,
    changeType,
    state: callStates.get(readWord(data.state) ?? '') ?? null,
    facts: readCallFacts(data),
    result: readResult(data.resultInfo),
  };
}

function namesAnotherCall(about: Extract<NoticeResource, { kind: 'call' }>, data: Fields): boolean {
  if (isNamed(data.id) && parseCallKey(data.id) !== about.call) return true;
  const named = isNamed(data['@odata.id']) ? parseNoticeResource(data['@odata.id']) : undefined;
  return named !== undefined && named.call !== about.call;
}

const namesAnotherTenant = (named: unknown, tenant: string): boolean =>
  isNamed(named) && canonicalTenant(named) !== canonicalTenant(tenant);

const canonicalTenant = (id: string): string => parseCallKey(id) ?? foldCase(id);

const readResult = (value: unknown): ResultInfo | null =>
  isRecord(value) ? { code: readCount(value.code), subcode: readCount(value.subcode) } : null;

function readOperation(
  about: Extract<NoticeResource, { kind: 'operation' }>,
  changeType: ChangeType,
  data: Fields,
): Read {
  if (isNamed(data.id) && readId(data.id) !== about.id) return 'contradictory';
  const status = readWord(data.status);
  return {
    kind: 'operation',
    call: about.call,
    operation: about.id,
    type: readOperationType(data['@odata.type']),
    final: status === 'completed' || status === 'failed' || changeType === 'deleted',
  };
}

/** The base type, which any operation may be sent as, says nothing. */
function readOperationType(value: unknown): Extract<Notice, { kind: 'operation' }>['type'] {
  const type = (readWord(value) ?? '').replace(/^#/, '').replace(/^microsoft\.graph\./, '');
  if (type === '' || type === 'commsoperation') return 'unknown';
  return type === 'updaterecordingstatusoperation' ? 'updateRecordingStatus' : 'other';
}
