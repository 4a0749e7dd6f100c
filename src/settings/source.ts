import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../core/json.ts';
import { formatProblem, readDocument } from '../policies/document.ts';
import { readText, type ReadFile } from './credential.ts';
import { secretFiles, writable } from './secret-files.ts';
import { trailingLineBreak, surroundingWhiteSpace } from './shapes.ts';
import { settings, type SettingRow } from './table.ts';

/** A setting as it was found. */
export interface RawSetting {
  /** Text, or the value of a structured setting; undefined if it could not be read. */
  readonly value: unknown;
  /** In front of a message about the value at a path: `file:line: `, or nothing for the environment. */
  readonly at: (path: readonly PropertyKey[]) => string;
}

const rows: ReadonlyMap<string, SettingRow> = new Map(writable.map((row) => [row.name, row]));
const configName = settings.config.name;

/** Collects the settings from the environment and the file it names; what is wrong is added to `problems`. */
export function collectSettings(
  env: NodeJS.ProcessEnv,
  readFile: ReadFile,
  problems: string[],
): ReadonlyMap<string, RawSetting> {
  const fromEnv = new Map<string, RawSetting>();
  const links = new Map<string, string[]>();
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (!/^tallylight_/i.test(name)) {
      if (isMisspelled(name)) problems.push(unknownName(name));
      continue;
    }
    const row = rows.get(name);
    const service = linkedService(name, value);
    if (service !== undefined) links.set(service, [...(links.get(service) ?? []), name]);
    else if (row === undefined) problems.push(unknownName(name));
    else put(fromEnv, row, value, () => '', problems);
  }
  for (const [service, names] of links) problems.push(linksOf(service, names));
  const file = env[configName];
  const fromFile =
    file === undefined || file === '' ? new Map<string, RawSetting>() : readConfig(file, readFile, problems);
  const merged = new Map([...fromEnv, ...fromFile]);
  for (const [name, { value, at }] of fromFile) {
    const other = fromEnv.get(name);
    if (other?.value !== undefined && value !== undefined && !isDeepStrictEqual(other.value, value))
      problems.push(`${at([])}${name} has another value in the environment: set it in one of the two places`);
  }
  readSecrets(merged, readFile, problems);
  return merged;
}

/** Puts the contents of secret files in the place of the settings that name them. */
function readSecrets(found: Map<string, RawSetting>, readFile: ReadFile, problems: string[]): void {
  for (const { row, secret } of secretFiles) {
    const path = found.get(row.name);
    if (path === undefined) continue;
    found.delete(row.name);
    const at = `${path.at([])}${row.name}`;
    if (found.has(secret.name)) {
      problems.push(`${at} and ${secret.name} are both set: remove one of the two`);
      continue;
    }
    // What is wrong with it is told once; that the setting is missing would be untrue.
    found.set(secret.name, { value: undefined, at: () => '' });
    if (typeof path.value !== 'string') continue;
    const read = readText(path.value, readFile);
    const wrong = 'wrong' in read ? read.wrong : wrongInSecret(secret, read.text);
    if (wrong !== undefined) problems.push(`${at} ${wrong}`);
    else if ('text' in read) put(found, secret, read.text, () => `${at}: `, problems);
  }
}

/** Without it a URL would silently lose its line breaks, and a password would be taken for another. */
function wrongInSecret({ structured }: SettingRow, content: string): string | undefined {
  if (structured === true) return undefined;
  const stray = surroundingWhiteSpace(content);
  if (stray !== undefined) return `is a file whose content ${stray}`;
  return /[\r\n]/.test(content) ? 'is a file with more than one line: leave only the value in it' : undefined;
}

