import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import express from 'express';
import { refuse } from '../core/decision.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { callbackPlane, type CallbackDeps } from '../http/callback-plane.ts';
import { controlPlane } from '../http/control-plane.ts';
import { mediaPlane, type MediaDeps } from '../http/media-plane.ts';
import type { ControlDeps } from '../http/ports.ts';
import { answerRefusal } from '../http/problem.ts';

/** Time for a request's head; bodies may take as long as a recording does. */
const headersTimeoutMs = 20_000;
const keepAliveTimeoutMs = 65_000;
const maxHeaderBytes = 16 * 1024;

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** What is served; a plane that is absent serves nothing. */
export interface Planes {
  readonly control: ControlDeps;
  readonly media?: MediaDeps;
  readonly callbacks?: CallbackDeps;
}

/**
 * The listener that bots and Graph see: media routes and callback paths are handled by the plain server before Express,
 * which carries everything for Graph (design, section 10).
 */
export function createListener(
  { control, media, callbacks }: Planes,
  tls: TlsFiles | undefined,
): http.Server {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(controlPlane(control));
  const serveMedia = media === undefined ? () => false : mediaPlane(media);
  const serveCallback = callbacks === undefined ? () => false : callbackPlane(callbacks);
  const serve = (req: http.IncomingMessage, res: http.ServerResponse): boolean =>
    serveMedia(req, res) || serveCallback(req, res);

  const options = { maxHeaderSize: maxHeaderBytes, insecureHTTPParser: false };
  const server = tls === undefined ? http.createServer(options) : https.createServer({ ...options, ...tls });
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = 0;
  server.keepAliveTimeout = keepAliveTimeoutMs;
  server.on('request', (req: http.IncomingMessage, res: http.ServerResponse) => {
    if (!serve(req, res)) app(req, res);
  });
  // Media is asked for only after admission; the small bodies for Graph may come at once.
  server.on('checkContinue', (req: http.IncomingMessage, res: http.ServerResponse) => {
    if (serve(req, res)) return;
    res.writeContinue();
    app(req, res);
  });
  server.on('checkExpectation', (req: http.IncomingMessage, res: http.ServerResponse) => {
    answerRefusal(req, res, refuse('ExpectationFailed'), control.newId());
  });
  server.on('upgrade', (_req, socket) => endWith(socket, 501, 'UpgradeRefused'));
  server.on('connect', (_req, socket) => endWith(socket, 501, 'UpgradeRefused'));
  // A listener that does not end the socket would switch off the detection of clients that went away.
  server.on('clientError', (_error, socket) => endWith(socket, 400, 'TargetInvalid'));
  return server;
}

/** Where there is no request to answer, only a socket. */
function endWith(socket: Duplex, status: number, reason: ReasonCode): void {
  // Node has taken its own listener away by now, and a reset without one ends the process.
  socket.on('error', () => socket.destroy());
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}`;
  socket.end(
    `${head}\r\nTallylight-Reason: ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    () => socket.destroy(),
  );
}

export const listen = (server: http.Server, port: number, host: string): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });

/** Stops listening, lets requests finish, and ends what is left after `withinMs`. */
export const closeServer = (server: http.Server, withinMs: number): Promise<void> =>
  new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), withinMs);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
