import { counters, takeAll, type Part, type Release } from './counters.ts';

/** The caller against whose share a request to Graph counts. */
export interface Share {
  /** A tenant and an application, or the address of a client. */
  readonly name: string;
  /** Whether the name is proven: by a token that was verified, or that Graph has accepted. */
  readonly proven: boolean;
}

/**
 * `kept`: reserved capacity for stops, hang-ups and keepAlives of known calls, as large as the common one. `common`:
 * everything else; unverified callers together may use half of it.
 */
export type Pool = 'kept' | 'common';

/** Takes capacity for a caller, or returns the text of the limit that is exhausted. */
export type TakeShare = (share: Share, pool: Pool, amount?: number) => Release | string;

export interface Shares extends TakeShare {
  /** How much is taken of a pool, by all callers. */
  total(pool: Pool): number;
}

const ofAll = 'limit of the instance';
const ofAllUnproven = 'limit of all callers whose token Graph has not accepted yet';
/** Whether a limit is shared by all callers, so that no single caller exhausted it. */
export const isSharedLimit = (lack: string): boolean => lack === ofAll || lack === ofAllUnproven;
const ofOne = ({ proven }: Share): string =>
  proven ? 'limit of this application' : 'limit of this client address';

/**
 * Capacity shared by callers. Whatever is configured, no caller may use more than half, nor may all unverified
 * callers together; one client address may use a quarter of the latter half.
 */
export function shares(total: number, perCaller: number): Shares {
  const half = Math.ceil(total / 2);
  const common = {
    all: counters(total),
    each: counters(Math.min(perCaller, half)),
    unproven: counters(half),
    eachUnproven: counters(Math.min(perCaller, Math.ceil(half / 4))),
  };
  const kept = { all: counters(total), each: counters(half) };
  const take: TakeShare = (share, pool, amount) => {
    const lack = ofOne(share);
    if (pool === 'kept')
      return takeAll(
        [
          [kept.each, share.name, lack],
          [kept.all, '', ofAll],
        ],
        amount,
      );
    const own: readonly Part[] = share.proven
      ? [[common.each, share.name, lack]]
      : [
          [common.eachUnproven, share.name, lack],
          [common.unproven, '', ofAllUnproven],
        ];
    return takeAll([...own, [common.all, '', ofAll]], amount);
  };
  return Object.assign(take, { total: (pool: Pool) => (pool === 'kept' ? kept : common).all.total() });
}

/** Retry-After for a caller that waited in vain, ms. */
export const retryAfterMs = 1000;

interface Waiting {
  readonly share: Share;
  readonly pool: Pool;
  /** Those of one caller, in the order in which they came. */
  readonly queue: ((release: Release) => void)[];
}

/** Resolves with the function that releases the turn; undefined: no turn became free in time. */
export type TakeTurn = (share: Share, pool: Pool) => Promise<Release | undefined>;

/**
 * The same shares with a queue: requests wait at most `waitMs`, and callers take turns, however many requests each
 * has queued.
 */
export function turns(take: TakeShare, waitMs: number): TakeTurn {
  const waiting = new Map<string, Waiting>();
  const keyOf = (share: Share, pool: Pool): string => `${pool} ${String(share.proven)} ${share.name}`;

  function ending(release: Release): Release {
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      release();
      next();
    };
  }

  /** Whoever is served goes to the end of the line. */
  function next(): void {
    for (const [key, callers] of [...waiting]) {
      const release = take(callers.share, callers.pool);
      if (typeof release === 'string') continue;
      waiting.delete(key);
      const [first, ...others] = callers.queue;
      if (others.length > 0) waiting.set(key, { ...callers, queue: others });
      first?.(ending(release));
    }
  }

  return (share, pool) => {
    const key = keyOf(share, pool);
    const before = waiting.get(key);
    const release = before === undefined ? take(share, pool) : 'earlier requests of this caller are waiting';
    if (typeof release !== 'string') return Promise.resolve(ending(release));
    return new Promise((resolve) => {
      const granted = (given: Release): void => {
        clearTimeout(timer);
        resolve(given);
      };
      const timer = setTimeout(() => {
        const callers = waiting.get(key);
        const queue = callers?.queue.filter((one) => one !== granted) ?? [];
        if (callers !== undefined && queue.length > 0) waiting.set(key, { ...callers, queue });
        else waiting.delete(key);
        resolve(undefined);
      }, waitMs);
      timer.unref();
      waiting.set(key, { share, pool: pool, queue: [...(before?.queue ?? []), granted] });
    });
  };
}
