import { refuse, type Refusal } from '../decision.ts';
import type { StreamEnd } from '../http/stream-end.ts';
import type { GraphAnswer } from './outcome.ts';
import type { JsonObject } from '../json.ts';

/** What came of sending one request to Graph. */
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

/** Reads the operation that Graph named to us. */
export type Poll<Answer extends GraphAnswer = GraphAnswer> = (operationId: string) => Promise<Sent<Answer>>;

/** Header names in lower case, as Node gives them. */
export type HeaderMap = Readonly<Record<string, string | string[] | undefined>>;

/** Whether a request brings a body (RFC 9112, section 6). */
export const hasBody = (headers: HeaderMap): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** Graph's answer with everything needed to pass it on unchanged. */
export interface RawAnswer extends GraphAnswer {
  readonly headers: HeaderMap;
  readonly raw: Uint8Array;
}

/** Why a write may not go on: its recording ended, this instance is leaving, or it has lost its session in the store. */
export const stopReasons = ['RecordingStopped', 'ShuttingDown', 'SessionLost'] as const;
export type StopReason = (typeof stopReasons)[number];

export const isStopReason = (reason: string): reason is StopReason =>
  (stopReasons as readonly string[]).includes(reason);

/** What the client of a write that was cut is told. Only where its recording has ended is it of no use to send it again. */
export const cutRefusal = (why: StopReason): Refusal =>
  why === 'RecordingStopped' ? refuse(why) : refuse(why, { retryAfterMs: 1000 });

/** How much of a write may be with its handler. What has left this process counts: it cannot be called back. */
export type Reached = 'nothing' | 'part' | 'whole';

/** What a media handler is told of a write that it should discard. */
export interface DiscardedWrite {
  /** The id that came with the write as `Tallylight-Write`. */
  readonly write: string;
  /** As Graph spells it in URLs. */
  readonly call: string;
  readonly epoch: number;
  readonly reason: StopReason;
  /** Whether it was a WebSocket: then what came before may stay. */
  readonly stream: boolean;
}

/** Watches the bytes of a write that was admitted. */
export interface WriteGuard {
  /** Whether bytes may go on; asked for every chunk. */
  mayContinue(): boolean;
  /** Why they may not. */
  readonly stopReason: StopReason;
  addBytes(count: number): void;
  /** `reached` is asked once, when the write ends without its whole answer, before anything is destroyed. */
  onMeasure(reached: () => Reached): void;
  /** `destroy` must end the write towards the upstream before it returns. */
  onCut(destroy: () => void): void;
  /**
   * For a write that would go on for ever: `finish` is called when the gate closes, and ends it by itself, in order;
   * it is cut if that takes longer than the drain limit.
   */
  onStop(finish: (why: StopReason) => void): void;
}

/** What came of streaming a request to an upstream. */
export type Forwarded =
  /** The whole answer was passed on. */
  | { readonly kind: 'answered'; readonly status: number; readonly headers: HeaderMap }
  /** Nothing, or only a part, was passed on. */
  | { readonly kind: 'failed'; readonly refusal: Refusal };

/** A WebSocket that is over: nothing more of it can reach the upstream. */
export interface StreamOver {
  readonly how: StreamEnd;
  /** Both sides took their leave; otherwise something may be missing. */
  readonly complete: boolean;
}

/** What came of asking an upstream for a WebSocket. */
export type Upgraded =
  | Forwarded
  /** The client has its 101, and the stream goes on by itself. */
  | { readonly kind: 'opened'; readonly over: Promise<StreamOver> };
