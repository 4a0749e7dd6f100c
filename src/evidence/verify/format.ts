import { parseCallKey } from '../../core/call/key.ts';
import { stateNames, transitions } from '../../core/call/state.ts';
import { canonicalJson, recordVersion, sha256, type EvidenceRecord } from '../../core/call/evidence.ts';
import {
  type HoldLine,
  lineKinds,
  type LineKind,
  type LostCounts,
  type Moved,
  type RefusedWrites,
  type Repair,
} from '../../core/call/evidence-lines.ts';
import { isRecord } from '../../core/json.ts';

/** What does not fit; nothing but what is in the files, which hold no secrets. */
export interface Mismatch {
  readonly expected: string;
  readonly found: string;
}

/** A line of one of the kinds that this verifier knows. */
export type JournalLine = {
  readonly journal: { readonly seq: number; readonly prev: string | null };
  readonly hash: string;
} & (
  | { readonly kind: 'record'; readonly record: EvidenceRecord }
  | { readonly kind: 'refusedWrites'; readonly refusedWrites: RefusedWrites }
  | { readonly kind: 'hold'; readonly hold: HoldLine }
  | { readonly kind: 'moved'; readonly moved: Moved }
  | { readonly kind: 'repair'; readonly repair: Repair }
);

/** A line that does not fit by itself, and its place in the journal as far as it names one. */
export interface MalformedLine {
  readonly mismatch: Mismatch;
  readonly place: { readonly seq: number; readonly hash: string } | undefined;
}

export const isMalformed = (value: JournalLine | MalformedLine): value is MalformedLine =>
  'mismatch' in value;

/** Whatever was found, short enough to print. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

type Check = readonly [holds: (value: unknown) => boolean, expected: string];

const oneOf = (names: readonly string[]): Check => [
  (value) => typeof value === 'string' && names.includes(value),
  `one of ${names.join(', ')}`,
];
const count = (least: number): Check => [
  (value) => Number.isSafeInteger(value) && (value as number) >= least,
  `a whole number from ${least}`,
];
const matching = (pattern: RegExp, expected: string): Check => [
  (value) => typeof value === 'string' && pattern.test(value),
  expected,
];
const orNull = ([holds, expected]: Check): Check => [
  (value) => value === null || holds(value),
  `${expected}, or null`,
];

const hash = matching(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hexadecimal');
const object: Check = [isRecord, 'an object'];

const journalFields = { seq: count(1), prev: orNull(hash) };
const version = (known: number): Check => [
  (value) => value === known,
  `${known}: this verifier supports only this version`,
];
const time: Check = [isTime, 'a time like 2026-01-31T12:00:00.000Z'];
const recordFields: Readonly<Record<keyof EvidenceRecord, Check>> = {
  version: version(recordVersion),
  call: [isCall, '32 lower-case hexadecimal digits'],
  seq: count(1),
  prev: orNull(hash),
  at: time,
  step: orNull(count(1)),
  event: oneOf(Object.keys(transitions)),
  from: oneOf(stateNames),
  to: oneOf(stateNames),
  epoch: count(0),
  instance: matching(/./, 'the name of a session'),
  policy: orNull(matching(/^sha256:[0-9a-f]{64}$/, 'sha256: followed by a hash')),
  by: orNull(object),
  enforced: [(value) => value === true, 'true'],
  detail: object,
  hash,
};
const text = matching(/./, 'a text');
const bindingFields = { tenant: text, app: text };
const names: Check = [(value) => Array.isArray(value) && value.every(isCall), 'a list of call ids'];
const reasons: Check = [
  (value) => isRecord(value) && Object.values(value).every((number) => count(1)[0](number)),
  'counts of writes by reason',
];
const refusedFields: Readonly<Record<keyof RefusedWrites, Check>> = {
  version: version(lineKinds.refusedWrites.version),
  at: time,
  instance: text,
  number: count(1),
  last: [(value) => typeof value === 'boolean', 'true or false'],
  by: orNull(object),
  refused: reasons,
  first: orNull(time),
  latest: orNull(time),
  calls: names,
  countsLost: [Array.isArray, 'a list of instances'],
};
const lostFields: Readonly<Record<keyof LostCounts, Check>> = { instance: text, number: count(0) };
const holdFields: Readonly<Record<keyof HoldLine, Check>> = {
  version: version(lineKinds.hold.version),
  act: oneOf(['set', 'released']),
  id: text,
  number: count(1),
  scope: [isScope, 'one of {"all":true}, {"tenant":"<GUID>"}, {"app":"<GUID>"}'],
  reason: [(value) => typeof value === 'string' && value !== '', 'a text'],
  by: object,
  at: time,
  closedUpTo: orNull(count(0)),
  instance: text,
};
const operatorFields = { issuer: text, subject: text };
const movedFields: Readonly<Record<keyof Moved, Check>> = {
  version: version(lineKinds.moved.version),
  at: time,
  instance: text,
  from: text,
};
const repairFields: Readonly<Record<keyof Repair, Check>> = {
  version: version(lineKinds.repair.version),
  at: time,
  instance: text,
  cut: orNull(object),
};
const cutFields: Readonly<Record<keyof NonNullable<Repair['cut']>, Check>> = {
  bytes: count(1),
  sha256: hash,
};

function isCall(value: unknown): boolean {
  return typeof value === 'string' && parseCallKey(value) === value;
}

function isScope(value: unknown): boolean {
  if (!isRecord(value) || Object.keys(value).length !== 1) return false;
  return value.all === true || typeof value.tenant === 'string' || typeof value.app === 'string';
}

function isTime(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const time = new Date(value);
  return !Number.isNaN(time.getTime()) && time.toISOString() === value;
}

/** Exactly these fields, each as it should be. */
function fieldsOf(
  where: string,
  value: object,
  fields: Readonly<Record<string, Check>>,
): Mismatch | undefined {
  for (const name of Object.keys(value))
    if (!Object.hasOwn(fields, name))
      return {
        expected: `only these fields in ${where}: ${Object.keys(fields).join(', ')}`,
        found: shown(name),
      };
  for (const [name, [holds, expected]] of Object.entries(fields)) {
    const found: unknown = (value as Record<string, unknown>)[name];
    if (!holds(found)) return { expected: `${where}.${name}: ${expected}`, found: shown(found) };
  }
  return undefined;
}

