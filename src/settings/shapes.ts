import { isIP } from 'node:net';
import { z } from 'zod';
import { unusableEntraIssuer } from '../auth/entra-versions.ts';
import { messageOf } from '../core/errors.ts';
import { isAddressOrNetwork } from '../http/client-address.ts';
import { isStampHeader } from '../http/request-start.ts';
import { strictObject } from '../policies/document.ts';
import { parseRedisUrl } from '../store/redis/target.ts';

/** Whether an address, or the host of a URL, is this machine and no other. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/i.test(host);

/** A message for zod. */
export const withError = (error: string): { error: string } => ({ error });

export const text = z.string().min(1);

/** What is left at the end of a value that was taken from a file, and is no part of it; undefined: nothing. */
export const trailingLineBreak = (value: string): string | undefined =>
  /[\r\n]$/.test(value)
    ? 'ends with a line break, probably read from a file: remove the line break'
    : undefined;

/** The same, and blanks at either end. */
export const surroundingWhiteSpace = (value: string): string | undefined =>
  trailingLineBreak(value) ??
  (/^\s|\s$/.test(value) ? 'begins or ends with white space: remove it' : undefined);

const hasUnit = /^\d+(?:\.\d+)?\s*(?:ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|[kmg]i?b?|bytes?)$/i;

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .superRefine((digits, context) => {
      if (/^\d{1,9}$/.test(digits) && Number(digits) >= min && Number(digits) <= max) return;
      const unit = hasUnit.test(digits)
        ? ', without a unit: the name or the description of the setting says which it is'
        : '';
      context.addIssue(`must be a whole number from ${min} to ${max}${unit}`);
    })
    .transform(Number);

/** How many processes: a number, or as many as the machine has processors. */
export const workerCount = z
  .string()
  .refine(
    (given) => given === 'auto' || (/^\d{1,3}$/.test(given) && Number(given) >= 1 && Number(given) <= 256),
    withError('must be "auto" or a whole number from 1 to 256'),
  )
  .transform((given) => (given === 'auto' ? given : Number(given)));

export const host = z
  .string()
  .refine(
    (name) => isIP(name) !== 0 || /^(?=.*[a-z])[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name),
    withError('must be a host name or an IP address, without brackets and without a port'),
  );

const hostName = z
  .string()
  .trim()
  .toLowerCase()
  .refine(
    (name) => isIP(name) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name),
    withError('must be a host name or an IP address, without a scheme, brackets or a port'),
  );

/** A list, or text with commas. */
export const hostNames = z
  .union([z.string().transform((given) => given.split(',')), z.array(z.string())])
  .pipe(z.array(hostName).min(1));

export const headerName = z
  .string()
  .refine(isStampHeader, withError('must be the name of a dedicated header field, such as X-Request-Start'));

const network = z
  .string()
  .refine(
    isAddressOrNetwork,
    withError('must be an IP address, or a network such as 10.0.0.0/8 or fd00::/8'),
  );

/** A list, or text with commas. */
export const networks = z
  .union([z.string().transform((given) => given.split(',').map((each) => each.trim())), z.array(z.string())])
  .pipe(z.array(network).min(1));

/** `undefined` for what is no http(s) URL, or carries credentials, a query or a fragment. */
export function plainUrl(given: string): URL | undefined {
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
    withError('must be an http or https origin such as https://tallylight.example, without a path'),
  )
  .transform(toOrigin);

const secure = 'must be https, or http to a loopback address';

