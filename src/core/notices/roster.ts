import type { Roster, Sighting } from '../call/roster.ts';
import type { Notice, RosterEntry } from './notice.ts';

/** Ids by which a roster names this bot; null: unknown. */
export interface Recorder {
  readonly application: string | null;
  readonly applicationInstance: string | null;
}

type RosterNotice = Extract<Notice, { kind: 'roster' }>;

/** What the store keeps of one call's roster is bounded; a meeting is not. */
const maxParticipants = 64;

export interface RosterReading {
  readonly roster: Roster;
  /** Who shows a recording, or since which sequence number, is another than before. */
  readonly changed: boolean;
  /** Whether anybody shows a recording now, as far as is known. */
  readonly shown: boolean;
  /** Whether this very notification says so; an older sighting may be stale. */
  readonly stated: boolean;
}

/**
 * Applies a full roster or merges a delta. An entry older than the known one is skipped, because deliveries may be
 * repeated and out of order.
 */
export function readRoster(
  known: Roster,
  { delta, atLimit, entries }: RosterNotice,
  self: Recorder,
): RosterReading {
  const before = new Map<string, Sighting>(Object.entries(known.participants));
  const merged = new Map<string, Sighting>(delta ? before : []);
  let stated = false;
  for (const entry of entries) {
    const { participant, sequence, removed } = entry;
    const last = merged.get(participant) ?? before.get(participant);
    if (last !== undefined && isOlder(sequence, last.sequence, delta)) {
      merged.set(participant, last);
      continue;
    }
    const recording = !removed && entry.status === 'recording' && isOurs(entry, self);
    stated ||= recording;
    // A change of something else may leave the status out of a delta.
    const isUnchanged = delta && !removed && entry.status === null;
    if (isUnchanged) continue;
    if (recording || sequence !== null) merged.set(participant, { recording, sequence });
    else merged.delete(participant);
  }
  const participants = Object.fromEntries(bounded([...merged]));
  const { partial: wasPartial = false, ...others } = known;
  // Of a roster that came in pieces, so many are not all kept: whether those were all is not known either.
  const isPartial = atLimit === true || (delta && (wasPartial || merged.size > maxParticipants));
  return {
    roster: { ...others, participants, ...(isPartial ? { partial: true } : {}) },
    changed: isPartial !== wasPartial || sightings(participants) !== sightings(known.participants),
    shown: showingOf(participants).length > 0,
    stated,
  };
}

/** What a full roster says of somebody may change under one number, so only lower numbers are older. */
const isOlder = (sequence: number | null, known: number | null, delta: boolean): boolean =>
  sequence !== null && known !== null && (delta ? sequence <= known : sequence < known);

/** The participants who show a recording, in order. */
export const showingOf = (participants: Roster['participants']): string[] =>
  Object.entries(participants)
    .filter(([, { recording }]) => recording)
    .map(([participant]) => participant)
    .sort();

const sightings = (participants: Roster['participants']): string =>
  JSON.stringify(Object.entries(participants).sort(([one], [other]) => (one < other ? -1 : 1)));

/** Those who show a recording are kept first, then the newest; the order in which they were named does not matter. */
const bounded = (all: readonly (readonly [string, Sighting])[]): (readonly [string, Sighting])[] =>
  [...all]
    .sort(
      ([one, a], [other, b]) =>
        Number(b.recording) - Number(a.recording) ||
        (b.sequence ?? 0) - (a.sequence ?? 0) ||
        (one < other ? -1 : 1),
    )
    .slice(0, maxParticipants);

/** Another bot's recording says nothing of ours; an initiator that cannot be distinguished counts as ours. */
function isOurs({ initiator }: RosterEntry, self: Recorder): boolean {
  if (initiator.application !== null && self.application !== null)
    return initiator.application === self.application;
  if (initiator.applicationInstance !== null && self.applicationInstance !== null)
    return initiator.applicationInstance === self.applicationInstance;
  return true;
}
