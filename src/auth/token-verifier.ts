import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { sha256 } from '../core/call/evidence.ts';
import { type Decision, grant, type Refusal, refuse } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { entraVersionMismatch } from './entra-versions.ts';
import type { Fetch } from './fetch.ts';
import type { KeySource } from './key-source.ts';
import { createKeySet, failureCooldownMs, type KeySet } from './keys.ts';

/** Whose tokens are accepted, for whom, and what a good one stands for. */
export interface TrustedIssuer<T> {
  /** The `iss` claim, exactly. */
  readonly issuer: string;
  readonly audience: string[];
  readonly algorithms: string[];
  readonly requiredClaims: string[];
  readonly keys: KeySource;
  /** What is left to check once the signature, the audience and the times were good. */
  judge(claims: JWTPayload, token: string): Decision<T>;
  /** What a token of this issuer is instead, if its claims are not the ones expected. */
  readonly instead?: (claims: JWTPayload) => string | undefined;
}

export interface VerifierOptions {
  readonly fetch: Fetch;
  /** Wall clock, ms; default `Date.now`. */
  readonly now?: () => number;
  /** How far clocks may be apart; default 30. */
  readonly clockToleranceSeconds?: number;
  /** How many verified tokens are remembered; default 10 000. */
  readonly remember?: number;
  readonly log?: Log;
  readonly meter?: Pick<Meter, 'keySetFetch'>;
  /** Calls back when tokens that were verified before must be judged anew; returns the way to stop. */
  readonly onForget?: (forget: () => void) => () => void;
}

export interface TokenVerifier<T> {
  verify(token: string): Promise<Decision<T>>;
  /** Fetches all keys now, so that the first token need not wait for them; tries until they are known. */
  prefetch(): void;
  /** Issuers whose keys have never been fetched. */
  missingKeys(): readonly string[];
  close(): void;
}

type Trusted<T> = Omit<TrustedIssuer<T>, 'keys'> & { readonly keys: KeySet };

/** How far clocks may be apart, seconds, unless the options say otherwise. */
export const usualClockToleranceSeconds = 30;

const maxTokenLength = 16 * 1024;
/** How long a verified token is believed without another look, unless it expires before. */
const rememberMs = 5 * 60_000;

/** Verifies signed tokens of one kind; two kinds never share what they remember (docs/design/callers.md). */
export function createTokenVerifier<T>(
  issuers: readonly TrustedIssuer<T>[],
  options: VerifierOptions,
): TokenVerifier<T> {
  const {
    fetch,
    clockToleranceSeconds = usualClockToleranceSeconds,
    remember = 10_000,
    log,
    meter,
  } = options;
  const now = options.now ?? (() => Date.now());
  /** By SHA-256 of the exact token, so that no token is kept. */
  const remembered = new LRUCache<string, { value: T; until: number }>({ max: remember });
  const underWay = new Map<string, Promise<Decision<T>>>();
  let generation = 0;

  /** A key that was withdrawn, or a token that was revoked, must not live on in what was verified. */
  const onChange = (): void => {
    generation += 1;
    remembered.clear();
    underWay.clear();
  };
  const stopForgetting = options.onForget?.(onChange);
  const keySets = new Map<string, KeySet>();
  const trusted = issuers.map((issuer): Trusted<T> => {
    // One set per issuer and source: no issuer's keys ever answer for another.
    const place = JSON.stringify([issuer.issuer, issuer.keys.name]);
    const fetched = (ok: boolean): void => meter?.keySetFetch(place, ok);
    const keys = keySets.get(place) ?? createKeySet(issuer.keys, { fetch, now, onChange, log, fetched });
    keySets.set(place, keys);
    return { ...issuer, keys };
  });

  async function verifyFor(
    issuer: Trusted<T>,
    token: string,
  ): Promise<Decision<{ readonly value: T; readonly expiresAt: number }>> {
    let claims: JWTPayload;
    try {
      ({ payload: claims } = await jwtVerify(token, issuer.keys.find, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: issuer.algorithms,
        requiredClaims: issuer.requiredClaims,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now()),
      }));
    } catch (error) {
      return refusalFor(error, issuer, log);
    }
    const judged = issuer.judge(claims, token);
    return judged.ok ? grant({ value: judged.value, expiresAt: Number(claims.exp) * 1000 }) : judged;
  }

  const warned = new Set<string>();
  function ofUnknownIssuer(issuer: string | undefined): Refusal {
    const names = trusted.map((each) => each.issuer);
    const version = entraVersionMismatch(issuer, names);
    if (version === undefined) return invalid('its issuer (iss) is not configured');
    // Such a token is unverified: however many come, each configuration mistake is logged once.
    if (!warned.has(version)) log?.warn({ configured: names }, `a token was refused: ${version}`);
    warned.add(version);
    return invalid(version);
  }

  async function verifyAnew(token: string, name: string): Promise<Decision<T>> {
    const issuer = unverifiedIssuer(token);
    const candidates = trusted.filter((each) => each.issuer === issuer);
    if (candidates.length === 0) return ofUnknownIssuer(issuer);
    const begun = generation;
    const refusals: Refusal[] = [];
    for (const candidate of candidates) {
      const verified = await verifyFor(candidate, token);
      if (verified.ok) {
        const { value, expiresAt } = verified.value;
        if (generation === begun)
          remembered.set(name, { value, until: Math.min(expiresAt, now() + rememberMs) });
        return grant(value);
      }
      refusals.push(verified);
    }
    return mostTelling(refusals);
  }

  function verify(token: string): Promise<Decision<T>> {
    if (token.length > maxTokenLength) return Promise.resolve(invalid('it is longer than 16 KiB'));
    const name = sha256(token);
    const known = remembered.get(name);
    if (known !== undefined && now() < known.until) return Promise.resolve(grant(known.value));
    const joined = underWay.get(name);
    if (joined !== undefined) return joined;
    const verifying = verifyAnew(token, name).finally(() => {
      if (underWay.get(name) === verifying) underWay.delete(name);
    });
    underWay.set(name, verifying);
    return verifying;
  }

  return {
    verify,
    prefetch() {
      for (const keys of keySets.values()) keys.prefetch();
    },
    missingKeys: () => [
      ...new Set(trusted.filter(({ keys }) => !keys.isKnown()).map(({ issuer }) => issuer)),
    ],
    close() {
      stopForgetting?.();
      for (const keys of keySets.values()) keys.close();
    },
  };
}

