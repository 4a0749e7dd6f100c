import type { Binding } from '../core/call/state.ts';
import { type Decision, grant, type Refusal, refuse } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { Fetch } from './fetch.ts';
import { type ClientConfig, tokenRequest } from './token-request.ts';

/** A client of Entra whose Graph tokens the proxy uses for the callers it lists. */
export interface GraphCredentialConfig extends Omit<ClientConfig, 'scope'> {
  /** Default `https://graph.microsoft.com/.default`. */
  readonly scope?: string;
  /** Callers that may use it; an absent list means all. An application may stand behind its tenant: `tenant/app`. */
  readonly tenants?: readonly string[];
  readonly apps?: readonly string[];
}

export interface GraphCredentials {
  /** A Graph token for a caller, without its scheme. */
  tokenFor(who: Binding): Promise<Decision<string>>;
  /**
   * Another token than one that Graph has refused before it expired, by revocation for example. undefined, at once or in
   * the end: there is none to try.
   */
  replace(who: Binding, refused: string): Promise<string | undefined> | undefined;
  /** Fetches a token of each client now; tries until there is one. */
  prefetch(): void;
  /** Asks for a token of each client that has none, once; returns what `missing` does then. */
  obtain(): Promise<readonly string[]>;
  /** Clients for which no token was ever obtained, with what was in the way. */
  missing(): readonly string[];
  close(): void;
}

export interface GraphCredentialsOptions {
  readonly fetch: Fetch;
  /** Wall clock, ms; default `Date.now`. */
  readonly now?: () => number;
  readonly log?: Log;
  readonly meter?: Pick<Meter, 'graphCredentialRequest'>;
}

interface Token {
  readonly value: string;
  readonly refreshAt: number;
  readonly expiresAt: number;
}

const graphScope = 'https://graph.microsoft.com/.default';
const refreshBeforeMs = 5 * 60_000;
const refreshBeforeShare = 0.1;
/** How long a failed request is not repeated. */
const failureCooldownMs = 1000;
/** A Graph that refuses every token must not become a flood of requests for tokens. */
const replacementCooldownMs = 5000;
/** How long at most until a token that was never obtained is asked for again. */
const longestWaitMs = 15_000;

interface Entry {
  readonly clientId: string;
  readonly mayUse: (who: Binding) => boolean;
  readonly source: TokenSource;
  /** Why no token was ever obtained; undefined: one was. */
  obstacle?: string | undefined;
  retry?: NodeJS.Timeout;
}

/** Under which name the metrics know a client. */
export const clientName = ({ clientId, tokenEndpoint }: GraphCredentialConfig): string =>
  `${clientId} ${tokenEndpoint}`;

/** OAuth 2.0 client credentials (RFC 6749, 4.4). Throws `ConfigurationInvalid`. */
export function createGraphCredentials(
  config: readonly GraphCredentialConfig[],
  options: GraphCredentialsOptions,
): GraphCredentials {
  const entries = config.map((each): Entry => ({
    clientId: each.clientId,
    mayUse: callersOf(each),
    source: tokenSource(each, options),
    obstacle: 'no access token has been obtained yet',
  }));
  let isClosed = false;
  const tokenOf = async (entry: Entry): Promise<Decision<string>> => {
    const token = await entry.source.token();
    if (token.ok) entry.obstacle = undefined;
    else if (entry.obstacle !== undefined) entry.obstacle = token.detail ?? token.reason;
    return token;
  };
  const fetchUntilObtained = async (entry: Entry, waitMs: number): Promise<void> => {
    const { ok } = await tokenOf(entry);
    if (ok || isClosed) return;
    const again = (): void => void fetchUntilObtained(entry, Math.min(2 * waitMs, longestWaitMs));
    entry.retry = setTimeout(again, waitMs).unref();
  };
  const missing = (): string[] =>
    entries.flatMap(({ clientId, obstacle }) =>
      obstacle === undefined ? [] : [`no Graph access token for client ${clientId}: ${obstacle}`],
    );
  const entryFor = (who: Binding): Entry | undefined => entries.find(({ mayUse }) => mayUse(who));
  return {
    tokenFor(who) {
      const entry = entryFor(who);
      return entry === undefined ? Promise.resolve(refuse('GraphCredentialMissing')) : tokenOf(entry);
    },
    replace: (who, refused) => entryFor(who)?.source.replace(refused),
    prefetch() {
      for (const entry of entries) void fetchUntilObtained(entry, failureCooldownMs);
    },
    async obtain() {
      await Promise.all(entries.map(tokenOf));
      return missing();
    },
    missing,
    close() {
      isClosed = true;
      for (const { retry } of entries) clearTimeout(retry);
    },
  };
}

