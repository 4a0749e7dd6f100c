import type { Refusal } from '../decision.ts';
import type { StreamEnd } from './stream-end.ts';

/** Header names in lower case, as Node gives them. */
export type HeaderMap = Readonly<Record<string, string | string[] | undefined>>;

/** Whether a request brings a body (RFC 9112, section 6). */
export const hasBody = (headers: HeaderMap): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** Result of streaming a request to an upstream. */
export type Forwarded =
  /** The whole answer was passed on. */
  | { readonly kind: 'answered'; readonly status: number; readonly headers: HeaderMap }
  /** Nothing, or only a part, was passed on. */
  | { readonly kind: 'failed'; readonly refusal: Refusal };

/** A WebSocket that has ended: no further byte of it can reach the upstream. */
export interface StreamOver {
  readonly how: StreamEnd;
  /** Both sides took their leave; otherwise something may be missing. */
  readonly complete: boolean;
}

/** Result of requesting a WebSocket from an upstream. */
export type Upgraded =
  | Forwarded
  /** The client has its 101, and the stream goes on by itself. */
  | { readonly kind: 'opened'; readonly over: Promise<StreamOver> };
