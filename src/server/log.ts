import { type DestinationStream, pino } from 'pino';
import type { Log } from '../core/ports/log.ts';

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

/** For a process whose standard output is for people. */
export const standardError = (): DestinationStream => pino.destination(2);

/**
 * JSON lines on standard output, if no destination is given; secrets are removed by name, at the top and one level
 * down. `worker` is on every line; 0 names the process that the workers belong to.
 */
export const createLog = (
  level: string,
  destination: DestinationStream = pino.destination(1),
  worker?: number,
): Log =>
  pino(
    {
      level,
      base: { name: 'tallylight', ...(worker === undefined ? {} : { worker }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    destination,
  );