function readConfig(file: string, readFile: ReadFile, problems: string[]): Map<string, RawSetting> {
  const found = new Map<string, RawSetting>();
  const content = readText(file, readFile);
  if ('wrong' in content) {
    problems.push(`${configName} ${content.wrong}`);
    return found;
  }
  const read = readDocument(file, content.text);
  if ('problems' in read) {
    problems.push(...read.problems.map((problem) => `${configName}: ${formatProblem(problem)}`));
    return found;
  }
  const { value: all, lineOf } = read.document;
  if (!isRecord(all) && all !== null) {
    problems.push(`${file}:1: the file must have settings by name, such as "TALLYLIGHT_PORT: 8080"`);
    return found;
  }
  for (const [name, value] of Object.entries(all ?? {})) {
    const at: RawSetting['at'] = (path) => `${file}:${lineOf([name, ...path])}: `;
    const row = rows.get(name);
    if (row === undefined) problems.push(at([]) + unknownName(name));
    else if (row.name === configName) problems.push(`${at([])}${configName} belongs in the environment`);
    else put(found, row, value, at, problems);
  }
  return found;
}

/** An empty value is a mistake, not an absence: a variable that was not filled in must not choose a default. */
function put(
  found: Map<string, RawSetting>,
  { name, structured }: SettingRow,
  value: unknown,
  at: RawSetting['at'],
  problems: string[],
): void {
  const read = structured === true ? structuredValue(name, value) : singleValue(value);
  problems.push(...read.wrong.map((what) => `${at([])}${name} ${what}`));
  found.set(name, { value: read.value, at: typeof value === 'string' ? () => at([]) : at });
}

interface Taken {
  /** undefined: it was wrong. */
  readonly value?: unknown;
  readonly wrong: readonly string[];
}

const empty: Taken = { wrong: ['is empty: give it a value, or leave it out'] };

function singleValue(value: unknown): Taken {
  if (value === null || value === '') return empty;
  if (typeof value === 'string') {
    const stray = trailingLineBreak(value);
    return stray === undefined ? { value, wrong: [] } : { wrong: [stray] };
  }
  if (typeof value === 'number' || typeof value === 'boolean') return { value: String(value), wrong: [] };
  return { wrong: ['must be a single value'] };
}

function structuredValue(name: string, value: unknown): Taken {
  if (value === null || value === '') return empty;
  if (typeof value !== 'string') return { value, wrong: [] };
  const read = readDocument(name, value);
  if ('document' in read)
    return read.document.value === null ? empty : { value: read.document.value, wrong: [] };
  return {
    wrong: read.problems.map(({ line, column, text }) => {
      const place = column === undefined ? '' : ` at line ${line}, column ${column} of its value`;
      return text.replace(/^(this|it) /, '') + place;
    }),
  };
}

/**
 * The Service that Kubernetes writes a variable for, into every container of its namespace. It is told by the name, but
 * for `…_PORT`, which may be the name of a setting: there the value tells.
 */
function linkedService(name: string, value: string): string | undefined {
  const link =
    /^(TALLYLIGHT(?:_[A-Z0-9_]+?)?)_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/.exec(
      name,
    ) ?? (/^(?:tcp|udp|sctp):\/\//.test(value) ? /^(TALLYLIGHT(?:_[A-Z0-9_]+)?)_PORT$/.exec(name) : null);
  return link?.[1]?.toLowerCase().replaceAll('_', '-');
}

function linksOf(service: string, [first = '', ...more]: readonly string[]): string {
  const names = more.length === 0 ? `${first} is` : `${first} and ${more.length} more are`;
  return `${names} not set by you but by Kubernetes, for the Service "${service}": use enableServiceLinks: false in the specification of the Pod`;
}

/** Whether a name that does not begin like a setting is nearly one, such as `TALLYLIGT_REDIS_URL`. */
const isMisspelled = (name: string): boolean =>
  /^ta?l/i.test(name) && [...rows.keys()].some((known) => distance(name, known) <= 3);

function unknownName(name: string): string {
  const plain = rows.get(name.replace(/_FILE$/, ''));
  if (plain !== undefined)
    return `${name} is not a setting: ${plain.name} cannot be read from a file of its own; the file that ${configName} names can hold it`;
  const [nearest] = [...rows.keys()].sort((a, b) => distance(name, a) - distance(name, b));
  const shown = /^\w{1,64}$/.test(name) ? name : 'a name that is not shown';
  return `${shown} is not a setting; the nearest is ${nearest ?? ''}`;
}

/** How many letters differ (Levenshtein), whatever their case. */
function distance(one: string, other: string): number {
  const [a, b] = [one.toUpperCase().slice(0, 64), other];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
