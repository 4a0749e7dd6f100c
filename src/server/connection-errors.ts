import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** What may still be written on a connection on which no further request can be read. */
export type FinalResponse =
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
export function connectionErrors(server: Server): {
  readonly finalResponse: (socket: Duplex) => FinalResponse;
  /** The answers of a connection that are not over, in order. */
  readonly unanswered: (socket: Duplex) => readonly ServerResponse[];
} {
  /** The latest exchange of a connection, and those before it that were not over when it began. */
  const exchanges = new WeakMap<Duplex, readonly Exchange[]>();
  const openOf = (socket: Duplex): readonly Exchange[] =>
    exchanges.get(socket)?.filter(({ res }) => !res.writableFinished) ?? [];
  const note = (req: IncomingMessage, res: ServerResponse): void =>
    void exchanges.set(req.socket, [...openOf(req.socket), { req, res }]);
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, note);
  return {
    finalResponse(socket) {
      const last = exchanges.get(socket)?.at(-1);
      if (last !== undefined) return after(last, socket);
      // A connection kept in reserve: its first request would take an answer for its own.
      const isUnused = socket instanceof Socket && socket.bytesRead === 0;
      return { kind: isUnused ? 'nothing' : 'answer' };
    },
    unanswered: (socket) => openOf(socket).map(({ res }) => res),
  };
}

function after({ req, res }: Exchange, socket: Duplex): FinalResponse {
  // Answers go out in order: when the latest is done, all are.
  if (res.writableFinished) return { kind: req.complete ? 'answer' : 'nothing' };
  if (req.complete) return { kind: 'earlier', res };
  // Only the answer whose turn it is has a socket.
  return { kind: !res.headersSent && res.socket === socket ? 'answer' : 'break' };
}
