import type { JsonObject } from '../../src/core/json.ts';
import type { Log } from '../../src/core/ports/log.ts';

export interface LogLine {
  readonly level: keyof Log;
  readonly facts: JsonObject;
  readonly text: string;
}

export interface CollectedLog extends Log {
  readonly lines: readonly LogLine[];
}

export function collectedLog(): CollectedLog {
  const lines: LogLine[] = [];
  const take =
    (level: keyof Log): Log['info'] =>
    (facts, text) =>
      void lines.push({ level, facts, text });
  return { lines, debug: take('debug'), info: take('info'), warn: take('warn'), error: take('error') };
}
