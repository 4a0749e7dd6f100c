import { grant, refuse, type Decision } from '../decision.ts';

export interface RequestTarget {
  /**
   * Decoded path segments; no empty ones, no dot segments, nothing that would decode again. One with an encoded slash, where
   * that was asked for, stays as it came: it is one segment, and goes on byte for byte.
   */
  readonly segments: readonly string[];
  /** The query as it came, without `?`; empty if there was none. */
  readonly query: string;
}

/** How to treat a segment that contains an encoded slash (`%2F`). */
export type EncodedSlash = 'refuse' | 'keep';

const invalid = (detail: string): Decision<never> => refuse('TargetInvalid', { detail });

/**
 * Attacker-controlled: decides what path is judged, and the upstream is sent exactly that path
 * (docs/design/spellings.md: parse to segments, decode once, refuse what still decodes).
 */
export function parseRequestTarget(
  target: string,
  encodedSlash: EncodedSlash = 'refuse',
): Decision<RequestTarget> {
  if (!target.startsWith('/')) return invalid('the target is not in origin form');
  if (target.length > 8192) return invalid('the target is longer than 8192 characters');
  if (!/^[\x21-\x7e]+$/.test(target))
    return invalid('the target contains characters other than visible ASCII');
  if (target.includes('#')) return invalid('the target has a fragment');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark + 1);
  const segments: string[] = [];
  for (const raw of path.split('/')) {
    const segment = decodeOnce(raw);
    if (segment === undefined) return invalid(`"${raw.slice(0, 64)}" is not valid percent-encoding`);
    if (segment === '' || segment === '.') continue;
    if (segment === '..') return invalid('the path contains a ".." segment');
    if (/%[0-9a-f]{2}/i.test(segment)) return invalid('a segment is percent-encoded more than once');
    const parts = encodedSlash === 'keep' ? segment.split('/') : [segment];
    // A server that decodes before it splits must find neither another folder nor an absolute path.
    if (parts.length > 1 && (parts[0] === '' || parts.some((part) => /^[. ]+$/.test(part))))
      return invalid('an encoded slash next to an empty or dot segment');
    // Control characters, separators and parameters mean different things to different servers.
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (parts.some((part) => /[\x00-\x1f\x7f/\\;?#]/.test(part)))
      return invalid('a segment contains a separator or a control character');
    segments.push(parts.length > 1 ? raw : segment);
  }
  return grant({ segments, query });
}

function decodeOnce(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

/** Whether a parsed segment was preserved because it contains an encoded slash; all others are decoded. */
export const hasEncodedSlash = (segment: string): boolean => /%2f/i.test(segment);

/** OData's sub-delimiters are kept readable, everything else is encoded; what has stayed as it came stays so. */
const encodeSegment = (segment: string): string =>
  hasEncodedSlash(segment)
    ? segment
    : encodeURIComponent(segment).replace(/%(24|3D|2C|40|3A|2B)/g, (_, hex: string) =>
        String.fromCharCode(parseInt(hex, 16)),
      );

export const formatPath = (segments: readonly string[]): string =>
  '/' + segments.map(encodeSegment).join('/');

/** The target of a parsed request in its original spelling, without empty and dot segments. */
export function writtenTarget(target: string): string {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const segments = path.split('/').filter((raw) => {
    const segment = decodeOnce(raw);
    return segment !== '' && segment !== '.';
  });
  return `/${segments.join('/')}${mark < 0 ? '' : target.slice(mark)}`;
}

/**
 * The values of one query parameter, by its decoded name in any letter case: OData ignores the case and the `$`, and its
 * readers take white space off.
 */
export function queryValues(query: string, name: string): string[] {
  const wanted = name.toLowerCase();
  return [...new URLSearchParams(query)]
    .filter(([key]) => key.trim().toLowerCase().replace(/^\$/, '') === wanted)
    .map(([, value]) => value);
}
