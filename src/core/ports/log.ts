import type { JsonObject } from '../json.ts';

export interface Log {
  debug(facts: JsonObject, text: string): void;
  info(facts: JsonObject, text: string): void;
  warn(facts: JsonObject, text: string): void;
  error(facts: JsonObject, text: string): void;
}
