import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Refusal } from '../core/decision.ts';
import { statusOf, textOf } from '../core/reasons.ts';

/** How much of an unread body is thrown away, and for how long, so that the client can read the refusal. */
const lingerMs = 2000;
const lingerBytes = 256 * 1024;

/**
 * Answers with a refusal in Graph's own envelope, so that SDKs can parse it; `Tallylight-Reason` distinguishes it from Graph's.
 */
export function answerRefusal(
  req: IncomingMessage,
  res: ServerResponse,
  refusal: Refusal,
  requestId: string,
): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { reason, detail, retryAfterMs } = refusal;
  const status = statusOf(reason);
  const clientRequestId = header(req, 'client-request-id');
  const body = JSON.stringify({
    error: {
      code: reason,
      message: detail === undefined ? textOf(reason) : `${textOf(reason)} (${detail})`,
      innerError: {
        date: new Date().toISOString().slice(0, 19),
        'request-id': requestId,
        'client-request-id': clientRequestId ?? requestId,
      },
    },
  });
  res.statusCode = status;
  res.statusMessage = STATUS_CODES[status] ?? 'Refused';
  res.setHeader('Content-Type', 'application/json');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Tallylight-Reason', reason);
  res.setHeader('request-id', requestId);
  if (clientRequestId !== undefined) res.setHeader('client-request-id', clientRequestId);
  if (status === 401) res.setHeader('WWW-Authenticate', 'Bearer');
  if (reason === 'UpgradeRequired') {
    res.setHeader('Upgrade', 'websocket');
    res.setHeader('Sec-WebSocket-Version', '13');
    res.setHeader('Connection', res.shouldKeepAlive ? 'Upgrade' : 'close, Upgrade');
  }
  if (reason === 'MethodNotAllowed' && detail !== undefined)
    res.setHeader('Allow', detail.replace(/^.*: /, ''));
  if (retryAfterMs !== undefined) res.setHeader('Retry-After', Math.max(1, Math.ceil(retryAfterMs / 1000)));
  lingerOver(req, res);
  res.end(body);
}

/**
 * A refusal comes before the body is read. Closing at once would reset the connection under the answer, so the rest
 * of the body is thrown away for a while; Node does the reading, this sets the end.
 */
function lingerOver(req: IncomingMessage, res: ServerResponse): void {
  const { socket } = res;
  if (socket === null || socket.destroyed || req.complete) return;
  // More than that is announced: nothing is gained by throwing away a part. With the end of the answer Node begins to:
  // it resumes the request in the next tick, and by that the socket in the one after.
  if (Number(req.headers['content-length'] ?? 0) > lingerBytes)
    res.once('finish', () => process.nextTick(() => process.nextTick(() => socket.pause())));
  const before = socket.bytesRead;
  const check = setInterval(() => {
    if (socket.bytesRead - before > lingerBytes) socket.destroy();
  }, 20);
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  const done = (): void => {
    clearInterval(check);
    clearTimeout(timer);
    // A connection that is kept alive may see any number of refusals.
    socket.off('close', done);
  };
  req.once('end', done);
  socket.once('close', done);
}

/** A correlation id from outside; anything long or strange is not repeated. */
export function header(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' && /^[\x21-\x7e]{1,128}$/.test(value) ? value : undefined;
}
