import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasBody, type Forwarded, type Upgraded, type WriteGuard } from '../core/exchange.ts';
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
  close(): Promise<void>;
}

export interface MediaLimits {
  /** How long an upload may stand still in both directions, ms. */
  readonly idleMs: number;
  /** Requests at a time; more would queue. */
  readonly connections: number;
}

export function connectMedia(url: string, { idleMs, connections }: MediaLimits): MediaUpstream {
  const { origin, path: basePath } = parseBase(url);
  const pool = streamingPool(origin, connections);
  return {
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
    close: () => pool.destroy(),
  };
}
