import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Pool } from 'undici';
import { refuse } from '../core/decision.ts';
import type { StreamOver, Upgraded } from '../core/http/exchange.ts';
import type { FrameDirection } from '../core/http/stream-end.ts';
import { invalidAcceptance } from '../core/http/websocket.ts';
import type { WriteGuard } from '../core/http/write-guard.ts';
import { mediaFaults } from './errors.ts';
import { forward } from './forward.ts';
import { type ChangedHeaders, requestHeaders, responseHeaders } from './headers.ts';
import { pipeWebSocket } from './websocket-pipe.ts';

/** Who asked for a WebSocket: its connection is handed over with the 101, and what came with the request goes after that. */
export interface WebSocketClient {
  readonly socket: Socket;
  readonly head: Buffer;
}

export interface WebSocketRequest {
  readonly path: string;
  readonly headers: ChangedHeaders;
  readonly guard: WriteGuard;
  readonly idleMs: number;
  readonly onFrames: (direction: FrameDirection, count: number) => void;
}

/**
 * Asks a media handler for a WebSocket. No extension is offered to it, so that a byte of payload is a byte of media;
 * subprotocols pass. An answer that is none to a WebSocket goes to the client as it is.
 */
export async function openWebSocket(
  pool: Pool,
  { path, headers, guard, idleMs, onFrames }: WebSocketRequest,
  req: IncomingMessage,
  res: ServerResponse,
  { socket: client, head }: WebSocketClient,
): Promise<Upgraded> {
  let over: Promise<StreamOver> | undefined;
  const early = keepEarly(client, head);
  const forwarded = await forward(
    pool,
    {
      method: 'GET',
      path,
      headers: requestHeaders(req.headers, {
        'content-length': null,
        'sec-websocket-extensions': null,
        ...headers,
      }),
      body: null,
      idleMs,
      faults: mediaFaults,
      guard,
      onWebSocket(accepted, handler) {
        const problem = invalidAcceptance(req.headers, accepted);
        if (problem !== undefined || !isSocket(handler)) {
          handler.once('error', () => undefined).destroy();
          return refuse('UpstreamFailed', { detail: problem });
        }
        res.writeHead(101, { ...responseHeaders(accepted), connection: 'Upgrade', upgrade: 'websocket' });
        res.flushHeaders();
        res.detachSocket(client);
        early.giveBack();
        over = pipeWebSocket({ client, handler, guard, idleMs, onFrames });
        return undefined;
      },
    },
    res,
  );
  if (over === undefined) early.forget();
  return over === undefined ? forwarded : { kind: 'opened', over };
}

const maxEarlyBytes = 64 * 1024;

/**
 * What the client sends before the 101 is kept, and read only so far as to notice that it went away: nothing of it goes on
 * unless the handler agrees.
 */
function keepEarly(client: Socket, head: Buffer): { giveBack(): void; forget(): void } {
  const kept = [head];
  let bytes = head.length;
  const onData = (chunk: Buffer): void => {
    kept.push(chunk);
    bytes += chunk.length;
    if (bytes > maxEarlyBytes) client.pause();
  };
  const onEnd = (): void => void client.destroy();
  const forget = (): void => void client.off('data', onData).off('end', onEnd);
  client.on('data', onData).on('end', onEnd);
  return {
    forget,
    giveBack() {
      forget();
      client.pause();
      if (bytes > 0) client.unshift(Buffer.concat(kept));
    },
  };
}

const isSocket = (stream: Duplex): stream is Socket => stream instanceof Socket;
