import type { Notice, RosterEntry } from './notice.ts';
import { isRecord } from '../json.ts';
import type { NoticeResource } from './resource.ts';
import { fieldsOf, foldCase, isNamed, readCount, readId } from './values.ts';

type Fields = Readonly<Record<string, unknown>>;
type RosterNotice = Extract<Notice, { kind: 'roster' }>;
const maxParticipants = 1000;
/** Graph lists no more than 100 participants of a meeting, in no particular order, and does not say that it left others out. */
const listedAtMost = 100;

/**
 * Reads a notification about one participant or all of them; `undefined`: it names two different ones. If a part of a
 * roster could not be read or exceeded the limit, it is not treated as complete: a participant that is missing has
 * not necessarily left.
 */
export function readRosterNotice(
  about: Extract<NoticeResource, { kind: 'participants' }>,
  deleted: boolean,
  data: unknown,
): RosterNotice | undefined {
  if (about.id !== null) {
    const fields = fieldsOf(data);
    const entry = readParticipant(
      { ...fields, id: isNamed(fields.id) ? fields.id : about.id },
      deleted,
      null,
    );
    return entry?.participant === about.id ? roster(about, true, [entry]) : undefined;
  }
  if (isRecord(data) && !Array.isArray(data.participants)) {
    const entry = readParticipant(data, deleted, null);
    return roster(about, true, entry === undefined ? [] : [entry]);
  }
  // `deltaParticipants` carries the sequence number of the whole update.
  const { participants, sequenceNumber } = isRecord(data) ? data : { participants: data };
  if (!Array.isArray(participants)) return roster(about, true, []);
  const given = participants as unknown[];
  const entries: RosterEntry[] = [];
  for (const participant of given.slice(0, maxParticipants)) {
    const entry = readParticipant(participant, false, readCount(sequenceNumber));
    if (entry !== undefined) entries.push(entry);
  }
  const delta =
    isRecord(data) ||
    entries.length < given.length ||
    entries.some(({ sequence, removed }) => removed || (sequence !== null && sequence > 0));
  const notice = roster(about, delta, entries);
  return given.length < listedAtMost ? notice : { ...notice, atLimit: true };
}

const roster = ({ call }: NoticeResource, delta: boolean, entries: readonly RosterEntry[]): RosterNotice => ({
  kind: 'roster',
  call,
  delta,
  entries,
});

function readParticipant(value: unknown, deleted: boolean, sequence: number | null): RosterEntry | undefined {
  const fields = fieldsOf(value);
  const id = readId(fields.id);
  if (id === null) return undefined;
  const recording = fieldsOf(fields.recordingInfo);
  return {
    participant: foldCase(id),
    sequence: readCount(fields.rosterSequenceNumber) ?? sequence,
    removed: deleted || isRecord(fields.removedState),
    status: readStatus(recording.recordingStatus),
    initiator: readInitiator(recording),
  };
}

function readStatus(value: unknown): RosterEntry['status'] {
  if (typeof value !== 'string') return null;
  return foldCase(value) === 'recording' ? 'recording' : 'other';
}

/** `initiator` is an identity set; beta's `initiatedBy` is a participant that has one. */
function readInitiator(recording: Fields): RosterEntry['initiator'] {
  const initiator = fieldsOf(recording.initiator);
  const initiatedBy = fieldsOf(fieldsOf(recording.initiatedBy).identity);
  const idOf = (kind: 'application' | 'applicationInstance'): string | null => {
    const id = readId(fieldsOf(initiator[kind]).id) ?? readId(fieldsOf(initiatedBy[kind]).id);
    return id === null ? null : foldCase(id);
  };
  return { application: idOf('application'), applicationInstance: idOf('applicationInstance') };
}
