import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** What may still be written on a connection on which no further request can be read. */
export type LastWord =
  /** An answer: what is wrong has none, and it is its turn. */
  | { readonly kind: 'answer' }
  /** Nothing: what is wrong has been answered, or nothing was asked. */
  | { readonly kind: 'nothing' }
  /** The answers to earlier requests, which are whole; `res` is the last of them. */
  | { readonly kind: 'earlier'; readonly res: ServerResponse }
  /** Not even the end of what was begun, which would look whole. */
  | { readonly kind: 'break' };

/**
 * An answer out of turn would be taken for that of an earlier request, or for a part of it; so what is said last
 * depends on what is still unanswered on the connection.
 */
export function lastWords(server: Server): (socket: Duplex) => LastWord {
  const latest = new WeakMap<Duplex, Exchange>();
  const note = (req: IncomingMessage, res: ServerResponse): void => void latest.set(req.socket, { req, res });
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, note);
  return (socket) => {
    const last = latest.get(socket);
    if (last !== undefined) return after(last, socket);
    // A connection kept in reserve: its first request would take an answer for its own.
    const isUnused = socket instanceof Socket && socket.bytesRead === 0;
    return { kind: isUnused ? 'nothing' : 'answer' };
  };
}

function after({ req, res }: Exchange, socket: Duplex): LastWord {
  // Answers go out in order: when the latest is done, all are.
  if (res.writableFinished) return { kind: req.complete ? 'answer' : 'nothing' };
  if (req.complete) return { kind: 'earlier', res };
  // Only the answer whose turn it is has a socket.
  return { kind: !res.headersSent && res.socket === socket ? 'answer' : 'break' };
}
