import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Forwarded } from '../core/http/exchange.ts';
import { botFaults } from './errors.ts';
import { forward } from './forward.ts';
import { requestHeaders } from './headers.ts';
import { type ConnectFailed, parseUpstreamUrl, streamingPool } from './pool.ts';

/** The notification endpoint of a bot, as the stages see it. */
export interface BotUpstream {
  /** Passes a notification on with its own token, and the answer back: neither is judged, no redirect is followed. */
  forward(
    notification: { readonly path: string; readonly body: Buffer | Readable },
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<Forwarded>;
  close(): Promise<void>;
}

/** Graph waits for seconds only; what comes later comes too late. */
const idleMs = 15_000;

/** `connections`: notifications at a time; more would queue. */
export function connectBot(url: string, connections: number, connectFailed?: ConnectFailed): BotUpstream {
  const { origin, path: basePath } = parseUpstreamUrl(url);
  const pool = streamingPool(origin, connections, connectFailed);
  return {
    forward({ path, body }, req, res) {
      return forward(
        pool,
        {
          method: 'POST',
          path: basePath + path,
          headers: requestHeaders(
            req.headers,
            Buffer.isBuffer(body) ? { 'content-length': String(body.length) } : {},
          ),
          body,
          idleMs,
          bodyMs: idleMs,
          answerMs: idleMs,
          faults: botFaults,
        },
        res,
      );
    },
    close: () => pool.destroy(),
  };
}
