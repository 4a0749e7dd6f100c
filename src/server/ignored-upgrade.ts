import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';

/** What a request says about its own wish for another protocol; nothing of it goes on. */
const upgradeHeaders = new Set(['upgrade', 'http2-settings']);

/** Whether a WebSocket is among what is asked for: it is offered in places, so that elsewhere the client needs an answer. */
export const offersWebSocket = ({ headers }: IncomingMessage): boolean =>
  (headers.upgrade ?? '').split(',').some((name) => /^\s*websocket\s*(?:\/|$)/i.test(name));

/** Serves a request whose wish for another protocol is ignored; `earlier` are answers that are not over yet. */
export type ServeWithoutUpgrade = (
  req: IncomingMessage,
  socket: Socket,
  head: Buffer,
  earlier: readonly ServerResponse[],
) => void;

/**
 * A server may ignore a wish for a protocol that it does not offer (RFC 9110, section 7.8): the JDK's client and curl ask
 * for h2c with ordinary requests. Node lets go of the connection, or, without a listener, loses what came in one piece with
 * such a request. So the connection begins anew, with the same request without its wish, and every byte that came after it.
 * To be called before anybody else listens for connections of the server.
 */
export function ignoringUpgrades(server: Server): ServeWithoutUpgrade {
  const [serveConnection] = server.listeners(
    server instanceof https.Server ? 'secureConnection' : 'connection',
  );
  const serve = (req: IncomingMessage, socket: Socket, head: Buffer): void => {
    if (socket.destroyed) return;
    // The time that a connection may be idle, which was set after the last answer.
    socket.setTimeout(0);
    socket.unshift(Buffer.concat([withoutUpgradeHeaders(req), head]));
    serveConnection?.call(server, socket);
  };
  return (req, socket, head, earlier) => {
    const last = earlier.at(-1);
    if (last === undefined) serve(req, socket, head);
    else afterAnswers(socket, earlier, last, () => serve(req, socket, head));
  };
}

/** The head of a request, as it came but for the wish. */
function withoutUpgradeHeaders({ method = '', url = '', httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const value = rawHeaders[at + 1] ?? '';
    const lower = name.toLowerCase();
    if (upgradeHeaders.has(lower)) continue;
    const kept = lower === 'connection' ? withoutUpgradeTokens(value) : value;
    if (lower !== 'connection' || kept !== '') lines.push(`${name}: ${kept}`);
  }
  // Node gives every byte of a head as one character.
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

const withoutUpgradeTokens = (connection: string): string =>
  connection
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && !upgradeHeaders.has(name.toLowerCase()))
    .join(', ');

/** Node has let go of the connection, so the responses that are still under way are notified here of what becomes of it. */
function afterAnswers(
  socket: Socket,
  earlier: readonly ServerResponse[],
  last: ServerResponse,
  then: () => void,
): void {
  const onError = (): void => void socket.destroy();
  const onDrain = (): void => void earlier.find((res) => res.socket === socket)?.emit('drain');
  const onClose = (): void => {
    for (const res of earlier) if (!res.writableFinished) res.emit('close');
  };
  socket.on('error', onError).on('drain', onDrain).on('close', onClose);
  last.once('close', () => {
    socket.off('error', onError).off('drain', onDrain).off('close', onClose);
    then();
  });
}