export const invalid = (detail: string): Refusal => refuse('TokenInvalid', { detail });

function unverifiedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/** When several configurations of one issuer refuse, the one that came closest to a grant explains it. */
const closeness: readonly ReasonCode[] = [
  'TokenRevoked',
  'TokenExpired',
  'CannotVerify',
  'TokenNotAllowed',
  'TokenInvalid',
];

function mostTelling(refusals: readonly Refusal[]): Refusal {
  const rank = ({ reason }: Refusal): number => closeness.indexOf(reason);
  return refusals.reduce((best, next) => (rank(next) < rank(best) ? next : best));
}

/** What jose throws for a token that is bad; anything else it throws means that keys or server are bad. */
const badToken: readonly (readonly [new (...args: never[]) => Error, string])[] = [
  [errors.JWSSignatureVerificationFailed, 'the signature is not valid'],
  [errors.JWKSNoMatchingKey, 'its issuer has no key with this id (kid)'],
  [errors.JWKSMultipleMatchingKeys, 'it does not identify its signing key (kid)'],
  [errors.JOSEAlgNotAllowed, 'the signature algorithm (alg) is not accepted'],
  [errors.JOSENotSupported, 'its header requires an unsupported feature'],
  [errors.JWSInvalid, 'it is not a signed JWT'],
  [errors.JWTInvalid, 'its claims cannot be parsed'],
];

function refusalFor(
  error: unknown,
  { instead }: Pick<Trusted<unknown>, 'instead'>,
  log: Log | undefined,
): Refusal {
  if (error instanceof errors.JWTExpired) return refuse('TokenExpired');
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalid(instead?.(error.payload) ?? claimDetail(error));
  const known = badToken.find(([type]) => error instanceof type);
  if (known !== undefined) return invalid(known[1]);
  // The key set says by itself, and not for every token, that it cannot be fetched.
  if (!isFault(error, 'IssuerUnreachable'))
    log?.error({ error: messageOf(error) }, 'a published signing key cannot be used');
  return refuse('CannotVerify', { retryAfterMs: failureCooldownMs });
}

function claimDetail({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason !== 'check_failed') return `the claim ${claim} is ${reason}`;
  return claim === 'nbf'
    ? 'it is not valid yet (nbf)'
    : `the claim ${claim} does not have the expected value`;
}
