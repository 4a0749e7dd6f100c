import { parseCallKey, type CallKey } from './call-key.ts';
import { grant, refuse, type Decision } from './decision.ts';
import { formatPath, queryValues, type RequestTarget } from './request-target.ts';

export type Reads = 'pass' | 'whileRecording' | 'refuse';

/** A route to a media handler. */
export interface MediaRoute {
  /** Literal segments, at most one `{callId}`, and perhaps a final `*`: `/media/{callId}/*`. */
  readonly path: string;
  readonly upstream: string;
  /** The methods that write. */
  readonly methods: readonly string[];
  readonly reads: Reads;
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
  let best: { route: Route; callId: string | undefined; rank: number } | undefined;
  for (const route of routes) {
    const matched = matchPath(route.path, target.segments);
    if (matched !== undefined && matched.rank > (best?.rank ?? -1)) best = { route, ...matched };
  }
  if (best === undefined) return undefined;
  const { route, callId } = best;
  const call = parseCallKey(callId ?? captured(route, target, header) ?? '');
  if (call === undefined) return refuse('CallIdInvalid');
  const query = target.query === '' ? '' : `?${target.query}`;
  return grant({ route, call, path: formatPath(target.segments) + query });
}

function matchPath(
  path: string,
  segments: readonly string[],
): { callId: string | undefined; rank: number } | undefined {
  const wanted = path.split('/').filter((segment) => segment !== '');
  const open = wanted.at(-1) === '*';
  const fixed = open ? wanted.slice(0, -1) : wanted;
  if (segments.length < fixed.length || (!open && segments.length > fixed.length)) return undefined;
  let callId: string | undefined;
  for (const [index, want] of fixed.entries()) {
    if (want === '{callId}') callId = segments[index];
    else if (want !== segments[index]) return undefined;
  }
  const literals = fixed.filter((want) => want !== '{callId}').length;
  return { callId, rank: 4 * literals + 2 * (fixed.length - literals) + (open ? 0 : 1) };
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
