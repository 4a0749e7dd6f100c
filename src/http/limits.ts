import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import { grant, refuse, type Decision, type Refusal } from '../core/decision.ts';
import type { Plane } from '../core/ports/meter.ts';
import type { BodyLimit } from './body.ts';
import { counters, takeAll, tokenBuckets, type Release, type Take } from './counters.ts';
import { isSharedLimit, retryAfterMs, shares, turns, type Pool, type Share } from './shares.ts';

/** Limits of one instance; whole numbers. */
export interface LimitSizes {
  /** Uploads at a time: of one call, of one caller (tenant and application), of all. */
  readonly maxUploadsPerCall: number;
  readonly maxUploadsPerCaller: number;
  readonly maxUploads: number;
  /** Requests of one caller for calls of which this instance knows nothing, each of which asks the store. */
  readonly unknownCallsPerSecond: number;
  /** Requests for Graph at a time, and those of one caller; stops, hang-ups and keepAlives have as many again. */
  readonly maxControlRequests: number;
  readonly maxControlRequestsPerCaller: number;
  /** How many of them may be with Graph at a time; the others take turns. */
  readonly maxGraphConnections: number;
  readonly maxGraphConnectionsPerCaller: number;
  /** How long one may wait for its turn, ms. */
  readonly graphTurnMs: number;
  readonly maxNotifications: number;
  /** Bodies that are read here: the JSON of status changes and the like, and notifications. */
  readonly maxBodyBytes: number;
  readonly maxNotificationBytes: number;
  /** Bodies of callers who are not proven: of one, of all. */
  readonly maxUnprovenBodyBytes: number;
  readonly maxUnprovenBytes: number;
  readonly bodyTimeoutMs: number;
  readonly answerTimeoutMs: number;
}

/** Capacity for one request to Graph. */
export interface Place {
  readonly pool: Pool;
  readonly release: Release;
}

export interface Limits {
  /** Bodies that are judged. */
  readonly json: BodyLimit;
  /** Notifications, and the bodies of answers. */
  readonly notificationBody: BodyLimit;
  /** The body of an answer or a creation, which says where its notifications shall go. */
  readonly callbackBody: (share: Share) => BodyLimit;
  /** Small bodies, which are whole before anything of them goes on. */
  readonly smallBody: BodyLimit;
  /** Room in memory for a body that is kept until it is whole. */
  readonly bodyMemory: (share: Share, bytes: number) => Release | undefined;
  /** How long an answer that is passed on may take from its head to its end, ms. */
  readonly answerMs: number;
  readonly upload: (call: CallKey, who: Binding) => Decision<Release>;
  /** `keptFor`: the call of which it is a stop, a hang-up or a keepAlive, if that is known here. */
  readonly controlRequest: (share: Share, keptFor?: CallKey) => Decision<Place>;
  /** Waits until the request may be sent to Graph. */
  readonly graphTurn: (share: Share, pool: Pool) => Promise<Decision<Release>>;
  /** The same for a body that is passed on as it comes, by somebody who is not proven: it holds more than its place. */
  readonly unprovenStream: (share: Share) => Promise<Decision<Release>>;
  readonly notification: (who: Binding) => Decision<Release>;
  /** Asked before the store is: whether too many of the calls that were looked up for them lately were not theirs. */
  readonly unknownCall: (who: Binding) => Refusal | undefined;
  /** What is in progress now, and how much may be. */
  readonly load: () => Readonly<Record<Plane, { readonly inFlight: number; readonly limit: number }>>;
  /** A call that was looked up for them is nobody's, or somebody else's. */
  readonly unknownCallFound: (who: Binding) => void;
}

/** Kept places of one call: more at a time is no ordinary life of a call. */
const keptPerCall = 8;
/** Each holds the buffers of two connections, and large bodies of strangers are rare; one address has a quarter of them. */
const maxUnprovenStreams = 8;
/** Bodies of callers who are proven, in all; as of the others, a quarter of it is for one. */
const maxProvenBytes = 64 * 1024 * 1024;

