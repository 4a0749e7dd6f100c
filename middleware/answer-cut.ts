import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Refusal } from '../src/core/decision.ts';
import { answerRefusal } from '../src/http/problem.ts';

/** How long a client may take to read the response and to close, ms. */
const lingerMs = 2000;

/**
 * Answers an aborted write in place of its handler: from now on the handler cannot read the request, and what it
 * writes is discarded. Without a response, a client would send its media again, even after the recording has ended.
 * If the response has begun, the connection is destroyed.
 */
export function answerCut(
  req: IncomingMessage & { _dumped?: boolean },
  res: ServerResponse,
  refusal: Refusal,
  requestId: string,
): void {
  const { socket } = res;
  if (res.headersSent || socket === null || socket.destroyed || !(res instanceof ServerResponse)) {
    req.destroy();
    res.destroy();
    return;
  }
  res.detachSocket(socket);
  res.destroy();
  // Node reports it with the connection, which this response no longer has.
  process.nextTick(() => res.emit('close'));
  // What still comes of the body is thrown away by the parser, so that the client can read its answer.
  req._dumped = true;
  keepConnection(req);
  req.destroy();
  socket.resume();
  const answer = new ServerResponse(req);
  answer.shouldKeepAlive = false;
  answer.assignSocket(socket);
  answer.once('finish', () => {
    answer.detachSocket(socket);
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
    socket.end();
  });
  answerRefusal(req, answer, refusal, requestId);
}

/** Destroying the request will leave its connection as it is. */
export function keepConnection(req: IncomingMessage): void {
  req._destroy = (error, done) => done(error);
}
