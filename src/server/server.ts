import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import express from 'express';
import { type Refusal, refuse } from '../core/decision.ts';
import { type ReasonCode, statusOf } from '../core/reasons.ts';
import type { CallbackDeps } from '../http/callbacks/context.ts';
import { callbackPlane } from '../http/callbacks/plane.ts';
import { controlPlane } from '../http/control/plane.ts';
import type { MediaDeps } from '../http/media/context.ts';
import { mediaPlane, type MediaPlane } from '../http/media/plane.ts';
import type { ControlDeps } from '../http/ports.ts';
import { answerRefusal } from '../http/problem.ts';
import { systemClock } from '../http/clock.ts';
import { repeatedHeader } from '../http/repeated-header.ts';
import { cannotListen } from './cannot-listen.ts';
import { connectionErrors } from './connection-errors.ts';
import { offersWebSocket, ignoringUpgrades, type ServeWithoutUpgrade } from './ignored-upgrade.ts';
import { malformedRequest } from './malformed-request.ts';
import { type ConnectionError, refusedConnections, type RefusedConnections } from './refused-connections.ts';

const keepAliveTimeoutMs = 65_000;
const maxCheckingIntervalMs = 1000;

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
 * which carries everything for Graph (docs/design/requests.md).
 */
export function createListener(
  { control, media, callbacks }: Planes,
  tls: TlsFiles | undefined,
  { maxConnections, maxHeaderBytes, headersTimeoutMs }: ServerLimits,
): http.Server {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const serveControl = controlPlane(control);
  app.use(serveControl);
  // Express leaves out every handler for a target that it cannot read; it is refused like any other.
  const serveRest = (req: http.IncomingMessage, res: http.ServerResponse): void =>
    void app(req as express.Request, res as express.Response, () => serveControl(req, res));
  const mediaRoutes = media === undefined ? noMedia : mediaPlane(media);
  const serveCallback = callbacks === undefined ? () => false : callbackPlane(callbacks);
  const refuseAtOnce = (req: http.IncomingMessage, res: http.ServerResponse, refusal: Refusal): void => {
    const facts = control.requests.begin(req, 'control', control.newId(), control.now());
    control.requests.refused(facts, refusal);
    answerRefusal(req, res, refusal, facts.requestId);
    control.requests.answered?.(facts, req, res);
  };
  const ending = new WeakSet<Duplex>();
  const refuseUnfit = (req: http.IncomingMessage, res: http.ServerResponse): boolean => {
    // Node reads on until the answer is out.
    if (ending.has(req.socket)) return true;
    const refusal = malformedRequest(req);
    if (refusal === undefined) return false;
    ending.add(req.socket);
    res.setHeader('Connection', 'close');
    refuseAtOnce(req, res, refusal);
    return true;
  };
  const serve = (req: http.IncomingMessage, res: http.ServerResponse): boolean =>
    refuseUnfit(req, res) || mediaRoutes.serve(req, res) || serveCallback(req, res);

  const options = {
    maxHeaderSize: maxHeaderBytes,
    insecureHTTPParser: false,
    // Node looks every 30 s, which could more than double the time for a head.
    connectionsCheckingInterval: Math.min(headersTimeoutMs / 4, maxCheckingIntervalMs),
  };
  const server = tls === undefined ? http.createServer(options) : https.createServer({ ...options, ...tls });
  const serveWithoutUpgrade = ignoringUpgrades(server);
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = 0;
  server.keepAliveTimeout = keepAliveTimeoutMs;
  // Node leaves out what is beyond a number of headers, and a length or an encoding may be there: their bytes are bounded.
  server.maxHeadersCount = 0;
  server.on('request', (req: http.IncomingMessage, res: http.ServerResponse) => {
    // RFC 9110, section 10.1.1: a client of HTTP/1.0 does not know the question.
    if (req.httpVersion === '1.0') delete req.headers.expect;
    if (!serve(req, res)) serveRest(req, res);
  });
  // Media is asked for only after admission; the small bodies for Graph may come at once.
  server.on('checkContinue', (req: http.IncomingMessage, res: http.ServerResponse) => {
    if (serve(req, res)) return;
    res.writeContinue();
    serveRest(req, res);
  });
  server.on('checkExpectation', (req: http.IncomingMessage, res: http.ServerResponse) => {
    refuseAtOnce(req, res, refuse('ExpectationFailed'));
  });
  const connections = refusedConnections({ log: control.log, clock: systemClock });
  server.once('close', () => connections.close());
  limitConnections(server, maxConnections, (socket) => {
    control.meter.decision('control', 'TooManyConnections');
    connections.refused(socket, { code: 'TooManyConnections' });
  });
  endConnections(server, mediaRoutes, serveWithoutUpgrade, connections);
  return server;
}

