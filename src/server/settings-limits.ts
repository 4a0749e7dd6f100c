import { wholeNumber } from './settings-shapes.ts';

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
    'How long a body that is read here may take, ms; media is only passed on, see `TALLYLIGHT_MEDIA_IDLE_MS`',
  ),
  maxBodyBytes: limit(
    'TALLYLIGHT_MAX_BODY_BYTES',
    '65536',
    [1024, 1_048_576],
    'Bytes of the JSON of a status change and of what else is judged',
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
    'Requests for Graph at a time, in each worker',
  ),
  maxNotifications: limit(
    'TALLYLIGHT_MAX_NOTIFICATIONS',
    '1024',
    [1, 100_000],
    'Notifications on their way to bots at a time, in each worker',
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
