import { constants, fstatSync, openSync } from 'node:fs';
import { type DestinationStream, pino } from 'pino';
import type { LogBacklog } from '../core/ports/log.ts';

/** How much may wait for whoever reads the log, bytes; lines beyond it are dropped. */
const maxWaitingBytes = 8 * 1024 * 1024;
/** How long the end of the process waits for whoever reads the log, ms. */
const flushMs = 500;

export interface LogDestination extends DestinationStream {
  /** Called with how many lines were dropped, once lines are taken again. */
  onLost(report: (lines: number) => void): void;
  backlog(): LogBacklog;
}

/**
 * Where the log goes, so that neither its reader nor a full disk holds up the process or ends it: lines wait in memory,
 * bounded; a reader that went away gets none; what cannot be written now is tried again with the next line.
 */
export function logDestination(fd: number): LogDestination {
  let exitingAt: number | undefined;
  const isHopeless = (): boolean => exitingAt !== undefined && performance.now() > exitingAt + flushMs;
  const stream = pino.destination({
    dest: withoutWaiting(fd),
    sync: false,
    minLength: 0,
    maxLength: maxWaitingBytes,
    retryEAGAIN: () => !isHopeless(),
  });
  const flush = stream.flushSync.bind(stream);
  stream.flushSync = () => {
    exitingAt ??= performance.now();
    try {
      flush();
    } catch {
      // There is nowhere left to tell it.
    }
  };
  // Without a listener it would end the process.
  stream.on('error', () => undefined);
  let lost = 0;
  let dropped = 0;
  let waiting = 0;
  stream.on('drop', (line: string) => {
    lost += 1;
    dropped += 1;
    waiting -= Buffer.byteLength(line);
  });
  stream.on('write', (bytes: number) => (waiting -= bytes));
  const write = stream.write.bind(stream);
  return Object.assign(stream, {
    write(line: string) {
      waiting += Buffer.byteLength(line);
      return write(line);
    },
    backlog: () => ({ droppedLines: dropped, waitingBytes: waiting }),
    onLost(report: (lines: number) => void) {
      stream.on('drain', () => {
        if (lost === 0) return;
        const lines = lost;
        lost = 0;
        report(lines);
      });
    },
  });
}

/**
 * A pipe whose reader stands still blocks a thread for each write, and the end of the process. Opened anew it does not,
 * whoever else has it open; where that is not possible, the descriptor is used as it is.
 */
function withoutWaiting(fd: number): number {
  try {
    if (!fstatSync(fd).isFIFO()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
