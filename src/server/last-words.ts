import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** What may still be written on a connection that cannot go on. */
export type LastWord =
  /** An answer: nothing else is, or was, the answer to what is wrong. */
  | 'answer'
  /** Nothing: what is wrong has been answered. */
  | 'nothing'
  /** Not even the end of what was begun, which would look whole. */
  | 'break';

/**
 * Tells what may still be written where requests cannot be read any more. An answer out of turn would be taken for
 * that of an earlier request, or for a part of it.
 */
export function lastWords(server: Server): (socket: Duplex) => LastWord {
  const latest = new WeakMap<Duplex, { readonly req: IncomingMessage; readonly res: ServerResponse }>();
  const note = (req: IncomingMessage, res: ServerResponse): void => void latest.set(req.socket, { req, res });
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.prependListener(event, note);
  return (socket) => {
    const last = latest.get(socket);
    if (last === undefined) return 'answer';
    const { req, res } = last;
    // Answers go out in order: when the latest is done, all are.
    if (res.writableFinished) return req.complete ? 'answer' : 'nothing';
    // Only the answer whose turn it is has a socket.
    return !req.complete && !res.headersSent && res.socket === socket ? 'answer' : 'break';
  };
}
