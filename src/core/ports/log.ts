import type { JsonObject } from '../json.ts';

/** What the reader of a log has not had. */
export interface LogBacklog {
  /** Since the start. */
  readonly droppedLines: number;
  readonly waitingBytes: number;
}

export interface Log {
  debug(facts: JsonObject, text: string): void;
  info(facts: JsonObject, text: string): void;
  warn(facts: JsonObject, text: string): void;
  error(facts: JsonObject, text: string): void;
}
