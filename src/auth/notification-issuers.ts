import type { JWTPayload } from 'jose';
import { claimedBinding } from '../core/http/bearer.ts';
import type { Binding } from '../core/call/state.ts';
import { grant } from '../core/decision.ts';
import { Fault } from '../core/errors.ts';
import { checkIssuer, listMatcher, notAllowed } from './issuers.ts';
import { keysAt, keysOfMetadata, type KeySource } from './key-source.ts';
import { invalid, type TrustedIssuer } from './token-verifier.ts';

/** Who signs Graph's notifications in one cloud, and for which bots. */
export interface NotificationIssuerConfig {
  /** The `iss` claim, exactly. */
  readonly issuer: string;
  /** Application ids of the bots; only GUIDs, so that a meeting join token (for a URL) never passes. */
  readonly audience: string | readonly string[];
  /** Where the keys are; or else `metadataUri`. */
  readonly jwksUri?: string;
  /** OpenID metadata, whose `jwks_uri` must be at the same origin. */
  readonly metadataUri?: string;
  /** Tenants (`tid`) whose calls are notified; absent: all. */
  readonly tenants?: readonly string[];
  /**
   * Applications (`appid` or `azp`) that notify; absent: the Skype Teams Calling API Service; an empty list: not
   * checked, which is safe only if this issuer signs no other token for these bots.
   */
  readonly apps?: readonly string[];
  /** Signature algorithms, asymmetric ones only; absent: RS256. */
  readonly algorithms?: readonly string[];
}

/** The Skype Teams Calling API Service, which sends the notifications of Graph's calls. */
export const callingService = '26a18ebc-cdf7-4a6a-91cb-beb352805e81';

/** Not only the issuer of notifications, but also the audience of every meeting join token. */
const joinTokenAudience = 'https://api.botframework.com';
/** Tokens of notifications live for minutes, or an hour at most; a meeting join token lives for 24 hours. */
const maxLifetimeSeconds = 2 * 3600;

const isGuid = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);

/** Checks a configured issuer; throws `ConfigurationInvalid`. */
export function readNotificationIssuer(config: NotificationIssuerConfig): TrustedIssuer<Binding> {
  const { issuer, tenants, apps = [callingService], algorithms = ['RS256'] } = config;
  const audience = [config.audience].flat().map((id) => id.toLowerCase());
  checkIssuer(issuer, audience, algorithms);
  if (!audience.every(isGuid))
    throw new Fault(
      'ConfigurationInvalid',
      `notification issuer ${issuer}: an audience is not the application id of a bot`,
    );
  const mayNotify = { tenant: listMatcher(tenants), app: listMatcher(apps) };

  return {
    issuer,
    audience,
    algorithms: [...algorithms],
    // Not `iat`: tokens of notifications have none.
    requiredClaims: ['exp', 'nbf'],
    keys: keySource(config),
    instead: lookAlike,
    judge(claims) {
      const other = lookAlike(claims);
      if (other !== undefined) return invalid(other);
      const { tid, aud } = claims;
      // The audience is the bot that the notification is for, so it must be one.
      if (typeof aud !== 'string') return invalid('it has several audiences (aud)');
      const checked = apps.length > 0;
      const named = claimedBinding(checked ? claims : { tid, azp: aud });
      if (!named.ok) return named;
      const { tenant, app } = named.value;
      if (!mayNotify.tenant(tenant)) return notAllowed('tenant (tid)');
      if (checked && !mayNotify.app(app)) return notAllowed('calling service (azp or appid)');
      return grant({ tenant, app: aud });
    },
  };
}

function keySource({ issuer, jwksUri, metadataUri }: NotificationIssuerConfig): KeySource {
  if (jwksUri !== undefined && metadataUri === undefined) return keysAt(issuer, jwksUri);
  if (metadataUri !== undefined && jwksUri === undefined) return keysOfMetadata(issuer, metadataUri);
  throw new Fault(
    'ConfigurationInvalid',
    `notification issuer ${issuer} needs either jwksUri or metadataUri`,
  );
}

/** Other tokens of the same issuer, some for the same bot. */
function lookAlike(claims: JWTPayload): string | undefined {
  if (Object.keys(claims).some((name) => name.toLowerCase() === 'serviceurl'))
    return 'it is a Bot Framework message token (serviceurl), not a notification token';
  if ([claims.aud].flat().includes(joinTokenAudience))
    return `it is a meeting join token (aud is ${joinTokenAudience}), not a notification token`;
  if (Object.hasOwn(claims, 'scp'))
    return 'it is a user token (scp), not a token of the service that sends notifications';
  const { exp, nbf } = claims;
  if (exp !== undefined && nbf !== undefined && exp - nbf > maxLifetimeSeconds)
    return 'it is valid for more than two hours (nbf, exp); notification tokens are not';
  return undefined;
}