function callersOf({ tenants, apps }: GraphCredentialConfig): (who: Binding) => boolean {
  const lists = { tenants: lowerCase(tenants), apps: lowerCase(apps) };
  return ({ tenant, app }) =>
    (lists.tenants?.includes(tenant) ?? true) &&
    (lists.apps?.some((each) => each === app || each === `${tenant}/${app}`) ?? true);
}

const lowerCase = (list: readonly string[] | undefined): string[] | undefined =>
  list?.map((value) => value.toLowerCase());

interface TokenSource {
  token(): Promise<Decision<string>>;
  replace(refused: string): Promise<string | undefined> | undefined;
}

/**
 * One client's token: fetched once for all who wait, renewed in the background while it is still good, so that
 * neither a slow nor a failing token endpoint is noticed before the last token has expired.
 */
function tokenSource(
  config: GraphCredentialConfig,
  { fetch, now = () => Date.now(), log, meter }: GraphCredentialsOptions,
): TokenSource {
  const request = tokenRequest({ scope: graphScope, ...config }, fetch);
  const requested = (ok: boolean): void => meter?.graphCredentialRequest(clientName(config), ok);
  let current: Token | undefined;
  let failure: { readonly at: number; readonly refusal: Refusal } | undefined;
  let pending: Promise<Decision<string>> | undefined;
  let replacedAt: number | undefined;

  async function renew(): Promise<Decision<string>> {
    // The lifetime counts from before the request: the answer may have taken long.
    const asked = now();
    try {
      const { value, lifetimeMs } = await request();
      const early = Math.min(refreshBeforeMs, lifetimeMs * refreshBeforeShare);
      current = { value, expiresAt: asked + lifetimeMs, refreshAt: asked + lifetimeMs - early };
      failure = undefined;
      requested(true);
      return grant(value);
    } catch (error) {
      const detail = messageOf(error);
      requested(false);
      log?.warn(
        { client: config.clientId, endpoint: config.tokenEndpoint, error: detail },
        'could not obtain a Graph access token',
      );
      failure = {
        at: now(),
        refusal: refuse('GraphCredentialUnavailable', { detail, retryAfterMs: failureCooldownMs }),
      };
      return failure.refusal;
    }
  }

  function renewOnce(): Promise<Decision<string>> {
    const sinceFailure = failure === undefined ? Infinity : now() - failure.at;
    if (failure !== undefined && sinceFailure >= 0 && sinceFailure < failureCooldownMs)
      return Promise.resolve(failure.refusal);
    pending ??= renew().finally(() => {
      pending = undefined;
    });
    return pending;
  }

  /** The old token stays until there is another: its refusal may have been about one request only. */
  async function renewed(refused: string): Promise<string | undefined> {
    const fresh = await renewOnce();
    if (!fresh.ok) replacedAt = undefined;
    return fresh.ok && fresh.value !== refused ? fresh.value : undefined;
  }

  return {
    token() {
      if (current === undefined || now() >= current.expiresAt) return renewOnce();
      // `renew` never rejects: its failure is a value, and here nobody waits for it.
      if (now() >= current.refreshAt) void renewOnce();
      return Promise.resolve(grant(current.value));
    },
    replace(refused) {
      if (current !== undefined && current.value !== refused) return Promise.resolve(current.value);
      if (pending !== undefined) return renewed(refused);
      const since = replacedAt === undefined ? Infinity : now() - replacedAt;
      if (since >= 0 && since < replacementCooldownMs) return undefined;
      replacedAt = now();
      log?.warn(
        { client: config.clientId },
        'Graph refused an access token that has not expired; requesting a new one',
      );
      return renewed(refused);
    },
  };
}
