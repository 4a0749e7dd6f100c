import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import net from 'node:net';
import { hasBody } from '../core/http/exchange.ts';

/**
 * How long a connection without a request stays open for one more, ms. A client that was about to use it would find it
 * reset: one that is busy gets an answer that says `Connection: close` instead.
 */
const idleMs = 5000;

/** What Node emits for a request, one of them for each. */
const requestEvents = ['request', 'checkContinue', 'checkExpectation'] as const;

/**
 * Prepares a listener for being left while clients go on. The function returned takes no new connections, asks the
 * clients of the others to close them after the next answer, and resolves when none is left, or after `withinMs`.
 */
export function drainConnections(server: Server): (withinMs: number) => Promise<void> {
  const open = new Map<ServerResponse, IncomingMessage>();
  let left = false;
  const note = (req: IncomingMessage, res: ServerResponse): void => {
    if (left) askToClose(req, res);
    else {
      open.set(res, req);
      res.once('close', () => open.delete(res));
    }
  };
  for (const event of requestEvents) server.prependListener(event, note);
  return (withinMs) =>
    new Promise((resolve) => {
      left = true;
      for (const [res, req] of open) askToClose(req, res);
      open.clear();
      // For those whose answer has begun, and so cannot say it any more.
      server.keepAliveTimeout = idleMs;
      const idle = setTimeout(() => server.closeIdleConnections(), Math.min(idleMs, withinMs));
      const limit = setTimeout(done, withinMs);
      function done(): void {
        clearTimeout(idle);
        clearTimeout(limit);
        resolve();
      }
      // The server's own would close idle connections at once.
      net.Server.prototype.close.call(server, done);
    });
}

/** Asks whoever sends a request from now on to close the connection after its answer. */
export function askToReconnect(server: Server): void {
  for (const event of requestEvents) server.prependListener(event, askToClose);
}

/** An answer before the end of the body leaves the connection open: to close it then would reset it under the answer. */
function askToClose(req: IncomingMessage, res: ServerResponse): void {
  const ask = (): void => {
    if (!res.headersSent) res.shouldKeepAlive = false;
  };
  if (req.complete || !hasBody(req.headers)) ask();
  else req.once('end', ask);
}
