import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** How long the client may take to read an answer and to close, ms. */
const lingerMs = 2000;

/**
 * Node leaves a request for an upgrade without a response. This one is the last on its connection: what the client may
 * have sent behind its request is thrown away, so that it can read the answer.
 */
export function answerToUpgrade(req: IncomingMessage, socket: Socket): ServerResponse {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  // Node has taken its own listeners away by now, and a reset without one ends the process.
  socket.on('error', () => socket.destroy());
  const onDrain = (): void => void res.emit('drain');
  socket.on('drain', onDrain);
  const detach = res.detachSocket.bind(res);
  res.detachSocket = (given) => {
    socket.off('drain', onDrain);
    detach(given);
  };
  res.once('finish', () => {
    res.detachSocket(socket);
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
    socket.end();
    socket.resume();
  });
  return res;
}