export const graphOrigin = z
  .string()
  .superRefine((given, context) => {
    const version = /\/(v1\.0|beta)\/*$/i.exec(given)?.[1];
    if (version !== undefined)
      context.addIssue(
        `must be an origin such as https://graph.microsoft.com, without /${version}: the version comes with each request`,
      );
    else if (!isOrigin(given))
      context.addIssue('must be an origin such as https://graph.microsoft.com, without a path');
    else if (!isSecure(given)) context.addIssue(secure);
  })
  .transform(toOrigin);

export const secureUrl = z
  .string()
  .refine(isSecure, withError(`must be a URL and ${secure}; without a query`));

export const redisUrl = z
  .string()
  .regex(
    /^(?:rediss?(?:\+cluster)?|redis\+sentinel):\/\/[^/\s]/,
    withError(
      'must begin with redis://, rediss://, redis+cluster://, rediss+cluster:// or redis+sentinel://, and name a host',
    ),
  )
  .superRefine((given, context) => {
    try {
      parseRedisUrl(given);
    } catch (error) {
      // It says which part is wrong, and shows none.
      context.addIssue(messageOf(error).replace(/^the Redis URL /, ''));
    }
  });

const numberFrom = (min: number, max: number) =>
  z
    .number(withError('must be a number'))
    .refine(
      (number) => Number.isInteger(number) && number >= min && number <= max,
      withError(`must be a whole number from ${min} to ${max}`),
    );

/** How much evidence may wait for the disk. */
export const evidenceBacklog = strictObject({
  seconds: numberFrom(1, 604_800).exactOptional(),
  megabytes: numberFrom(1, 1_000_000).exactOptional(),
}).refine(
  ({ seconds, megabytes }) => seconds !== undefined || megabytes !== undefined,
  withError('must have "seconds" or "megabytes" or both'),
);

export const sinkId = z
  .guid(withError('must be the UUID in the file sink-id of the previous directory'))
  .toLowerCase();

export const guid = z
  .guid(withError('must be a GUID such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301'))
  .toLowerCase();
/** An empty list would lock everybody out, which nobody means. */
export const guidList = z.array(guid).min(1, withError('must not be empty: omit it to allow all'));

/** A list, or text with commas. */
export const listOfGuids = z
  .union([z.string().transform((given) => given.split(',').map((each) => each.trim())), z.array(z.string())])
  .pipe(z.array(guid).min(1, withError('must name at least one tenant')))
  .transform((tenants) => [...new Set(tenants)].sort());

/** A date begins at midnight, UTC; ms since the epoch. */
export const moment = z
  .union(
    [z.iso.date(), z.iso.datetime({ offset: true })],
    withError(
      'must be a date such as 2026-12-31, which begins at 00:00 UTC, or a time such as 2026-12-31T18:00:00Z (RFC 3339)',
    ),
  )
  .transform((given) => Date.parse(given));

const callerId = z
  .string()
  .toLowerCase()
  .refine(
    (given) => given.split('/').length <= 2 && given.split('/').every((id) => z.guid().safeParse(id).success),
    withError('must be the id of an application, or of a tenant and an application: <tenant>/<app>'),
  );
export const callerList = z.array(callerId).min(1, withError('must not be empty: omit it to allow all'));

const algorithms = z
  .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']))
  .min(1);

/** The `iss` claim of tokens. http would be nobody's, but for an issuer on this machine. */
const issuerName = text.superRefine((given, context) => {
  const entra = unusableEntraIssuer(given);
  if (entra !== undefined) context.addIssue(entra);
  else if (/^http:/i.test(given) && !isSecure(given))
    context.addIssue('must be https: an issuer is compared letter by letter, and issuers have https URLs');
});

export const issuer = strictObject({
  issuer: issuerName,
  audience: z.union([text, z.array(text).min(1)], withError('must be text or a list of texts, not empty')),
  jwksUri: secureUrl,
  tenants: guidList.exactOptional(),
  apps: guidList.exactOptional(),
  roles: z.array(text).exactOptional(),
  algorithms: algorithms.exactOptional(),
});

const claimName = z
  .string()
  .regex(/^[\w:./-]{1,100}$/, withError('must be the name of a claim, such as "tenants"'));

export const operatorIssuer = strictObject({
  issuer: issuerName,
  audience: z.union([text, z.array(text).min(1)], withError('must be text or a list of texts, not empty')),
  jwksUri: secureUrl,
  tenants: guidList.exactOptional(),
  tenantsClaim: claimName.exactOptional(),
  subjectClaim: claimName.exactOptional(),
  algorithms: algorithms.exactOptional(),
});

const botId = z.guid(withError('must be the application id of a bot, which is a GUID')).toLowerCase();

export const notificationIssuer = strictObject({
  issuer: issuerName,
  audience: z.union(
    [botId, z.array(botId).min(1)],
    withError('must be the application id of a bot or a list of such ids, not empty'),
  ),
  jwksUri: secureUrl.exactOptional(),
  metadataUri: secureUrl.exactOptional(),
  tenants: guidList.exactOptional(),
  apps: z.array(guid).exactOptional(),
  algorithms: algorithms.exactOptional(),
}).superRefine(({ jwksUri, metadataUri }, context) => {
  if ((jwksUri === undefined) === (metadataUri === undefined))
    context.addIssue('must have either "jwksUri" or "metadataUri"');
});
