import { type CallEnd, callEnds } from '../../core/call/ends.ts';
import type { StateName } from '../../core/call/state.ts';
import type { StandingHold } from '../../core/call/hold.ts';
import { type ReasonCode, reasons } from '../../core/reasons.ts';
import { attentionKinds, type AttentionKind } from '../projection/attention.ts';
import type { CallRow } from '../row.ts';

export const stateWords: Readonly<Record<StateName, string>> = {
  idle: 'Not recording',
  starting: 'Starting',
  recording: 'On air',
  stopping: 'Stopping',
  unconfirmed: 'Stop unconfirmed',
  pausing: 'Pausing',
  paused: 'Paused',
  ended: 'Ended',
};

export const attentionWords: Readonly<Record<AttentionKind, string>> = {
  contradiction: 'Roster disagrees',
  unconfirmed: 'Stop unconfirmed',
  openWithoutMedia: 'No media',
  notStarted: 'Not started',
  silent: 'Silent',
  refusedStart: 'Start failed',
  held: 'On hold',
};

export const attentionText = (kind: AttentionKind): string => attentionKinds[kind].text;

export const rosterWords: Readonly<Record<CallRow['roster'], string>> = {
  shown: 'Shown',
  notShown: 'Not shown',
  unknown: 'Unknown',
};

/** What a code of docs/reference/reasons.md means; undefined: it is not in the table of this version. */
export const reasonText = (code: string): string | undefined =>
  Object.hasOwn(reasons, code) ? reasons[code as ReasonCode][1] : undefined;

/** What a cause of docs/reference/call-ends.md means. */
export const endText = (cause: string): string | undefined =>
  Object.hasOwn(callEnds, cause) ? callEnds[cause as CallEnd] : undefined;

export function scopeWords(scope: StandingHold['scope']): string {
  if ('all' in scope) return 'all calls';
  return 'tenant' in scope ? `tenant ${scope.tenant}` : `application ${scope.app}`;
}

/** The first group of a GUID: enough to tell rows apart. The whole one is in the title. */
export const shortId = (id: string): string => id.slice(0, 8);

const two = (value: number): string => String(value).padStart(2, '0');

/** A duration in two units at most, such as `4 min 02 s`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A duration in one unit: `4 min`. */
export function roughly(ms: number): string {
  const [first = '', unit = ''] = duration(ms).split(' ');
  return `${first} ${unit}`;
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Powers of 1000, three digits at least: `1.25 MB`. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** `one` or `many`, behind the number. */
export const count = (value: number, one: string, many = `${one}s`): string =>
  `${value} ${value === 1 ? one : many}`;

/** Time of day in UTC, `12:03:11`. */
export const clock = (time: string): string => new Date(time).toISOString().slice(11, 19);

/** Date and time in UTC to the millisecond, `2026-01-31 12:03:11.250`. */
export const fullTime = (time: string): string => new Date(time).toISOString().replace('T', ' ').slice(0, 23);