const kinds = Object.keys(lineKinds) as LineKind[];

/** Reads a line as far as it can be judged alone: form, canonical spelling, hashes. */
export function readLine(textOfLine: string): JournalLine | MalformedLine {
  let line: unknown;
  let canonical: string;
  try {
    line = JSON.parse(textOfLine);
    canonical = canonicalJson(line);
  } catch {
    return { mismatch: { expected: 'a JSON value', found: shown(textOfLine) }, place: undefined };
  }
  if (!isRecord(line)) return { mismatch: { expected: 'an object', found: shown(line) }, place: undefined };
  const kind = kinds.find((name) => Object.hasOwn(line, name)) ?? 'record';
  const mismatch =
    canonical === textOfLine
      ? mismatchOfLine(line, kind)
      : { expected: 'canonical JSON (RFC 8785)', found: shown(textOfLine) };
  return mismatch === undefined
    ? ({ ...line, kind } as unknown as JournalLine)
    : { mismatch, place: placeOf(line) };
}

function mismatchOfLine(line: Record<string, unknown>, kind: LineKind): Mismatch | undefined {
  const malformed = fieldsOf('line', line, { journal: object, [kind]: object, hash });
  if (malformed !== undefined) return malformed;
  const { hash: sealed, ...unsealed } = line;
  return (
    fieldsOf('journal', line.journal as object, journalFields) ??
    judges[kind](line[kind] as never) ??
    sealOf('line', unsealed, sealed as string)
  );
}

/** Where the line says that it stands, if it can be understood. */
function placeOf({ journal, hash: sealed }: Record<string, unknown>): MalformedLine['place'] {
  if (!isRecord(journal) || !Number.isSafeInteger(journal.seq) || typeof sealed !== 'string')
    return undefined;
  return { seq: journal.seq as number, hash: sealed };
}

const judges = {
  record: mismatchOfRecord,
  refusedWrites: mismatchOfRefused,
  hold: mismatchOfHold,
  moved: (moved: Moved) => fieldsOf('moved', moved, movedFields),
  repair: mismatchOfRepair,
} as const satisfies Record<LineKind, (content: never) => Mismatch | undefined>;

function mismatchOfRecord(record: EvidenceRecord): Mismatch | undefined {
  const { hash: sealed, ...unsealed } = record;
  return (
    fieldsOf('record', record, recordFields) ??
    (record.by === null ? undefined : fieldsOf('by', record.by, bindingFields)) ??
    sealOf('record', unsealed, sealed)
  );
}

function mismatchOfHold(hold: HoldLine): Mismatch | undefined {
  const isRelease = hold.act === 'released';
  return (
    fieldsOf('hold', hold, holdFields) ??
    fieldsOf('by', hold.by, operatorFields) ??
    (isRelease === (hold.closedUpTo !== null)
      ? undefined
      : {
          expected: isRelease ? 'closedUpTo: a number in a release' : 'closedUpTo: null in a hold',
          found: shown(hold.closedUpTo),
        })
  );
}

function mismatchOfRepair(repair: Repair): Mismatch | undefined {
  return (
    fieldsOf('repair', repair, repairFields) ??
    (repair.cut === null ? undefined : fieldsOf('cut', repair.cut, cutFields))
  );
}

function mismatchOfRefused(refused: RefusedWrites): Mismatch | undefined {
  const mismatch =
    fieldsOf('refusedWrites', refused, refusedFields) ??
    (refused.by === null ? undefined : fieldsOf('by', refused.by, bindingFields));
  if (mismatch !== undefined) return mismatch;
  for (const lost of refused.countsLost as readonly unknown[]) {
    const unknown = isRecord(lost)
      ? fieldsOf('countsLost', lost, lostFields)
      : { expected: 'countsLost: an instance', found: shown(lost) };
    if (unknown !== undefined) return unknown;
  }
  return undefined;
}

function sealOf(what: string, content: object, seal: string): Mismatch | undefined {
  const hashed = sha256(canonicalJson(content));
  return hashed === seal ? undefined : { expected: `the hash of the ${what}, ${hashed}`, found: seal };
}
