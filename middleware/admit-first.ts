import { IncomingMessage, type Server, type ServerResponse } from 'node:http';

/**
 * Keeps Node from sending `100 Continue` before the gate has decided. Without it, a client that sends `Expect:
 * 100-continue` receives `100 Continue` before any handler runs; with it, the client receives it only when a handler
 * begins to read, so the body of a refused write is never sent. Call it once, for the server of the application.
 *
 * @example
 * ```ts
 * const server = app.listen(3000);
 * admitFirst(server);
 * ```
 */
export function admitFirst(server: Pick<Server, 'on' | 'emit'>): void {
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    let asked = false;
    // Node calls this when somebody wants the body, and also to throw away what is left after the answer.
    req._read = function (size: number): void {
      if (!asked && !res.headersSent) res.writeContinue();
      asked = true;
      IncomingMessage.prototype._read.call(this, size);
    };
    server.emit('request', req, res);
  });
}
