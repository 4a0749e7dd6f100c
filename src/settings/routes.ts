import { METHODS } from 'node:http';
import { z } from 'zod';
import { hasLiteral, isGraphRoot } from '../core/http/callback-route.ts';
import { tokenHeaders } from '../core/http/bearer.ts';
import { defaultWriteMethods, readMethods, sharesPath } from '../core/http/media-route.ts';
import { isLiteral, placeholderName } from '../core/http/route-path.ts';
import { strictObject } from '../policies/document.ts';
import { withError, isLoopback, plainUrl, text } from './shapes.ts';

const upstream = z
  .string()
  .refine(
    (given) => plainUrl(given) !== undefined,
    withError('must be an http or https URL without a query'),
  );

/** A path without dot segments and percent-encoding is spelled as a URL spells it. */
const isPlainPath = (given: string): boolean =>
  given.startsWith('/') && !given.startsWith('//') && plainUrl(`http://handler${given}`)?.pathname === given;

const discard = z
  .string()
  .refine(
    (given) => isPlainPath(given) || plainUrl(given) !== undefined,
    withError('must be a path on the handler such as /discard, or an http or https URL without a query'),
  );

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, withError('must be the name of a header field'));

/** Where a route without `{callId}` finds the call id. */
const callId = z.union([strictObject({ header: headerName }), strictObject({ query: text })], {
  error: 'must be either { header: name } or { query: name }',
});

const writeMethod = z
  .string()
  .refine(
    (method) => METHODS.includes(method) && ![...readMethods, 'CONNECT', 'TRACE'].includes(method),
    withError(
      `must be a writing method in upper case, such as ${defaultWriteMethods.join(', ')}; ${readMethods.join(', ')} are configured with "reads"`,
    ),
  );

/** A path that `wrong` has nothing to say about. */
const pathWithout = (wrong: (path: string) => string | undefined) =>
  z.string().superRefine((path, context) => {
    const message = wrong(path);
    if (message !== undefined) context.addIssue(message);
  });

const mediaRoute = strictObject({
  path: pathWithout(wrongMediaPath),
  upstream,
  methods: z.array(writeMethod).default([...defaultWriteMethods]),
  reads: z.enum(['pass', 'whileRecording', 'refuse']).default('pass'),
  websocket: z.boolean().exactOptional(),
  discard: discard.exactOptional(),
  encodedSlash: z.enum(['refuse', 'keep']).exactOptional(),
  token: z.enum(tokenHeaders).exactOptional(),
  host: z.enum(['upstream', 'keep']).exactOptional(),
  callId: callId.exactOptional(),
}).superRefine((route, context) => {
  if (route.encodedSlash === 'keep' && !route.path.endsWith('/*'))
    context.addIssue({
      code: 'custom',
      path: ['encodedSlash'],
      message: 'must be omitted: an encoded slash is allowed only in the part that a final "*" matches',
    });
  const inPath = route.path.split('/').includes('{callId}');
  if (inPath && route.callId !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['callId'],
      message: 'must be omitted: the path already has {callId}',
    });
  if (!inPath && route.callId === undefined)
    context.addIssue({
      code: 'custom',
      path: ['path'],
      message: 'must have a segment {callId}, unless "callId" names a header or a query parameter',
    });
});

const callback = strictObject({ path: pathWithout(wrongCallbackPath), upstream });

/** Patterns that differ only in the names of their placeholders match the same paths. */
const withoutNames = (path: string): string =>
  path
    .split('/')
    .map((segment) => (placeholderName(segment) === undefined ? segment : '{}'))
    .join('/');

const distinct = (
  routes: readonly { readonly path: string }[],
  context: { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string }): void },
): void => {
  const paths = routes.map(({ path }) => withoutNames(path));
  for (const [index, path] of paths.entries()) {
    const first = paths.indexOf(path);
    if (first < index)
      context.addIssue({
        code: 'custom',
        path: [index, 'path'],
        message: `is also the path of entry ${first}; each path must have exactly one handler`,
      });
  }
};

export const mediaRoutes = z.array(mediaRoute).min(1).superRefine(distinct);
export const callbacks = z.array(callback).min(1).superRefine(distinct);

/** The sandbox's own media route. */
export const sandboxMediaPath = '/media/{callId}/*';

/** The notification endpoint of a bot on this machine, whose path is the callback path. */
export const sandboxBot = z.string().superRefine((given, context) => {
  const url = plainUrl(given);
  const path = url?.pathname ?? '';
  if (url === undefined || !isLoopback(url.hostname))
    context.addIssue('must be an http or https URL of a loopback address, without a query');
  else if (path.includes('*')) context.addIssue('must have no "*" in its path');
  else {
    const wrong = wrongCallbackPath(path);
    if (wrong !== undefined) context.addIssue(`has the path ${path}, which ${wrong}`);
    else if (sharesPath(sandboxMediaPath, `${path}/*`))
      context.addIssue('has a path below /media, which is reserved for media');
  }
});

const plainSegment = /^[A-Za-z0-9._~!$&'()+,=:@-]+$/;

/** What is wrong with any pattern whose placeholders are `{callId}`, or whatever `placeholders` says. */
function wrongPattern(
  path: string,
  {
    example,
    placeholders,
    mayBe,
  }: { example: string; placeholders: string; mayBe: (segment: string) => boolean },
): string | undefined {
  const [root, first = '', ...rest] = path.split('/');
  const segments = [first, ...rest];
  if (root !== '') return `must begin with "/", such as ${example}`;
  const fixed = segments.at(-1) === '*' ? segments.slice(0, -1) : segments;
  if (fixed.some((segment) => segment === '.' || segment === '..')) return 'must have no dot segments';
  if (fixed.some((segment) => !mayBe(segment) && !plainSegment.test(segment)))
    return `must have plain segments, none of them empty or percent-encoded; "*" only as the last segment, ${placeholders} only as a whole segment`;
  const names = fixed.filter((segment) => !isLiteral(segment));
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) return `must contain ${twice} only once`;
  return undefined;
}

const forGraph = 'must not begin with /v1.0, /beta or /app: those paths belong to Graph';

function wrongMediaPath(path: string): string | undefined {
  const mayBe = (segment: string): boolean => segment === '{callId}';
  const wrong = wrongPattern(path, { example: '/media/{callId}/*', placeholders: '{callId}', mayBe });
  if (wrong !== undefined) return wrong;
  const [, first = ''] = path.split('/');
  if (!isLiteral(first))
    return 'must begin with a literal segment; otherwise it would hide the paths of Graph';
  return isGraphRoot(first) ? forGraph : undefined;
}

function wrongCallbackPath(path: string): string | undefined {
  const mayBe = (segment: string): boolean => placeholderName(segment) !== undefined;
  const wrong = wrongPattern(path, {
    example: '/api/calling',
    placeholders: 'placeholders such as {pod}',
    mayBe,
  });
  if (wrong !== undefined) return wrong;
  if (!hasLiteral(path)) return 'must have a literal segment; otherwise it would match every path';
  return isGraphRoot(path.split('/')[1]) ? forGraph : undefined;
}
