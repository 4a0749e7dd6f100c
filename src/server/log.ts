import { type DestinationStream, pino } from 'pino';
import { callAsGraphSpells } from '../core/call/key.ts';
import type { Log, LogBacklog } from '../core/ports/log.ts';
import { type LogDestination, logDestination } from './log-destination.ts';

/** Names under which a token, a join token or a body could reach a log line. */
const secretNames = [
  'authorization',
  'token',
  'accessToken',
  'recordingAccessToken',
  'clientSecret',
  'joinToken',
  'password',
  'body',
  'metadata',
];

/** The log of this process. */
export interface ProcessLog extends Log {
  /** undefined: its destination does not tell. */
  readonly backlog: (() => LogBacklog) | undefined;
}

/** For a process whose standard output is for people. */
export const standardError = (): LogDestination => logDestination(2);

/**
 * JSON lines on standard output, if no destination is given; secrets are removed by name, at the top and one level
 * down. `worker` is on every line; 0 names the process that the workers belong to.
 */
export function createLog(
  level: string,
  destination: DestinationStream & Partial<LogDestination> = logDestination(1),
  worker?: number,
): ProcessLog {
  const log = pino(
    {
      level,
      base: { name: 'tallylight', ...(worker === undefined ? {} : { worker }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: callAsGraphSpells },
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    destination,
  );
  destination.onLost?.((lines) =>
    log.warn({ lines }, 'log lines were dropped: whoever reads the log did not keep up'),
  );
  return Object.assign(log, { backlog: destination.backlog });
}
