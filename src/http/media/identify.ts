import type { IncomingMessage } from 'node:http';
import { type Decision, grant, refuse } from '../../core/decision.ts';
import type { TokenHeader } from '../../core/http/bearer.ts';
import { type RouteMatch, routeOf, withOriginalPath } from '../../core/http/media-route.ts';
import type { RequestTarget } from '../../core/http/request-target.ts';
import { countRefusal, identifyMedia } from '../identify-media.ts';
import type { RequestFacts } from '../request-log.ts';
import type { MediaDeps, ServedRoute } from './context.ts';

export interface FoundRoute {
  readonly match: Decision<RouteMatch<ServedRoute>>;
  /** Also where the call id is none. */
  readonly tokenIn: TokenHeader;
  readonly path: string | undefined;
}

export function findRoute(
  { routes }: MediaDeps,
  req: IncomingMessage,
  target: RequestTarget,
  match: Decision<RouteMatch<ServedRoute>>,
): FoundRoute {
  if (!match.ok) {
    const { path, token = 'Authorization' } = routeOf(routes, target) ?? {};
    return { match, tokenIn: token, path };
  }
  const { path, token = 'Authorization' } = match.value.route;
  return { match: grant(withOriginalPath(match.value, req.url ?? '')), tokenIn: token, path };
}

/** A host and perhaps a port (RFC 9110, section 7.2), and nothing that a URL could hide in. */
const plainHost = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

export async function identify(
  deps: MediaDeps,
  req: IncomingMessage,
  { match, tokenIn, path }: FoundRoute,
  facts: RequestFacts,
): ReturnType<typeof identifyMedia<RouteMatch<ServedRoute>>> {
  facts.route = path;
  if (match.ok) facts.call = match.value.call;
  const known = await identifyMedia(deps, req, match, tokenIn);
  if (known.ok) facts.who = known.value.who;
  if (!known.ok || known.value.target.route.host !== 'keep') return known;
  return plainHost.test(req.headers.host ?? '')
    ? known
    : countRefusal(
        deps,
        refuse('TargetInvalid', { detail: 'the Host header field, which is forwarded, is not a valid host' }),
      );
}
