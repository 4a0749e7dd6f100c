import type { TokenHeader } from './bearer.ts';
import { parseCallKey, type CallKey } from '../call/key.ts';
import { grant, refuse, type Decision } from '../decision.ts';
import {
  hasEncodedSlash,
  parseRequestTarget,
  queryValues,
  writtenTarget,
  type EncodedSlash,
  type RequestTarget,
} from './request-target.ts';
import { closest, formatTarget, isLiteral, overlaps } from './route-path.ts';

export type Reads = 'pass' | 'whileRecording' | 'refuse';

/** A route to a media handler. */
export interface MediaRoute {
  /** Literal segments, at most one `{callId}`, and perhaps a final `*`: `/media/{callId}/*`. */
  readonly path: string;
  readonly upstream: string;
  /** The methods that write, besides `websocket`. */
  readonly methods: readonly string[];
  readonly reads: Reads;
  /** Whether a WebSocket is a write as well; default: not. */
  readonly websocket?: boolean;
  /** Where the handler is asked to discard a write that was cut: a path on it, or a URL. */
  readonly discard?: string;
  /** Whether `%2F` may stand in what matches the final `*`, as in names of blobs; default: refuse. */
  readonly encodedSlash?: EncodedSlash;
  /** Where the bot's token is; default: `Authorization`, of which nothing goes on. Elsewhere that header goes on untouched. */
  readonly token?: TokenHeader;
  /** Whose Host header the handler gets: that of its own URL (default), or the client's, which a signature may cover. */
  readonly host?: 'upstream' | 'keep';
  /** Where the call id is, if not in the path. */
  readonly callId?: { readonly header: string } | { readonly query: string };
}

export interface RouteMatch<Route extends MediaRoute = MediaRoute> {
  readonly route: Route;
  readonly call: CallKey;
  /** Rebuilt from the parsed segments: the upstream sees exactly the path that was judged. */
  readonly path: string;
}

export const defaultWriteMethods = ['POST', 'PUT', 'PATCH', 'DELETE'];
export const readMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** Parses the target of a request for one of the routes. An encoded slash is preserved if the route says so. */
export function parseMediaTarget(routes: readonly MediaRoute[], text: string): Decision<RequestTarget> {
  const plain = parseRequestTarget(text);
  if (plain.ok || !hasEncodedSlash(text) || !routes.some(({ encodedSlash }) => encodedSlash === 'keep'))
    return plain;
  const kept = parseRequestTarget(text, 'keep');
  return kept.ok && closest(routes, kept.value.segments)?.route.encodedSlash === 'keep' ? kept : plain;
}

/**
 * Finds the route of a path; the one with the most literal segments wins, then the one with `{callId}`, then the
 * one without `*`, then the first. Letter case matters here, since it does for most handlers. undefined: no
 * route has this path.
 */
export function matchRoute<Route extends MediaRoute>(
  routes: readonly Route[],
  target: RequestTarget,
  header: (name: string) => string | undefined,
): Decision<RouteMatch<Route>> | undefined {
  const best = closest(routes, target.segments);
  if (best === undefined) return undefined;
  const { route, params } = best;
  const call = parseCallKey(params.callId ?? captured(route, target, header) ?? '');
  if (call === undefined) return refuse('CallIdInvalid');
  return grant({ route, call, path: formatTarget(target) });
}

/**
 * The match with the path spelled as it came in `text`, of which it is: where a credential goes on with it, that may be a
 * signature of the spelling. Each segment was judged by what it decodes to.
 */
export const withOriginalPath = <Route extends MediaRoute>(
  match: RouteMatch<Route>,
  text: string,
): RouteMatch<Route> => (keepsAuthorization(match.route) ? { ...match, path: writtenTarget(text) } : match);

/** The route to which the path of a request leads, even if the request is invalid otherwise. */
export const routeOf = <Route extends MediaRoute>(
  routes: readonly Route[],
  target: RequestTarget,
): Route | undefined => closest(routes, target.segments)?.route;

/** Whether the `Authorization` header field of a client is meant for the handler. */
export const keepsAuthorization = ({ token = 'Authorization' }: Pick<MediaRoute, 'token'>): boolean =>
  token !== 'Authorization';

/** Whether a route accepts only WebSockets. */
export const onlyWebSockets = ({ websocket, methods, reads }: MediaRoute): boolean =>
  websocket === true && methods.length === 0 && reads === 'refuse';

/**
 * Whether a media request and a request for another pattern could have one path. No call id is a word such as
 * `api`, so `/media/{callId}/*` and `/{pod}/api/calling/*` share none.
 */
export function sharesPath(mediaPath: string, pattern: string): boolean {
  const others = pattern.split('/');
  const noCallId = mediaPath.split('/').some((segment, index) => {
    const other = others[index];
    const isOther = other !== undefined && isLiteral(other) && parseCallKey(other) === undefined;
    return segment === '{callId}' && isOther;
  });
  return !noCallId && overlaps(mediaPath, pattern);
}

/** A value that is there twice names no call: two readers could choose differently. */
function captured(
  route: MediaRoute,
  target: RequestTarget,
  header: (name: string) => string | undefined,
): string | undefined {
  if (route.callId === undefined) return undefined;
  if ('header' in route.callId) return header(route.callId.header.toLowerCase());
  const { query: name } = route.callId;
  const values = queryValues(target.query, name);
  return values.length === 1 ? values[0] : undefined;
}
