import { formatPath, type RequestTarget } from './request-target.ts';

/** A path matched by a pattern. */
export interface PathMatch {
  /** What stands for each placeholder. */
  readonly params: Readonly<Record<string, string>>;
  /** Of two patterns that match one path, the one with the higher rank is the closer. */
  readonly rank: number;
}

interface Pattern {
  readonly fixed: readonly string[];
  /** It ends with `*`: any number of further segments, also none. */
  readonly open: boolean;
}

/** The name in `{name}`; undefined: the segment is a literal. */
export const placeholderName = (segment: string): string | undefined =>
  /^\{([A-Za-z][A-Za-z0-9]*)\}$/.exec(segment)?.[1];

const isPlaceholder = (segment: string): boolean => placeholderName(segment) !== undefined;

/** Whether a segment of a pattern stands for itself alone. */
export const isLiteral = (segment: string): boolean => segment !== '*' && !isPlaceholder(segment);

function parse(pattern: string): Pattern {
  const segments = pattern.split('/').filter((segment) => segment !== '');
  const open = segments.at(-1) === '*';
  return { fixed: open ? segments.slice(0, -1) : segments, open };
}

/**
 * Matches decoded path segments against literal segments, `{name}` placeholders and perhaps a final `*`:
 * `/media/{callId}/*`. Rank: the most literal segments, then the most placeholders, then no `*`. Letter case matters.
 */
export function matchPath(pattern: string, segments: readonly string[]): PathMatch | undefined {
  const { fixed, open } = parse(pattern);
  if (segments.length < fixed.length || (!open && segments.length > fixed.length)) return undefined;
  const params: Record<string, string> = {};
  let literals = 0;
  for (const [index, want] of fixed.entries()) {
    const segment = segments[index] ?? '';
    const name = placeholderName(want);
    if (name !== undefined) params[name] = segment;
    else if (want === segment) literals += 1;
    else return undefined;
  }
  // No pattern has so many placeholders that they outweigh a literal.
  return { params, rank: literals * 2 ** 20 + 2 * (fixed.length - literals) + (open ? 0 : 1) };
}

/** Whether there is a path that both patterns match. */
export function overlaps(patternA: string, patternB: string): boolean {
  const [a, b] = [parse(patternA), parse(patternB)];
  if (a.fixed.length > b.fixed.length ? !b.open : a.fixed.length < b.fixed.length && !a.open) return false;
  return a.fixed.every((segment, index) => {
    const other = b.fixed[index];
    return other === undefined || segment === other || isPlaceholder(segment) || isPlaceholder(other);
  });
}

/** The route whose pattern matches most closely; of equals the first. */
export function closest<Route extends { readonly path: string }>(
  routes: readonly Route[],
  segments: readonly string[],
): (PathMatch & { readonly route: Route }) | undefined {
  let best: (PathMatch & { readonly route: Route }) | undefined;
  for (const route of routes) {
    const matched = matchPath(route.path, segments);
    if (matched !== undefined && matched.rank > (best?.rank ?? -1)) best = { route, ...matched };
  }
  return best;
}

/** Rebuilt from the parsed segments, so that an upstream sees exactly the path that was judged; the query as it came. */
export const formatTarget = ({ segments, query }: RequestTarget): string =>
  formatPath(segments) + (query === '' ? '' : `?${query}`);
