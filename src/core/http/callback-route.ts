import type { RequestTarget } from './request-target.ts';
import { closest, formatTarget, isLiteral } from './route-path.ts';

/** A route from Graph's notifications to the endpoint of a bot. */
export interface CallbackRoute {
  /** Literal segments, at least one, `{name}` placeholders, and perhaps a final `*`: `/{pod}/api/calling/*`. */
  readonly path: string;
  readonly upstream: string;
}

export interface CallbackMatch<Route extends CallbackRoute = CallbackRoute> {
  readonly route: Route;
  /** Rebuilt from the parsed segments, with the query: the bot sees exactly the path that was judged. */
  readonly path: string;
}

/** Whether paths that begin with this segment are for Graph. */
export const isGraphRoot = (segment: string | undefined): boolean =>
  /^(?:v1\.0|beta|app)$/i.test(segment ?? '');

/** Whether a pattern has a literal segment; without one it would match the paths of other planes. */
export const hasLiteral = (path: string): boolean =>
  path.split('/').some((segment) => segment !== '' && isLiteral(segment));

/**
 * Finds the route of a path; the closest pattern wins, of equals the first. A path for Graph has none, whatever
 * stands first in a pattern. undefined: no route has this path.
 */
export function matchCallback<Route extends CallbackRoute>(
  routes: readonly Route[],
  target: RequestTarget,
): CallbackMatch<Route> | undefined {
  if (isGraphRoot(target.segments[0])) return undefined;
  const best = closest(
    routes.filter(({ path }) => hasLiteral(path)),
    target.segments,
  );
  return best && { route: best.route, path: formatTarget(target) };
}
