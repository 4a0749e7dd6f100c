import { parseCallKey, type CallKey } from '../call/key.ts';
import { grant, refuse, type Decision } from '../decision.ts';
import { actions, type ActionRow, type Method } from './action-table.ts';
import { formatPath, queryValues, type RequestTarget } from '../http/request-target.ts';

/** A request to Graph, recognised: which row of the table it is, for which call, and how it is spelled upstream. */
export interface GraphAction {
  readonly row: ActionRow;
  readonly version: 'v1.0' | 'beta';
  /** The deprecated `/app` root was used. */
  readonly appAlias: boolean;
  readonly call?: CallKey;
  readonly operationId?: string;
  /** What is sent upstream: rebuilt from the parsed segments, so that Graph sees exactly what was judged. */
  readonly path: string;
}

/** Never a dot segment: `participants('..')` would climb to the call itself. */
const anId = /^(?!\.{1,2}$)[A-Za-z0-9._~@:!-]{1,200}$/;
const aDate = /^[0-9TZ:.+-]{4,40}$/;
const functionCall = /^([A-Za-z_.]+)\((.*)\)$/;

interface Piece {
  readonly text: string;
  /** Written as a key, `('x')`: it can only be an id, never a name. */
  readonly key: boolean;
}

interface Matched {
  readonly spelled: string[];
  readonly params: Readonly<Record<string, string>>;
}

/**
 * Finds the row for a method and a target, whatever the spelling: `/v1.0` or `/beta`, `communications` or `app`,
 * `calls/{id}` or `calls('{id}')`, with or without `microsoft.graph.`, in any letter case (docs/design/spellings.md).
 * What is not on the list is refused.
 */
export function identifyAction(method: string, target: RequestTarget): Decision<GraphAction> {
  const [versionSegment = '', ...rest] = target.segments;
  const version = versionSegment.toLowerCase();
  if (version !== 'v1.0' && version !== 'beta') return refuse('ActionUnknown');
  const appAlias = rest[0]?.toLowerCase() === 'app';
  const pieces = splitKeys(appAlias ? ['communications', ...rest.slice(1)] : rest);

  const allowed = new Set<Method>();
  for (const row of actions) {
    if (row.version !== undefined && row.version !== version) continue;
    const matched = match(row, pieces);
    if (matched === undefined) continue;
    if (row.method !== method) {
      if (row.effect !== 'refuse') allowed.add(row.method);
      continue;
    }
    return judge(row, matched, version, appAlias, target.query);
  }
  if (allowed.size > 0) return refuse('MethodNotAllowed', { detail: `allowed: ${[...allowed].join(', ')}` });
  return refuse('ActionUnknown');
}

function judge(
  row: ActionRow,
  { spelled, params }: Matched,
  version: 'v1.0' | 'beta',
  appAlias: boolean,
  query: string,
): Decision<GraphAction> {
  if (row.effect === 'refuse') return refuse(row.reason ?? 'ActionRefused', { detail: row.why });
  const call = params.call === undefined ? undefined : parseCallKey(params.call);
  if (params.call !== undefined && call === undefined) return refuse('CallIdInvalid');
  // An expanded operation carries the location and token of a recording like the operation itself.
  const expands =
    row.effect === 'pass' &&
    row.method === 'GET' &&
    queryValues(query, 'expand').some((value) => /operations|\*/i.test(value));
  const root = appAlias ? ['app', ...spelled.slice(1)] : spelled;
  return grant({
    row: expands && call !== undefined ? { ...row, effect: 'readOperation' } : row,
    version,
    appAlias,
    ...(call === undefined ? {} : { call }),
    ...(params.operation === undefined ? {} : { operationId: params.operation }),
    path: formatPath([version, ...root]) + (query === '' ? '' : `?${query}`),
  });
}

/** `calls('x')` is `calls/x`; a function call such as `getPstnCalls(a=b)` stays one segment. */
function splitKeys(segments: readonly string[]): Piece[] {
  return segments.flatMap((segment) => {
    const call = functionCall.exec(segment);
    const key = call === null ? null : /^'([^']*)'$/.exec(call[2] ?? '');
    if (call === null || key === null) return [{ text: segment, key: false }];
    return [
      { text: call[1] ?? '', key: false },
      { text: key[1] ?? '', key: true },
    ];
  });
}

function match(row: ActionRow, pieces: readonly Piece[]): Matched | undefined {
  const wanted = row.template.split('/');
  if (wanted.length !== pieces.length) return undefined;
  const spelled: string[] = [];
  const params: Record<string, string> = {};
  for (const [index, template] of wanted.entries()) {
    const { text: segment = '', key = false } = pieces[index] ?? {};
    const last = index === wanted.length - 1;
    const name = /^\{(\w+)\}$/.exec(template)?.[1];
    if (name !== undefined) {
      if (!anId.test(segment)) return undefined;
      params[name] = segment;
      spelled.push(segment);
      continue;
    }
    if (key) return undefined;
    const literal =
      last && row.namespace !== undefined
        ? matchBound(template, row.namespace, segment)
        : matchLiteral(template, segment);
    if (literal === undefined) return undefined;
    spelled.push(literal);
  }
  return { spelled, params };
}

/** Only ASCII letters have two cases here: `toLowerCase` alone takes the Kelvin sign for a k. */
const fold = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

const matchLiteral = (template: string, segment: string): string | undefined =>
  fold(template) === fold(segment) ? template : undefined;

/** An action or function may be written with or without its namespace; the caller's choice is kept. */
function matchBound(template: string, namespace: string, segment: string): string | undefined {
  const prefix = `${namespace}.`;
  const qualified = segment.toLowerCase().startsWith(prefix.toLowerCase());
  const short = qualified ? segment.slice(prefix.length) : segment;
  const literal = template.includes('(') ? matchFunction(template, short) : matchLiteral(template, short);
  return literal === undefined ? undefined : (qualified ? prefix : '') + literal;
}

function matchFunction(template: string, segment: string): string | undefined {
  const wanted = functionCall.exec(template);
  const given = functionCall.exec(segment);
  if (wanted === null || given === null || matchLiteral(wanted[1] ?? '', given[1] ?? '') === undefined)
    return undefined;
  const names = (wanted[2] ?? '').split(',');
  const pairs = (given[2] ?? '').split(',').map((pair) => pair.split('=').map((part) => part.trim()));
  if (pairs.length !== names.length || pairs.some(({ length }) => length !== 2)) return undefined;
  const args = names.map((name) => {
    const value = pairs.find(([label = '']) => fold(label) === fold(name))?.[1];
    return [name, value ?? ''] as const;
  });
  if (args.some(([, value]) => !aDate.test(value))) return undefined;
  return `${wanted[1] ?? ''}(${args.map(([name, value]) => `${name}=${value}`).join(',')})`;
}

/** Short name of the action for metrics and evidence, from a closed list. */
export const actionName = ({ method, template, namespace }: ActionRow): string =>
  namespace === undefined
    ? `${method} ${template.replace('communications/', '')}`
    : (template.split('/').at(-1) ?? '').replace(/\(.*$/, '');

/** Where the call is, as the caller spelled it: the first four segments of the path. */
export const callPathOf = ({ path }: GraphAction): string =>
  (path.split('?')[0] ?? '').split('/').slice(0, 5).join('/');
