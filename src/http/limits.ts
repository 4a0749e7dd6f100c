import { LRUCache } from 'lru-cache';
import type { CallKey } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import { grant, refuse, type Decision, type Refusal } from '../core/decision.ts';
import type { BodyLimit } from './body.ts';

/** How much one instance takes on; whole numbers. */
export interface LimitSizes {
  /** Uploads at a time: of one call, of one caller (tenant and application), of all. */
  readonly maxUploadsPerCall: number;
  readonly maxUploadsPerCaller: number;
  readonly maxUploads: number;
  /** Requests of one caller for calls of which this instance knows nothing, each of which asks the store. */
  readonly unknownCallsPerSecond: number;
  /** Requests for Graph, and notifications, at a time. */
  readonly maxControlRequests: number;
  readonly maxNotifications: number;
  /** Bodies that are read here: the JSON of status changes and the like, and notifications. */
  readonly maxBodyBytes: number;
  readonly maxNotificationBytes: number;
  readonly bodyTimeoutMs: number;
}

/** Gives back what was taken; once. */
export type Release = () => void;

export interface Limits {
  /** Bodies that are judged. */
  readonly json: BodyLimit;
  /** Notifications, and the bodies of answers. */
  readonly notificationBody: BodyLimit;
  readonly upload: (call: CallKey, who: Binding) => Decision<Release>;
  readonly controlRequest: () => Decision<Release>;
  readonly notification: () => Decision<Release>;
  /** Asked before the store is: whether too many of the calls that were looked up for them lately were not theirs. */
  readonly unknownCall: (who: Binding) => Refusal | undefined;
  /** A call that was looked up for them is nobody's, or somebody else's. */
  readonly unknownCallFound: (who: Binding) => void;
}

const retryAfterMs = 1000;
/** Callers whose rate is remembered; a forgotten one begins anew. */
const rememberedCallers = 10_000;

export function createLimits(sizes: LimitSizes, now: () => number): Limits {
  const perCall = counters(sizes.maxUploadsPerCall);
  const perCaller = counters(sizes.maxUploadsPerCaller);
  const uploads = counters(sizes.maxUploads);
  const control = counters(sizes.maxControlRequests);
  const notifications = counters(sizes.maxNotifications);
  const rate = tokenBuckets(sizes.unknownCallsPerSecond, now);
  const one = (take: Take) => (): Decision<Release> => {
    const release = take('');
    return release === undefined ? refuse('Overloaded', { retryAfterMs }) : grant(release);
  };
  const withinMs = sizes.bodyTimeoutMs;
  return {
    json: { maxBytes: sizes.maxBodyBytes, withinMs },
    notificationBody: { maxBytes: sizes.maxNotificationBytes, withinMs },
    upload(call, who) {
      const all = [
        [perCall, call, 'of this call'],
        [perCaller, nameOf(who), 'of this application'],
        [uploads, '', 'of all'],
      ] as const;
      const taken: Release[] = [];
      const release = (): void => {
        for (const give of taken.splice(0)) give();
      };
      for (const [take, name, detail] of all) {
        const give = take(name);
        if (give === undefined) {
          release();
          return refuse('TooManyUploads', { detail, retryAfterMs });
        }
        taken.push(give);
      }
      return grant(release);
    },
    controlRequest: one(control),
    notification: one(notifications),
    unknownCall: (who) =>
      rate.left(nameOf(who)) >= 1 ? undefined : refuse('TooManyUnknownCalls', { retryAfterMs }),
    unknownCallFound: (who) => rate.take(nameOf(who)),
  };
}

const nameOf = ({ tenant, app }: Binding): string => `${tenant} ${app}`;

/** undefined: there is no room. */
type Take = (name: string) => Release | undefined;

/** Counts by name what is under way; a name with nothing under way is forgotten, so there are never more than those. */
function counters(max: number): Take {
  const counts = new Map<string, number>();
  return (name) => {
    const count = counts.get(name) ?? 0;
    if (count >= max) return undefined;
    counts.set(name, count + 1);
    return () => {
      const left = (counts.get(name) ?? 1) - 1;
      if (left === 0) counts.delete(name);
      else counts.set(name, left);
    };
  };
}

/** A token bucket per name, which holds one second's worth. */
function tokenBuckets(
  perSecond: number,
  now: () => number,
): { left(name: string): number; take(name: string): void } {
  const buckets = new LRUCache<string, { tokens: number; at: number }>({ max: rememberedCallers });
  const filled = (name: string): { tokens: number; at: number } => {
    const at = now();
    const bucket = buckets.get(name) ?? { tokens: perSecond, at };
    bucket.tokens = Math.min(perSecond, bucket.tokens + ((at - bucket.at) / 1000) * perSecond);
    bucket.at = at;
    return bucket;
  };
  return {
    left: (name) => (perSecond === Infinity ? Infinity : filled(name).tokens),
    take(name) {
      if (perSecond === Infinity) return;
      const bucket = filled(name);
      // What was under way at once may come to more than there is; it is paid for within a second.
      bucket.tokens = Math.max(-perSecond, bucket.tokens - 1);
      buckets.set(name, bucket);
    },
  };
}

/** Where somebody else keeps the measure: only what is read here is bounded. */
export const noLimits = (): Limits =>
  createLimits(
    {
      maxUploadsPerCall: Infinity,
      maxUploadsPerCaller: Infinity,
      maxUploads: Infinity,
      unknownCallsPerSecond: Infinity,
      maxControlRequests: Infinity,
      maxNotifications: Infinity,
      maxBodyBytes: 64 * 1024,
      maxNotificationBytes: 1024 * 1024,
      bodyTimeoutMs: 10_000,
    },
    () => 0,
  );
