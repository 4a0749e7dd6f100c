import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Forwarded, hasBody, type Upgraded } from '../core/http/exchange.ts';
import { keepsAuthorization, type MediaRoute } from '../core/http/media-route.ts';
import type { DiscardedWrite, WriteGuard } from '../core/http/write-guard.ts';
import { connectDiscard } from './discard.ts';
import { mediaFaults } from './errors.ts';
import { forward } from './forward.ts';
import { type ChangedHeaders, requestHeaders } from './headers.ts';
import { type ConnectFailed, parseUpstreamUrl, streamingPool } from './pool.ts';
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
    request: MediaRequest & Pick<WebSocketRequest, 'guard' | 'onFrames'>,
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
  readonly connectFailed?: ConnectFailed;
  /** The same for requests to discard a write; `url`: where they go. */
  readonly discardFailed?: (url: string) => ConnectFailed;
}

/** What a route says about its handler. */
export type HandlerOptions = Pick<MediaRoute, 'discard' | 'token' | 'host'>;

/** `discard` is where the handler is asked to discard writes that were cut: a path below `url`, or a URL. */
export function connectMedia(
  url: string,
  { idleMs, connections, connectFailed, discardFailed }: MediaLimits,
  handler: HandlerOptions = {},
): MediaUpstream {
  const { discard } = handler;
  const { origin, path: basePath } = parseUpstreamUrl(url);
  const pool = streamingPool(origin, connections, connectFailed);
  const discardUrl = discard?.startsWith('/') === true ? origin + basePath + discard : discard;
  const endpoint =
    discardUrl === undefined ? undefined : connectDiscard(discardUrl, discardFailed?.(discardUrl));
  const changed = ({ headers }: IncomingMessage, facts: MediaRequest['facts']): ChangedHeaders => ({
    ...(keepsAuthorization(handler) ? {} : { authorization: null }),
    ...(handler.host === 'keep' && headers.host !== undefined ? { host: headers.host } : {}),
    ...facts,
  });
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
          headers: requestHeaders(req.headers, changed(req, facts)),
          body: hasBody(req.headers) ? req : null,
          idleMs,
          faults: mediaFaults,
          ...(guard === undefined ? {} : { guard }),
        },
        res,
      );
    },
    openWebSocket({ path, facts, guard, onFrames }, req, res, client) {
      const headers = changed(req, facts);
      const request = { path: basePath + path, headers, guard, idleMs, onFrames };
      return openWebSocket(pool, request, req, res, client);
    },
    async close() {
      await Promise.all([pool.destroy(), endpoint?.close()]);
    },
  };
}
