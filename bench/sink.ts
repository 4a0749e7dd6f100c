import { createHash } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { frameMark } from './frame.ts';

/** What the sink has read since it began. */
export interface SinkCount {
  /** Requests with a length, read to their end and answered. */
  requests: number;
  /** Of the bodies of such requests. */
  bytes: number;
  /** Of endless bodies and WebSockets. */
  frames: number;
}

const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
const webSocketSalt = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const count: SinkCount = { requests: 0, bytes: 0, frames: 0 };

/**
 * Reads everything, as cheaply as Node can: our own requests are the only ones that come, so a head ends at the first
 * blank line and its length is where it says so.
 */
function serve(socket: Socket): void {
  let head = '';
  let left = 0;
  let endless = false;

  function take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (endless) {
        for (let at = rest.indexOf(frameMark); at >= 0; at = rest.indexOf(frameMark, at + 1))
          count.frames += 1;
        return;
      }
      if (left > 0) {
        const taken = Math.min(left, rest.length);
        left -= taken;
        count.bytes += taken;
        rest = rest.subarray(taken);
        if (left === 0) finish();
        continue;
      }
      const before = head.length;
      head += rest.toString('latin1');
      const end = head.indexOf('\r\n\r\n', Math.max(0, before - 3));
      if (end < 0) return;
      rest = rest.subarray(end + 4 - before);
      begin(head.slice(0, end));
      head = '';
    }
  }

  function begin(text: string): void {
    const key = /\r\nsec-websocket-key: *(\S+)/i.exec(text)?.[1];
    if (key !== undefined) {
      const accept = createHash('sha1')
        .update(key + webSocketSalt)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      endless = true;
      return;
    }
    left = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    endless = /\r\ntransfer-encoding: *chunked/i.test(text);
    if (left === 0 && !endless) finish();
  }

  function finish(): void {
    count.requests += 1;
    socket.write(answer);
  }

  socket.setNoDelay();
  socket.on('data', take);
  socket.on('error', () => socket.destroy());
}

const server = createServer(serve).listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port }),
);
process.on('message', () => process.send?.({ count }));
