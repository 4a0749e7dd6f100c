import { METHODS } from 'node:http';
import { isIP } from 'node:net';
import { z } from 'zod';
import { defaultWriteMethods, readMethods } from '../core/media-route.ts';
import { strictObject } from '../policies/document.ts';

/** Whether an address, or the host of a URL, is this machine and no other. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/i.test(host);

const fails = (error: string): { error: string } => ({ error });

export const text = z.string().min(1);

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .refine(
      (digits) => /^\d{1,9}$/.test(digits) && Number(digits) >= min && Number(digits) <= max,
      fails(`must be a whole number from ${min} to ${max}`),
    )
    .transform(Number);

export const host = z
  .string()
  .refine(
    (name) => isIP(name) !== 0 || /^(?=.*[a-z])[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name),
    fails('must be a host name or an IP address, without brackets and without a port'),
  );

/** `undefined` for what is no http(s) URL, or carries credentials, a query or a fragment. */
function plainUrl(given: string): URL | undefined {
  if (!/^https?:\/\/[^/?#]/i.test(given) || /[?#\\\s]/.test(given) || !URL.canParse(given)) return undefined;
  const url = new URL(given);
  return url.username === '' && url.password === '' ? url : undefined;
}

const isOrigin = (given: string): boolean => plainUrl(given)?.pathname === '/';

const isSecure = (given: string): boolean => {
  const url = plainUrl(given);
  return url !== undefined && (url.protocol === 'https:' || isLoopback(url.hostname));
};

const toOrigin = (given: string): string => new URL(given).origin;

export const origin = z
  .string()
  .refine(
    isOrigin,
    fails('must be an http or https origin such as https://tallylight.example, without a path'),
  )
  .transform(toOrigin);

const secure = 'must be https, or http to a loopback address';

export const graphOrigin = z
  .string()
  .superRefine((given, context) => {
    const version = /\/(v1\.0|beta)\/*$/i.exec(given)?.[1];
    if (version !== undefined)
      context.addIssue(
        `must be an origin such as https://graph.microsoft.com, without /${version}: every request brings its version`,
      );
    else if (!isOrigin(given))
      context.addIssue('must be an origin such as https://graph.microsoft.com, without a path');
    else if (!isSecure(given)) context.addIssue(secure);
  })
  .transform(toOrigin);

export const secureUrl = z.string().refine(isSecure, fails(`must be a URL and ${secure}; without a query`));

export const redisUrl = z
  .string()
  .regex(
    /^(?:rediss?(?:\+cluster)?|redis\+sentinel):\/\/[^/\s]/,
    fails(
      'must begin with redis://, rediss://, redis+cluster://, rediss+cluster:// or redis+sentinel://, and name a host',
    ),
  );

const guid = z.guid(fails('must be a GUID such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301')).toLowerCase();
/** An empty list would lock everybody out, which nobody means. */
export const someGuids = z.array(guid).min(1, fails('must not be empty: leave it out to allow all'));

export const issuer = strictObject({
  issuer: text,
  audience: z.union([text, z.array(text).min(1)], fails('must be text or a list of texts, not empty')),
  jwksUri: secureUrl,
  tenants: someGuids.exactOptional(),
  apps: someGuids.exactOptional(),
  roles: z.array(text).exactOptional(),
  algorithms: z
    .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']))
    .min(1)
    .exactOptional(),
});

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, fails('must be the name of a header'));

/** Where a route without `{callId}` finds the call id. */
const callId = z.union([strictObject({ header: headerName }), strictObject({ query: text })], {
  error: 'must be either { header: name } or { query: name }',
});

const writeMethod = z
  .string()
  .refine(
    (method) => METHODS.includes(method) && ![...readMethods, 'CONNECT', 'TRACE'].includes(method),
    fails(
      `must be a method that writes, in capitals, such as ${defaultWriteMethods.join(', ')}; ${readMethods.join(', ')} are reads, see "reads"`,
    ),
  );

export const mediaRoute = strictObject({
  path: z.string().superRefine((path, context) => {
    const wrong = wrongPath(path);
    if (wrong !== undefined) context.addIssue(wrong);
  }),
  upstream: z
    .string()
    .refine((given) => plainUrl(given) !== undefined, fails('must be an http or https URL without a query')),
  methods: z.array(writeMethod).default([...defaultWriteMethods]),
  reads: z.enum(['pass', 'whileRecording', 'refuse']).default('pass'),
  callId: callId.exactOptional(),
}).superRefine((route, context) => {
  const inPath = route.path.split('/').includes('{callId}');
  if (inPath && route.callId !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['callId'],
      message: 'must be left out: the path already has {callId}',
    });
  if (!inPath && route.callId === undefined)
    context.addIssue({
      code: 'custom',
      path: ['path'],
      message: 'must have a segment {callId}, unless "callId" names a header or a query parameter',
    });
});

export const mediaRoutes = z
  .array(mediaRoute)
  .min(1)
  .superRefine((routes, context) => {
    for (const [index, { path }] of routes.entries()) {
      const first = routes.findIndex((route) => route.path === path);
      if (first < index)
        context.addIssue({
          code: 'custom',
          path: [index, 'path'],
          message: `is also the path of entry ${first}; every path leads to one handler`,
        });
    }
  });

function wrongPath(path: string): string | undefined {
  const [root, first = '', ...rest] = path.split('/');
  const segments = [first, ...rest];
  if (root !== '') return 'must begin with "/", such as /media/{callId}/*';
  const fixed = segments.at(-1) === '*' ? segments.slice(0, -1) : segments;
  if (fixed.some((segment) => segment === '.' || segment === '..')) return 'must have no dot segments';
  if (fixed.some((segment) => segment !== '{callId}' && !/^[A-Za-z0-9._~!$&'()+,=:@-]+$/.test(segment)))
    return 'must have plain segments with neither an empty one nor percent-encoding; "*" only as the last, {callId} only as a whole';
  if (fixed.filter((segment) => segment === '{callId}').length > 1) return 'must have {callId} only once';
  if (fixed[0] === undefined || fixed[0] === '{callId}')
    return 'must begin with a literal segment, since it would hide the paths of Graph otherwise';
  if (/^(?:v1\.0|beta|app)$/i.test(first))
    return 'must not begin with /v1.0, /beta or /app: those are for Graph';
  return undefined;
}
