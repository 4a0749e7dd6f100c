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
    'Maximum number of concurrent connections per worker',
  ),
  maxHeaderBytes: limit(
    'TALLYLIGHT_MAX_HEADER_BYTES',
    '16384',
    [1024, 262_144],
    'Maximum size of the request line and header fields, bytes',
  ),
  headersTimeoutMs: limit(
    'TALLYLIGHT_HEADERS_TIMEOUT_MS',
    '20000',
    [100, 600_000],
    'Timeout for receiving the request line and header fields, ms',
  ),
  bodyTimeoutMs: limit(
    'TALLYLIGHT_BODY_TIMEOUT_MS',
    '10000',
    [100, 600_000],
    'Timeout for receiving the body of a request to Graph or of a notification, ms; for media see `TALLYLIGHT_MEDIA_IDLE_MS`',
  ),
  maxBodyBytes: limit(
    'TALLYLIGHT_MAX_BODY_BYTES',
    '65536',
    [1024, 1_048_576],
    'Maximum size of the JSON body of a status change, or of another body that the proxy inspects, bytes',
  ),
  answerTimeoutMs: limit(
    'TALLYLIGHT_ANSWER_TIMEOUT_MS',
    '60000',
    [100, 3_600_000],
    'Timeout for forwarding a response from Graph, from its header to its end, ms, even if the client reads slowly',
  ),
  maxUnprovenBodyBytes: limit(
    'TALLYLIGHT_MAX_UNPROVEN_BODY_BYTES',
    '65536',
    [1024, 1_048_576],
    'Maximum size of a body that is buffered for a caller whose token Graph has not accepted yet, bytes; a larger body is streamed, or refused if the proxy has to rewrite it',
  ),
  maxUnprovenBytes: limit(
    'TALLYLIGHT_MAX_UNPROVEN_BYTES',
    '16777216',
    [65_536, 999_999_999],
    'Maximum total size of these buffered bodies, bytes; one client may use a quarter of it',
  ),
  maxNotificationBytes: limit(
    'TALLYLIGHT_MAX_NOTIFICATION_BYTES',
    '1048576',
    [1024, 16_777_216],
    'Maximum size of a notification that the proxy processes, and of the body of an answer or create request, bytes; a larger notification is only streamed to the bot',
  ),
  mediaIdleMs: limit(
    'TALLYLIGHT_MEDIA_IDLE_MS',
    '120000',
    [100, 86_400_000],
    'Idle timeout of an upload: how long no data may flow in either direction, ms',
  ),
  maxUploads: limit(
    'TALLYLIGHT_MAX_UPLOADS',
    '4096',
    [1, 100_000],
    'Maximum number of concurrent uploads per worker',
  ),
  maxUploadsPerCaller: limit(
    'TALLYLIGHT_MAX_UPLOADS_PER_CALLER',
    '2048',
    [1, 100_000],
    'Maximum number of concurrent uploads of one application of one tenant per worker',
  ),
  maxUploadsPerCall: limit(
    'TALLYLIGHT_MAX_UPLOADS_PER_CALL',
    '256',
    [1, 100_000],
    'Maximum number of concurrent uploads of one call per worker',
  ),
  unknownCallsPerSecond: limit(
    'TALLYLIGHT_UNKNOWN_CALLS_PER_SECOND',
    '1000',
    [1, 1_000_000],
    'Maximum number of requests per second of one application of one tenant for calls that this worker does not know and must look up in the store',
  ),
  maxControlRequests: limit(
    'TALLYLIGHT_MAX_CONTROL_REQUESTS',
    '2048',
    [1, 100_000],
    'Maximum number of concurrent requests to Graph per worker; as many more are reserved for stops, hang-ups and keepAlives of known calls',
  ),
  maxControlRequestsPerCaller: limit(
    'TALLYLIGHT_MAX_CONTROL_REQUESTS_PER_CALLER',
    '512',
    [1, 100_000],
    'Maximum number of concurrent requests to Graph of one caller per worker, at most half of all. A caller is an application of a tenant, or the client address if the token has not been accepted yet',
  ),
  maxGraphConnections: limit(
    'TALLYLIGHT_MAX_GRAPH_CONNECTIONS',
    '512',
    [1, 10_000],
    'Maximum number of requests outstanding at Graph per worker; further requests are queued, and callers take turns. As many more are reserved for stops, hang-ups and keepAlives of known calls',
  ),
  maxGraphConnectionsPerCaller: limit(
    'TALLYLIGHT_MAX_GRAPH_CONNECTIONS_PER_CALLER',
    '128',
    [1, 10_000],
    'Maximum number of requests of one caller outstanding at Graph per worker, at most half of all',
  ),
  maxNotifications: limit(
    'TALLYLIGHT_MAX_NOTIFICATIONS',
    '1024',
    [1, 100_000],
    'Maximum number of notifications being forwarded to bots at a time per worker; one application of a tenant may use half of them',
  ),
  maxWaitingNotices: limit(
    'TALLYLIGHT_MAX_WAITING_NOTICES',
    '50000',
    [100, 10_000_000],
    'Maximum number of processed notifications per worker that may wait for the store; forwarding to the bot never waits for the store',
  ),
  maxConsoleListeners: limit(
    'TALLYLIGHT_MAX_CONSOLE_LISTENERS',
    '500',
    [1, 100_000],
    'Maximum number of event streams that the console serves at a time',
  ),
  maxGrants: limit(
    'TALLYLIGHT_MAX_GRANTS',
    '100000',
    [1, 1_000_000],
    'Maximum number of calls for which one worker admits media',
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
