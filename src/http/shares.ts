import { counters, takeAll, type Part, type Release } from './counters.ts';

/** For whom a request for Graph is counted. */
export interface Share {
  /** A tenant and an application, or the address of a client. */
  readonly name: string;
  /** Whether the name is proven: by a token that was verified, or that Graph has accepted. */
  readonly proven: boolean;
}

/**
 * `kept`: stops, hang-ups and keepAlives of calls that are known here, which have as much room again for themselves.
 * `common`: everything else, of which what is not proven may take half.
 */
export type Lane = 'kept' | 'common';

/** Takes a share of something, or says what there is no room for. */
export type TakeShare = (share: Share, lane: Lane, amount?: number) => Release | string;

const ofAll = 'limit of the instance';
const ofAllUnproven = 'limit of all callers whose token Graph has not accepted yet';
/** A lack that no caller alone is the cause of. */
export const isOfAll = (lack: string): boolean => lack === ofAll || lack === ofAllUnproven;
const ofOne = ({ proven }: Share): string =>
  proven ? 'limit of this application' : 'limit of this client address';

/**
 * Whatever is configured, nobody has more than half, nor have all who are not proven together: the rest is there for the
 * others. One address has a quarter of the latter.
 */
export function shares(total: number, perCaller: number): TakeShare {
  const half = Math.ceil(total / 2);
  const common = {
    all: counters(total),
    each: counters(Math.min(perCaller, half)),
    unproven: counters(half),
    eachUnproven: counters(Math.min(perCaller, Math.ceil(half / 4))),
  };
  const kept = { all: counters(total), each: counters(half) };
  return (share, lane, amount) => {
    const lack = ofOne(share);
    if (lane === 'kept')
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
}

/** How long one that waited in vain should wait before it asks again, ms. */
export const retryAfterMs = 1000;

interface Waiting {
  readonly share: Share;
  readonly lane: Lane;
  /** Those of one caller, in the order in which they came. */
  readonly queue: ((release: Release) => void)[];
}

/** Resolves with the way to give the turn back; undefined: it did not come in time. */
export type TakeTurn = (share: Share, lane: Lane) => Promise<Release | undefined>;

/** The same shares for those who wait for them, at most `waitMs`: callers take turns, however many each has waiting. */
export function turns(take: TakeShare, waitMs: number): TakeTurn {
  const waiting = new Map<string, Waiting>();
  const keyOf = (share: Share, lane: Lane): string => `${lane} ${String(share.proven)} ${share.name}`;

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
      const release = take(callers.share, callers.lane);
      if (typeof release === 'string') continue;
      waiting.delete(key);
      const [first, ...others] = callers.queue;
      if (others.length > 0) waiting.set(key, { ...callers, queue: others });
      first?.(ending(release));
    }
  }

  return (share, lane) => {
    const key = keyOf(share, lane);
    const before = waiting.get(key);
    const release = before === undefined ? take(share, lane) : 'earlier requests of this caller are waiting';
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
      waiting.set(key, { share, lane, queue: [...(before?.queue ?? []), granted] });
    });
  };
}
