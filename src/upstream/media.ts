import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  hasBody,
  type DiscardedWrite,
  type Forwarded,
  type Upgraded,
  type WriteGuard,
} from '../core/exchange.ts';
import { connectDiscard } from './discard.ts';
import { mediaFaults } from './errors.ts';
import { forward } from './forward.ts';
import { requestHeaders } from './headers.ts';
import { parseBase, streamingPool } from './pool.ts';
import { openWebSocket, type WebSocketClient, type WebSocketRequest } from './websocket.ts';

export interface MediaRequest {
  /** The path that was judged, below the upstream's own. */
  readonly path: string;
  /** Facts for the handler; the caller's own `Tallylight-*` headers and its token go no further. */
  readonly facts: Readonly<Record<string, string>>;
  readonly guard?: WriteGuard;
}

/** A media handler, as the stages see it. */
export interface MediaUpstream {
  forward(request: MediaRequest, req: IncomingMessage, res: ServerResponse): Promise<Forwarded>;
  /** A write that is a WebSocket. */
  openWebSocket(
    request: Omit<WebSocketRequest, 'idleMs'>,
    req: IncomingMessage,
    res: ServerResponse,
    client: WebSocketClient,
  ): Promise<Upgraded>;
  /** Has the handler discard a write; absent: it does not offer that. */
  readonly discard?: (write: DiscardedWrite, withinMs: number) => Promise<boolean>;
  close(): Promise<void>;
}

export interface MediaLimits {
  /** How long an upload may stand still in both directions, ms. */
  readonly idleMs: number;
  /** Requests at a time; more would queue. */
  readonly connections: number;
}

/** `discard` is where the handler is asked to discard writes that were cut: a path below `url`, or a URL. */
export function connectMedia(
  url: string,
  { idleMs, connections }: MediaLimits,
  discard?: string,
): MediaUpstream {
  const { origin, path: basePath } = parseBase(url);
  const pool = streamingPool(origin, connections);
  const endpoint =
    discard === undefined
      ? undefined
      : connectDiscard(discard.startsWith('/') ? origin + basePath + discard : discard);
  return {
    ...(endpoint === undefined
      ? {}
      : { discard: (write: DiscardedWrite, withinMs: number) => endpoint.ask(write, withinMs) }),
    forward({ path, facts, guard }, req, res) {
      return forward(
        pool,
        {
          method: req.method ?? 'GET',
          path: basePath + path,
          headers: requestHeaders(req.headers, { authorization: null, ...facts }),
          body: hasBody(req.headers) ? req : null,
          idleMs,
          faults: mediaFaults,
          ...(guard === undefined ? {} : { guard }),
        },
        res,
      );
    },
    openWebSocket: (request, req, res, client) =>
      openWebSocket(pool, { ...request, path: basePath + request.path, idleMs }, req, res, client),
    async close() {
      await Promise.all([pool.destroy(), endpoint?.close()]);
    },
  };
}