export function createLimits(sizes: LimitSizes, now: () => number): Limits {
  const perCall = counters(sizes.maxUploadsPerCall);
  const perCaller = counters(sizes.maxUploadsPerCaller);
  const uploads = counters(sizes.maxUploads);
  const control = shares(sizes.maxControlRequests, sizes.maxControlRequestsPerCaller);
  const ofCall = counters(keptPerCall);
  const turn = turns(
    shares(sizes.maxGraphConnections, sizes.maxGraphConnectionsPerCaller),
    sizes.graphTurnMs,
  );
  const streamTurn = turns(shares(2 * maxUnprovenStreams, Infinity), sizes.graphTurnMs);
  const notifications = counters(sizes.maxNotifications);
  const notificationsOf = counters(Math.ceil(sizes.maxNotifications / 2));
  const memory = { proven: quarters(maxProvenBytes), unproven: quarters(sizes.maxUnprovenBytes) };
  const rate = tokenBuckets(sizes.unknownCallsPerSecond, now);
  const withinMs = sizes.bodyTimeoutMs;
  return {
    json: { maxBytes: sizes.maxBodyBytes, withinMs },
    notificationBody: { maxBytes: sizes.maxNotificationBytes, withinMs },
    callbackBody: ({ proven }) => ({
      maxBytes: proven ? sizes.maxNotificationBytes : sizes.maxUnprovenBodyBytes,
      withinMs,
    }),
    smallBody: { maxBytes: sizes.maxUnprovenBodyBytes, withinMs },
    bodyMemory: ({ name, proven }, bytes) => memory[proven ? 'proven' : 'unproven'](name, bytes),
    answerMs: sizes.answerTimeoutMs,
    upload(call, who) {
      const taken = takeAll([
        [perCall, call, 'limit of this call'],
        [perCaller, nameOf(who), 'limit of this application'],
        [uploads, '', 'limit of the instance'],
      ]);
      return typeof taken === 'string'
        ? refuse('TooManyUploads', { detail: taken, retryAfterMs })
        : grant(taken);
    },
    controlRequest(share, keptFor) {
      if (keptFor !== undefined) {
        const kept = takeAll([
          [ofCall, keptFor, 'limit of this call'],
          [(_, amount) => given(control(share, 'kept', amount)), '', 'limit of this caller'],
        ]);
        if (typeof kept !== 'string') return grant({ pool: 'kept', release: kept });
      }
      const taken = control(share, 'common');
      return typeof taken === 'string' ? noRoom(taken) : grant({ pool: 'common', release: taken });
    },
    graphTurn: async (share, pool) => inTime(await turn(share, pool)),
    unprovenStream: async (share) => inTime(await streamTurn(share, 'common')),
    notification(who) {
      const taken = takeAll([
        [notificationsOf, nameOf(who), 'limit of this application'],
        [notifications, '', 'limit of the instance'],
      ]);
      return typeof taken === 'string' ? noRoom(taken) : grant(taken);
    },
    unknownCall: (who) =>
      rate.left(nameOf(who)) >= 1 ? undefined : refuse('TooManyUnknownCalls', { retryAfterMs }),
    unknownCallFound: (who) => rate.take(nameOf(who)),
    load: () => ({
      control: { inFlight: control.total('common'), limit: sizes.maxControlRequests },
      controlReserved: { inFlight: control.total('kept'), limit: sizes.maxControlRequests },
      media: { inFlight: uploads.total(), limit: sizes.maxUploads },
      callbacks: { inFlight: notifications.total(), limit: sizes.maxNotifications },
    }),
  };
}

/** Key of an application of a tenant in all counters. */
export const nameOf = ({ tenant, app }: Binding): string => `${tenant} ${app}`;

const given = (taken: Release | string): Release | undefined =>
  typeof taken === 'string' ? undefined : taken;

/** Too much of one caller is for that caller to mend; too much of all is not. */
const noRoom = (lack: string): Refusal =>
  refuse(isSharedLimit(lack) ? 'Overloaded' : 'TooManyRequests', { detail: lack, retryAfterMs });

const inTime = (turn: Release | undefined): Decision<Release> =>
  turn === undefined
    ? refuse('Overloaded', { detail: 'no connection to Graph became free in time', retryAfterMs })
    : grant(turn);

/** Bytes, of which nobody has more than a quarter. */
function quarters(total: number): Take {
  const all = counters(total);
  const each = counters(total / 4);
  return (name, bytes) =>
    given(
      takeAll(
        [
          [each, name, 'limit of this caller'],
          [all, '', 'limit of the instance'],
        ],
        bytes,
      ),
    );
}

/** Limits for hosts that enforce their own: only the size of bodies is bounded. */
export const noLimits = (): Limits =>
  createLimits(
    {
      maxUploadsPerCall: Infinity,
      maxUploadsPerCaller: Infinity,
      maxUploads: Infinity,
      unknownCallsPerSecond: Infinity,
      maxControlRequests: Infinity,
      maxControlRequestsPerCaller: Infinity,
      maxGraphConnections: Infinity,
      maxGraphConnectionsPerCaller: Infinity,
      graphTurnMs: 10_000,
      maxNotifications: Infinity,
      maxBodyBytes: 64 * 1024,
      maxNotificationBytes: 1024 * 1024,
      maxUnprovenBodyBytes: 64 * 1024,
      maxUnprovenBytes: 16 * 1024 * 1024,
      bodyTimeoutMs: 10_000,
      answerTimeoutMs: 60_000,
    },
    () => 0,
  );