const noMedia: MediaPlane = { serve: () => false, upgrade: () => false };

/** One connection too many is answered so, where that is possible: under TLS there was no handshake yet. */
function limitConnections(server: http.Server, most: number, refused: (socket: Socket) => void): void {
  let open = 0;
  server.prependListener('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    if (open <= most) return;
    refused(socket);
    if (server instanceof https.Server) socket.destroy();
    else respondAndEnd(socket, 503, 'TooManyConnections');
  });
}

/** Ends connections that are to become something else, or on which no request can be read any more. */
function endConnections(
  server: http.Server,
  mediaRoutes: Pick<MediaPlane, 'upgrade'>,
  serveWithoutUpgrade: ServeWithoutUpgrade,
  connections: Pick<RefusedConnections, 'refused'>,
): void {
  const { finalResponse, unanswered } = connectionErrors(server);
  const ending = new WeakSet<Duplex>();
  const end = (socket: Duplex, status: number, reason: ReasonCode, earlierMayFinish: boolean): void => {
    // What comes after an error is another error.
    if (ending.has(socket)) return;
    ending.add(socket);
    const last = finalResponse(socket);
    if (last.kind === 'answer') {
      respondAndEnd(socket, status, reason);
      return;
    }
    // Node has taken its own listener away by now, and a reset without one ends the process.
    socket.on('error', () => socket.destroy());
    const finish = (): void => void socket.end(() => socket.destroy());
    if (!socket.writable) socket.destroy();
    else if (last.kind === 'nothing') finish();
    else if (last.kind === 'earlier' && earlierMayFinish) last.res.once('close', finish);
    else socket.destroy();
  };
  server.on('upgrade', (req: http.IncomingMessage, socket: Socket, head: Buffer) => {
    if (!offersWebSocket(req)) {
      serveWithoutUpgrade(req, socket, head, unanswered(socket));
      return;
    }
    const refusal = repeatedHeader(req);
    // Node has let go of these sockets, so that an earlier answer would wait for ever.
    if (refusal !== undefined) end(socket, statusOf(refusal.reason), refusal.reason, false);
    else if (finalResponse(socket).kind === 'answer' && mediaRoutes.upgrade(req, socket, head))
      noteUpgraded(server, socket);
    else end(socket, 501, 'UpgradeRefused', false);
  });
  server.on('connect', (_req, socket) => end(socket, 501, 'UpgradeRefused', false));
  // A listener that does not end the socket would switch off the detection of clients that went away.
  server.on('clientError', (error, socket) => {
    if (!ending.has(socket)) connections.refused(socket, error as ConnectionError);
    end(socket, 400, 'TargetInvalid', true);
  });
}

/** Where there is no request to answer, only a socket. */
function respondAndEnd(socket: Duplex, status: number, reason: ReasonCode): void {
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

/**
 * `backlog`: connections that may wait to be accepted; the system bounds it too. More at once, as when every bot comes
 * back after a pause, are reset by Linux after they have sent their request.
 */
export const listen = (
  server: http.Server,
  { port, host, backlog }: { readonly port: number; readonly host: string; readonly backlog?: number },
): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog }, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });

/** The same for a port that a setting names; throws `CannotStart`, with that name. */
export async function listenAs(
  setting: string,
  server: http.Server,
  where: { readonly port: number; readonly host: string; readonly backlog?: number },
): Promise<AddressInfo> {
  try {
    return await listen(server, where);
  } catch (error) {
    throw cannotListen(setting, where, error);
  }
}

/** Connections that are WebSockets by now: Node does not count them among its own. */
const upgraded = new WeakMap<http.Server, Set<Socket>>();

function noteUpgraded(server: http.Server, socket: Socket): void {
  const sockets = upgraded.get(server) ?? new Set();
  upgraded.set(server, sockets.add(socket));
  socket.once('close', () => sockets.delete(socket));
}

/** Stops listening, lets requests finish, and ends what is left after `withinMs`. */
export const closeServer = (server: http.Server, withinMs: number): Promise<void> =>
  new Promise((resolve) => {
    const force = setTimeout(() => {
      server.closeAllConnections();
      for (const socket of upgraded.get(server) ?? []) socket.destroy();
    }, withinMs);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
