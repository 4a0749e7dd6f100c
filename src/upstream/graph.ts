import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Decision, Refusal } from '../core/decision.ts';
import type { RawAnswer, Sent } from '../core/graph/exchange.ts';
import type { Forwarded } from '../core/http/exchange.ts';
import type { WriteGuard } from '../core/http/write-guard.ts';
import { graphFaults } from './errors.ts';
import { exchange, type ExchangeRequest } from './exchange.ts';
import { forward } from './forward.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { type ConnectFailed, exchangePool, parseUpstreamUrl, streamingPool } from './pool.ts';
import { rewriteLocation } from './target.ts';

export interface GraphOptions {
  /** Origin of Graph, such as `https://graph.microsoft.com`. */
  readonly url: string;
  /** Origin under which bots see the proxy. */
  readonly publicUrl: () => string;
  readonly timeoutMs: number;
  /** Requests at a time, in each of the two ways; more would queue. */
  readonly connections: number;
  readonly connectFailed?: ConnectFailed;
}

interface GraphRequest {
  readonly method: ExchangeRequest['method'];
  readonly path: string;
  /** What the client sent. */
  readonly headers: IncomingHttpHeaders;
  /** The credential for Graph, with its scheme. */
  readonly authorization: string;
}

/** Graph: small requests whose answers are judged, each on a connection of its own, and streams for everything else. */
export function connectGraph({ url, publicUrl, timeoutMs, connections, connectFailed }: GraphOptions) {
  const { origin } = parseUpstreamUrl(url);
  const statusPool = exchangePool(origin, connections, connectFailed);
  const pool = streamingPool(origin, connections, connectFailed);
  const rewrite = (status: number, headers: OutgoingHttpHeaders): Decision<OutgoingHttpHeaders> =>
    rewriteLocation(origin, publicUrl())(status, headers);
  return {
    exchange(
      { method, path, headers, authorization, body }: GraphRequest & { readonly body: Buffer | null },
      mayStill: () => boolean = () => true,
      guard?: WriteGuard,
    ): Promise<Sent<RawAnswer>> {
      const length = body === null ? null : String(body.length);
      // A compressed answer could not be judged.
      const set = { authorization, 'accept-encoding': 'identity', 'content-length': length };
      return exchange(
        statusPool,
        { method, path, headers: requestHeaders(headers, set), body },
        timeoutMs,
        mayStill,
        guard,
      );
    },
    forward(
      {
        method,
        path,
        headers,
        authorization,
        body,
        guard,
        judge,
        bodyMs,
        answerMs,
      }: GraphRequest & {
        readonly body: IncomingMessage | Buffer | null;
        readonly guard?: WriteGuard;
        readonly judge?: (status: number) => Refusal | undefined;
        readonly bodyMs?: number;
        readonly answerMs?: number;
      },
      res: ServerResponse,
    ): Promise<Forwarded> {
      const set = {
        authorization,
        ...(Buffer.isBuffer(body) ? { 'content-length': String(body.length) } : {}),
      };
      return forward(
        pool,
        {
          method,
          path,
          headers: requestHeaders(headers, set),
          body,
          idleMs: timeoutMs,
          bodyMs,
          answerMs,
          faults: graphFaults,
          onAnswer: (status, answered) => judge?.(status) ?? rewrite(status, answered),
          ...(guard === undefined ? {} : { guard }),
        },
        res,
      );
    },
    answerHeaders: (answer: RawAnswer): Decision<OutgoingHttpHeaders> =>
      rewrite(answer.status, responseHeaders(answer.headers)),
    async close(): Promise<void> {
      await Promise.all([statusPool.destroy(), pool.destroy()]);
    },
  };
}
