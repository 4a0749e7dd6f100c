import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import express from 'express';
import { refuse } from '../core/decision.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { callbackPlane, type CallbackDeps } from '../http/callback-plane.ts';
import { controlPlane } from '../http/control-plane.ts';
import { mediaPlane, type MediaDeps } from '../http/media-plane.ts';
import type { ControlDeps } from '../http/ports.ts';
import { answerRefusal } from '../http/problem.ts';
import { lastWords } from './last-words.ts';
import { unfitMessage } from './unfit-message.ts';

const keepAliveTimeoutMs = 65_000;

export interface ServerLimits {
  readonly maxConnections: number;
  readonly maxHeaderBytes: number;
  /** Time for a request's head; bodies may take as long as a recording does. */
  readonly headersTimeoutMs: number;
}

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
  { maxConnections, maxHeaderBytes, headersTimeoutMs }: ServerLimits,
): http.Server {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(controlPlane(control));
  const serveMedia = media === undefined ? () => false : mediaPlane(media);
  const serveCallback = callbacks === undefined ? () => false : callbackPlane(callbacks);
  const refuseUnfit = (req: http.IncomingMessage, res: http.ServerResponse): boolean => {
    const unfit = unfitMessage(req);
    if (unfit === undefined) return false;
    res.setHeader('Connection', 'close');
    answerRefusal(req, res, unfit, control.newId());
    return true;
  };
  const serve = (req: http.IncomingMessage, res: http.ServerResponse): boolean =>
    refuseUnfit(req, res) || serveMedia(req, res) || serveCallback(req, res);

  const options = { maxHeaderSize: maxHeaderBytes, insecureHTTPParser: false };
  const server = tls === undefined ? http.createServer(options) : https.createServer({ ...options, ...tls });
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = 0;
  server.keepAliveTimeout = keepAliveTimeoutMs;
  // Node leaves out what is beyond a number of headers, and a length or an encoding may be there: their bytes are bounded.
  server.maxHeadersCount = 0;
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
  limitConnections(server, maxConnections, () => control.meter.decision('control', 'TooManyConnections'));
  const lastWord = lastWords(server);
  const end = (socket: Duplex, status: number, reason: ReasonCode): void => {
    const word = lastWord(socket);
    if (word === 'answer') endWith(socket, status, reason);
    else endSilently(socket, word === 'break');
  };
  server.on('upgrade', (_req, socket) => end(socket, 501, 'UpgradeRefused'));
  server.on('connect', (_req, socket) => end(socket, 501, 'UpgradeRefused'));
  // A listener that does not end the socket would switch off the detection of clients that went away.
  server.on('clientError', (_error, socket) => end(socket, 400, 'TargetInvalid'));
  return server;
}

/** One connection too many is told so, where it can be: under TLS there is nobody to tell yet. */
function limitConnections(server: http.Server, most: number, refused: () => void): void {
  let open = 0;
  server.prependListener('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    if (open <= most) return;
    refused();
    if (server instanceof https.Server) socket.destroy();
    else endWith(socket, 503, 'TooManyConnections');
  });
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

/** Where an answer would be taken for another's. */
function endSilently(socket: Duplex, atOnce: boolean): void {
  socket.on('error', () => socket.destroy());
  if (atOnce || !socket.writable) socket.destroy();
  else socket.end(() => socket.destroy());
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
