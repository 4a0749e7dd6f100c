import { type StateName, stateNames } from '../../core/call/state.ts';
import { type Decision, grant, refuse } from '../../core/decision.ts';
import type { CallRow } from '../row.ts';

/** What `GET /api/calls` may be asked for. */
export interface CallQuery {
  readonly state?: StateName | undefined;
  readonly tenant?: string | undefined;
  readonly app?: string | undefined;
  /** Calls that have been in their state since then, or a later time. */
  readonly since?: string | undefined;
  readonly attention: boolean;
  readonly limit: number;
  /** The last call of the page before. */
  readonly after?: { readonly since: string; readonly id: string } | undefined;
}

const defaultLimit = 100;
export const largestLimit = 1000;

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const time = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

export const isGuid = (value: unknown): value is string =>
  typeof value === 'string' && guid.test(value.toLowerCase());

/** What each parameter may be, for the message about one that is not. */
const allowed = {
  state: `one of ${stateNames.join(', ')}`,
  tenant: 'a GUID',
  app: 'a GUID',
  since: 'a date, or a time with its offset, such as 2026-01-31T12:00:00Z',
  attention: '0 or 1',
  limit: `a number from 1 to ${largestLimit}`,
  after: 'the next of the page before',
} as const satisfies Record<Name, string>;

/** Each parameter: its value as it is used; undefined: it is not valid. */
const readers = {
  state: (text: string) => stateNames.find((name) => name === text),
  tenant: (text: string) => (isGuid(text) ? text.toLowerCase() : undefined),
  app: (text: string) => (isGuid(text) ? text.toLowerCase() : undefined),
  since: (text: string) =>
    time.test(text) && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : undefined,
  attention: (text: string) => (text === '1' ? true : text === '0' ? false : undefined),
  limit: (text: string) =>
    /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= largestLimit ? Number(text) : undefined,
  after: cursorIn,
} as const satisfies Record<string, (text: string) => unknown>;

type Name = keyof typeof readers;

/** Reads a query string; a name that is not known, or is repeated, is refused. */
export function readQuery(query: string): Decision<CallQuery> {
  const values: Partial<Record<Name, unknown>> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    if (!Object.hasOwn(readers, name)) return invalid(`the parameter ${shown(name)} does not exist`);
    const known = name as Name;
    if (known in values) return invalid(`${known} is repeated`);
    const value = readers[known](text);
    if (value === undefined) return invalid(`${known} must be ${allowed[known]}`);
    values[known] = value;
  }
  return grant({ attention: false, limit: defaultLimit, ...(values as Partial<CallQuery>) });
}

const invalid = (detail: string): Decision<never> => refuse('ParameterInvalid', { detail });
const shown = (name: string): string => (/^\w{1,40}$/.test(name) ? name : '(not shown)');

/** A page of rows that are in order, and where the next one begins. */
export function pageOf(
  rows: readonly CallRow[],
  query: CallQuery,
): { readonly calls: readonly CallRow[]; readonly next: string | null } {
  const { limit, after } = query;
  const found: CallRow[] = [];
  for (const row of rows) {
    if (!fits(row, query)) continue;
    if (after !== undefined && !isAfter(row, after)) continue;
    if (found.length === limit) return { calls: found, next: cursorOf(found.at(-1)) };
    found.push(row);
  }
  return { calls: found, next: null };
}

const fits = (row: CallRow, { state, tenant, app, since, attention }: CallQuery): boolean =>
  (state === undefined || row.state === state) &&
  (tenant === undefined || row.tenant === tenant) &&
  (app === undefined || row.app === app) &&
  (since === undefined || row.since >= since) &&
  (!attention || row.attention.length > 0);

const isAfter = (row: CallRow, { since, id }: NonNullable<CallQuery['after']>): boolean =>
  row.since < since || (row.since === since && row.id > id);

const cursorOf = (row: CallRow | undefined): string | null =>
  row === undefined ? null : Buffer.from(`${row.since} ${row.id}`).toString('base64url');

function cursorIn(text: string): CallQuery['after'] {
  const [, since = '', id = ''] =
    /^(\S{24}) ([0-9a-f-]{36})$/.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  return since === '' ? undefined : { since, id };
}
