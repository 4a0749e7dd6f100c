import type { GraphCaller } from '../token-mint.ts';
import type { FakeGraphState, Operation } from './state.ts';

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a string is sent as it is; absent: no body. */
  readonly body?: unknown;
}

/** What a request would do, and its answer: a script may have the one without the other. */
export interface Outcome {
  readonly answer: Answer;
  readonly effect?: () => void;
  /** The operation in `answer`. */
  readonly operation?: Operation;
  /** From then on the operation can be read. */
  readonly keepOperation?: () => void;
  /** Notifies the bot that the pending operation has ended. */
  readonly notifyOperation?: () => void;
}

export interface GraphRequest {
  readonly state: FakeGraphState;
  /** Origin and version, for absolute links. */
  readonly base: string;
  /** null: any token is taken, and this one cannot be read. */
  readonly caller: GraphCaller | null;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The parsed JSON body; undefined if there is none or it cannot be read. */
  readonly body: unknown;
  /** How updateMetadata is answered: the documentation said both. */
  readonly metadataAnswer: 200 | 202;
}

export interface Route {
  /** Names the action in the log and in scripts. */
  readonly action: string;
  readonly method: string;
  /** In braces: a parameter; in parentheses: the names of a function's parameters. */
  readonly template: readonly string[];
  /** The token needs one of these application permissions. */
  readonly roles?: readonly string[];
  readonly handle: (request: GraphRequest) => Outcome;
}

export const route = (
  action: string,
  method: string,
  path: string,
  handle: Route['handle'],
  roles?: readonly string[],
): Route => ({
  action,
  method,
  template: path.split('/'),
  handle,
  ...(roles === undefined ? {} : { roles }),
});

export const answer = (status: number, body?: unknown): Outcome => ({ answer: { status, body } });
export const graphError = (status: number, code: string, message: string): Outcome =>
  answer(status, { error: { code, message } });
export const badRequest = (message: string): Outcome => graphError(400, 'BadRequest', message);
export const notFound = graphError(404, 'UnknownError', 'The resource does not exist.');

export const collection = (value: readonly unknown[]): Outcome => answer(200, { value });
export const entity = (value: object | undefined): Outcome =>
  value === undefined ? notFound : answer(200, value);

/**
 * Finds the route for a path in any spelling. It reads more liberally than anybody should: a request that gets past
 * the proxy in an odd spelling must have its effect here, or no test would notice.
 */
export function findRoute(
  routes: readonly Route[],
  method: string,
  segments: readonly string[],
): { route: Route; params: Record<string, string> } | undefined {
  for (const route of routes) {
    const params = route.method === method ? match(route.template, segments) : undefined;
    if (params !== undefined) return { route, params };
  }
  return undefined;
}

/** The segments of a path, without what a lax server would ignore. */
export function lenientSegments(path: string): string[] {
  const segments: string[] = [];
  for (const raw of decodeFully(path).split(/[\\/]+/)) {
    const segment = raw.replace(/;.*$/, '');
    const key = /^(.+)\('([^']*)'\)$/.exec(segment);
    if (segment === '..') segments.pop();
    else if (key !== null) segments.push(key[1] ?? '', key[2] ?? '');
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return segments.map((segment, index) =>
    index === 1 && /^app$/i.test(segment) ? 'communications' : segment,
  );
}

function decodeFully(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    return decoded === text ? text : decodeFully(decoded);
  } catch {
    return text;
  }
}

function match(template: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (template.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, wanted] of template.entries()) {
    const segment = segments[index] ?? '';
    const found = /^\{(\w+)\}$/.exec(wanted);
    if (found?.[1] !== undefined) params[found[1]] = segment;
    else if (!matchLiteral(wanted, segment.replace(/^microsoft\.graph\.(callRecords\.)?/i, ''), params))
      return undefined;
  }
  return params;
}

function matchLiteral(wanted: string, segment: string, params: Record<string, string>): boolean {
  const [name = '', args] = splitFunction(segment);
  const [wantedName = '', wantedArgs] = splitFunction(wanted);
  if (name.toLowerCase() !== wantedName.toLowerCase()) return false;
  if (wantedArgs === undefined || args === undefined) return wantedArgs === args;
  for (const pair of args.split(',')) {
    const [key = '', value = ''] = pair.split('=');
    params[key.trim()] = value.trim();
  }
  return wantedArgs.split(',').every((key) => params[key] !== undefined);
}

const splitFunction = (segment: string): string[] => /^(.*)\((.*)\)$/.exec(segment)?.slice(1) ?? [segment];
