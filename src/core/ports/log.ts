import type { JsonObject } from '../json.ts';

/** What the reader of a log has not had. */
export interface LogBacklog {
  /** Since the start. */
  readonly droppedLines: number;
  readonly waitingBytes: number;
}

/**
 * Destination of log lines: `text` says what happened, `facts` are its fields. Neither holds a token, media or metadata.
 */
export interface Log {
  /** Details for finding a fault. */
  debug(facts: JsonObject, text: string): void;
  /** Normal operation. */
  info(facts: JsonObject, text: string): void;
  /** Something to look at. */
  warn(facts: JsonObject, text: string): void;
  /** Something failed. */
  error(facts: JsonObject, text: string): void;
}
