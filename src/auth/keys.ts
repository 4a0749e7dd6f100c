import {
  createLocalJWKSet,
  type CryptoKey,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose';
import { Fault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Fetch } from './fetch.ts';
import type { KeySource } from './key-source.ts';

const minute = 60_000;
const reloadEveryMs = 10 * minute;
/** Without a successful fetch for so long, the keys are not believed any more. */
const staleAfterMs = 24 * 60 * minute;
/** How often an unknown key id may cause a fetch. */
const refreshCooldownMs = 30_000;
/** How long at most until keys that have never been fetched are asked for again. */
const longestWaitMs = 15_000;
/** How long a failed fetch is not repeated. */
export const failureCooldownMs = 5000;

type FindKey = (header?: JWSHeaderParameters, token?: FlattenedJWSInput) => Promise<CryptoKey>;

/** The keys published at one place. */
export interface KeySet {
  /** Throws `IssuerUnreachable` when the answer is not known, an error of jose when there is no such key. */
  readonly find: FindKey;
  /** Whether they have ever been fetched. */
  readonly isKnown: () => boolean;
  /** Fetches the keys before anybody asks for one; a failure is logged, and it is tried until they are known. */
  prefetch(): void;
  close(): void;
}

interface KeySetOptions {
  readonly fetch: Fetch;
  /** Wall clock, ms. */
  readonly now: () => number;
  /** Called in the same step in which other keys take the place of known ones. */
  readonly onChange: () => void;
  readonly log: Log | undefined;
  /** Hears of each fetch. */
  readonly fetched: (ok: boolean) => void;
}

/**
 * jose's own remote key set forgets known keys when the server is down for longer than its cache lives, and then
 * asks again for every token. This one keeps them for a day, and asks at a bounded rate.
 */
export function createKeySet(
  source: KeySource,
  { fetch, now, onChange, log, fetched }: KeySetOptions,
): KeySet {
  let known: { readonly find: FindKey; readonly content: string } | undefined;
  let fetchedAt = -Infinity;
  let failedAt = -Infinity;
  let pending: Promise<FindKey> | undefined;

  /** A time in the future means that the clock was set back: it counts as long ago. */
  const within = (ms: number, at: number): boolean => now() >= at && now() - at < ms;

  async function load(): Promise<FindKey> {
    try {
      const content = await source.download(fetch);
      const before = known;
      const find =
        before?.content === content ? before.find : createLocalJWKSet(JSON.parse(content) as JSONWebKeySet);
      fetchedAt = now();
      fetched(true);
      if (before?.content === content) return find;
      known = { find, content };
      if (before !== undefined) onChange();
      log?.info(
        { keys: source.name },
        before === undefined ? 'signing keys fetched' : 'signing keys changed',
      );
      return find;
    } catch (error) {
      failedAt = now();
      fetched(false);
      const why = messageOf(error);
      log?.warn({ keys: source.name, error: why }, 'the signing keys could not be fetched');
      throw new Fault('IssuerUnreachable', `no signing keys: ${why}`, { cause: error });
    }
  }

  function refresh(): Promise<FindKey> {
    pending ??= load().finally(() => {
      pending = undefined;
    });
    return pending;
  }

  async function refreshOrRest(): Promise<FindKey> {
    if (within(failureCooldownMs, failedAt))
      throw new Fault('IssuerUnreachable', 'the last request to the key server failed');
    return refresh();
  }

  const reload = (): void => {
    // The failure is logged and remembered where it happens.
    refresh().catch(() => undefined);
  };
  const timer = setInterval(reload, reloadEveryMs).unref();

  let retry: NodeJS.Timeout | undefined;
  let isClosed = false;
  const fetchUntilKnown = (waitMs: number): void => {
    refresh().catch(() => {
      if (known === undefined && !isClosed)
        retry = setTimeout(() => fetchUntilKnown(Math.min(2 * waitMs, longestWaitMs)), waitMs).unref();
    });
  };

  return {
    async find(header, token) {
      const believed = within(staleAfterMs, fetchedAt) ? known : undefined;
      const find = believed?.find ?? (await refreshOrRest());
      try {
        return await find(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || within(refreshCooldownMs, fetchedAt)) throw error;
        return (await refreshOrRest())(header, token);
      }
    },
    isKnown: () => known !== undefined,
    prefetch: () => fetchUntilKnown(failureCooldownMs),
    close() {
      isClosed = true;
      clearInterval(timer);
      clearTimeout(retry);
    },
  };
}
