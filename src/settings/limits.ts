import { wholeNumber } from './shapes.ts';

const limit = <const Name extends `TALLYLIGHT_${string}`>(
  name: Name,
  fallback: string,
  [least, most]: readonly [number, number],
  description: string,
) =>
  ({
    name,
    default: fallback,
    description: `${description} (${least} to ${most}).`,
    schema: wholeNumber(least, most),
  }) as const;

/** How much one instance, and so each worker, takes on before it refuses; every refusal has its reason. */
export const limitSettings = {
  maxConnections: limit(
    'TALLYLIGHT_MAX_CONNECTIONS',
    '10000',
    [1, 1_000_000],
    'Connections at a time, in each worker',
  ),
  maxHeaderBytes: limit(
    'TALLYLIGHT_MAX_HEADER_BYTES',
    '16384',
    [1024, 262_144],
    "Bytes of a request's line and headers",
  ),
  headersTimeoutMs: limit(
    'TALLYLIGHT_HEADERS_TIMEOUT_MS',
    '20000',
    [100, 600_000],
    'How long the head of a request may take, ms',
  ),
  bodyTimeoutMs: limit(
    'TALLYLIGHT_BODY_TIMEOUT_MS',
    '10000',
    [100, 600_000],
    'How long the body of a request for Graph, or of a notification, may take, ms; media is only passed on, see `TALLYLIGHT_MEDIA_IDLE_MS`',
  ),
  maxBodyBytes: limit(
    'TALLYLIGHT_MAX_BODY_BYTES',
    '65536',
    [1024, 1_048_576],
    'Bytes of the JSON of a status change and of what else is judged',
  ),
  answerTimeoutMs: limit(
    'TALLYLIGHT_ANSWER_TIMEOUT_MS',
    '60000',
    [100, 3_600_000],
    'How long an answer of Graph that is passed on may take from its head to its end, ms, however slowly the client reads',
  ),
  maxUnprovenBodyBytes: limit(
    'TALLYLIGHT_MAX_UNPROVEN_BODY_BYTES',
    '65536',
    [1024, 1_048_576],
    'Bytes of a body that are kept until it is whole, where Graph has not accepted the token yet; a larger one is passed on as it comes, or refused where something in it is to be rewritten',
  ),
  maxUnprovenBytes: limit(
    'TALLYLIGHT_MAX_UNPROVEN_BYTES',
    '16777216',
    [65_536, 999_999_999],
    'Bytes of all such bodies together, of which one client may have a quarter',
  ),
  maxNotificationBytes: limit(
    'TALLYLIGHT_MAX_NOTIFICATION_BYTES',
    '1048576',
    [1024, 16_777_216],
    'Bytes of a notification that is learned from (a larger one is streamed to the bot), and of the body of an answer',
  ),
  mediaIdleMs: limit(
    'TALLYLIGHT_MEDIA_IDLE_MS',
    '120000',
    [100, 86_400_000],
    'How long an upload may stand still in both directions, ms',
  ),
  maxUploads: limit('TALLYLIGHT_MAX_UPLOADS', '4096', [1, 100_000], 'Uploads at a time, in each worker'),
  maxUploadsPerCaller: limit(
    'TALLYLIGHT_MAX_UPLOADS_PER_CALLER',
    '2048',
    [1, 100_000],
    'Uploads of one application of one tenant at a time, in each worker',
  ),
  maxUploadsPerCall: limit(
    'TALLYLIGHT_MAX_UPLOADS_PER_CALL',
    '256',
    [1, 100_000],
    'Uploads of one call at a time, in each worker',
  ),
  unknownCallsPerSecond: limit(
    'TALLYLIGHT_UNKNOWN_CALLS_PER_SECOND',
    '1000',
    [1, 1_000_000],
    'Requests of one application of one tenant, each second, for calls of which this instance knows nothing and has to ask the store; each worker is one',
  ),
  maxControlRequests: limit(
    'TALLYLIGHT_MAX_CONTROL_REQUESTS',
    '2048',
    [1, 100_000],
    'Requests for Graph at a time, in each worker; stops, hang-ups and keepAlives of known calls have as many again',
  ),
  maxControlRequestsPerCaller: limit(
    'TALLYLIGHT_MAX_CONTROL_REQUESTS_PER_CALLER',
    '512',
    [1, 100_000],
    'Requests for Graph of one caller at a time, in each worker; half of all at most. A caller is an application of a tenant, or the address of a client whose token nobody has accepted yet',
  ),
  maxGraphConnections: limit(
    'TALLYLIGHT_MAX_GRAPH_CONNECTIONS',
    '512',
    [1, 10_000],
    'Requests that are with Graph at a time, in each worker; the others take turns. Stops, hang-ups and keepAlives of known calls have as many again',
  ),
  maxGraphConnectionsPerCaller: limit(
    'TALLYLIGHT_MAX_GRAPH_CONNECTIONS_PER_CALLER',
    '128',
    [1, 10_000],
    'Requests of one caller that are with Graph at a time, in each worker; half of all at most',
  ),
  maxNotifications: limit(
    'TALLYLIGHT_MAX_NOTIFICATIONS',
    '1024',
    [1, 100_000],
    'Notifications on their way to bots at a time, in each worker; half of them for one application of a tenant at most',
  ),
  maxWaitingNotices: limit(
    'TALLYLIGHT_MAX_WAITING_NOTICES',
    '50000',
    [100, 10_000_000],
    'What notifications told that may wait for the store; the notifications themselves never wait; of each worker',
  ),
  maxGrants: limit(
    'TALLYLIGHT_MAX_GRANTS',
    '100000',
    [1, 1_000_000],
    'Calls for which this instance may admit media; each worker is one',
  ),
} as const;

export type LimitKey = keyof typeof limitSettings;
export const limitKeys = Object.keys(limitSettings) as LimitKey[];
/** Every limit, as a whole number. */
export type LimitValues = Readonly<Record<LimitKey, number>>;

/** What is in force where nothing is set. */
export const defaultLimits = Object.fromEntries(
  Object.entries(limitSettings).map(([key, row]) => [key, Number(row.default)]),
) as LimitValues;
