import type { Refusal } from '../decision.ts';
import type { HeaderMap } from '../http/exchange.ts';
import type { JsonObject } from '../json.ts';
import type { GraphAnswer } from './outcome.ts';

/** Result of sending one request to Graph. */
export type Sent<Answer extends GraphAnswer = GraphAnswer> =
  /** Graph answered. */
  | { readonly kind: 'answered'; readonly answer: Answer; readonly facts: JsonObject }
  /** The request may have left, but no answer came. */
  | { readonly kind: 'lost'; readonly refusal: Refusal; readonly facts: JsonObject }
  /** Certainly nothing left. */
  | { readonly kind: 'notSent'; readonly refusal: Refusal };

/**
 * Sends one request to Graph. `mayStill` is asked at the last moment before the first byte leaves:
 * a handler that was held up past its time sends nothing.
 */
export type Send<Answer extends GraphAnswer = GraphAnswer> = (
  mayStill: () => boolean,
) => Promise<Sent<Answer>>;

/** Reads the operation that Graph returned. */
export type Poll<Answer extends GraphAnswer = GraphAnswer> = (operationId: string) => Promise<Sent<Answer>>;

/** Response from Graph with everything needed to forward it unchanged. */
export interface RawAnswer extends GraphAnswer {
  readonly headers: HeaderMap;
  readonly raw: Uint8Array;
}
