import { parseCallKey } from '../core/call-key.ts';
import { stateNames, transitions } from '../core/call-state.ts';
import { canonicalJson, recordVersion, sha256, type EvidenceRecord } from '../core/evidence.ts';
import { isRecord } from '../core/json.ts';

/** What does not fit; nothing but what is in the files, which hold no secrets. */
export interface Mismatch {
  readonly expected: string;
  readonly found: string;
}

/** What recovery did where the line begins. */
interface Repair {
  readonly version: 1;
  readonly at: string;
  readonly instance: string;
  /** null: nothing, but the line that this one continues was missing then. */
  readonly cut: { readonly bytes: number; readonly sha256: string } | null;
}

/** Of one of two kinds: with a record, or with a repair. */
export type JournalLine = {
  readonly journal: { readonly seq: number; readonly prev: string | null };
  readonly hash: string;
} & (
  | { readonly record: EvidenceRecord; readonly repair?: undefined }
  | { readonly record?: undefined; readonly repair: Repair }
);

export const isMismatch = (value: JournalLine | Mismatch): value is Mismatch => 'expected' in value;

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

const recordLineFields = { journal: object, record: object, hash };
const repairLineFields = { journal: object, repair: object, hash };
const journalFields = { seq: count(1), prev: orNull(hash) };
const version = (known: number): Check => [
  (value) => value === known,
  `${known}: this verifier knows no other version`,
];
const time: Check = [isTime, 'a time like 2026-01-31T12:00:00.000Z'];
const recordFields: Readonly<Record<keyof EvidenceRecord, Check>> = {
  version: version(recordVersion),
  call: [
    (value) => typeof value === 'string' && parseCallKey(value) === value,
    '32 lower-case hexadecimal digits',
  ],
  seq: count(1),
  prev: orNull(hash),
  at: time,
  step: orNull(count(1)),
  event: oneOf(Object.keys(transitions)),
  from: oneOf(stateNames),
  to: oneOf(stateNames),
  epoch: count(0),
  instance: matching(/./, 'the name of a session'),
  policy: orNull(matching(/^sha256:[0-9a-f]{64}$/, 'sha256: and a hash')),
  by: orNull(object),
  enforced: [(value) => value === true, 'true'],
  detail: object,
  hash,
};
const text = matching(/./, 'a text');
const bindingFields = { tenant: text, app: text };
const repairFields: Readonly<Record<keyof Repair, Check>> = {
  version: version(1),
  at: time,
  instance: text,
  cut: orNull(object),
};
const cutFields: Readonly<Record<keyof NonNullable<Repair['cut']>, Check>> = {
  bytes: count(1),
  sha256: hash,
};

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
      return { expected: `no field of ${where} but ${Object.keys(fields).join(', ')}`, found: shown(name) };
  for (const [name, [holds, expected]] of Object.entries(fields)) {
    const found: unknown = (value as Record<string, unknown>)[name];
    if (!holds(found)) return { expected: `${where}.${name}: ${expected}`, found: shown(found) };
  }
  return undefined;
}

/** Reads a line as far as it can be judged alone: form, canonical spelling, both hashes. */
export function readLine(textOfLine: string): JournalLine | Mismatch {
  let line: unknown;
  let canonical: string;
  try {
    line = JSON.parse(textOfLine);
    canonical = canonicalJson(line);
  } catch {
    return { expected: 'a line of JSON', found: shown(textOfLine) };
  }
  if (canonical !== textOfLine) return { expected: 'canonical JSON (RFC 8785)', found: shown(textOfLine) };
  if (!isRecord(line)) return { expected: 'an object', found: shown(line) };
  const isRepair = Object.hasOwn(line, 'repair');
  const malformed = fieldsOf('line', line, isRepair ? repairLineFields : recordLineFields);
  if (malformed !== undefined) return malformed;
  const read = line as unknown as JournalLine;
  const { hash: sealed, ...unsealed } = read;
  return (
    fieldsOf('journal', read.journal, journalFields) ??
    (read.repair === undefined ? mismatchOfRecord(read.record) : mismatchOfRepair(read.repair)) ??
    sealOf('line', unsealed, sealed) ??
    read
  );
}

function mismatchOfRecord(record: EvidenceRecord): Mismatch | undefined {
  const { hash: sealed, ...unsealed } = record;
  return (
    fieldsOf('record', record, recordFields) ??
    (record.by === null ? undefined : fieldsOf('by', record.by, bindingFields)) ??
    sealOf('record', unsealed, sealed)
  );
}

const mismatchOfRepair = (repair: Repair): Mismatch | undefined =>
  fieldsOf('repair', repair, repairFields) ??
  (repair.cut === null ? undefined : fieldsOf('cut', repair.cut, cutFields));

function sealOf(what: string, content: object, seal: string): Mismatch | undefined {
  const hashed = sha256(canonicalJson(content));
  return hashed === seal ? undefined : { expected: `the hash of the ${what}, ${hashed}`, found: seal };
}
