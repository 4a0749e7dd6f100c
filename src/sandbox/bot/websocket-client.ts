import { randomBytes } from 'node:crypto';
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as requestTls, type RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import { frameOf, opcodes } from '../../core/http/websocket.ts';

/** An answer that is no 101. */
export interface Refused {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** How a stream ended; null: without a Close frame. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** A WebSocket of a client. */
export interface Stream {
  /** The headers of the 101. Rejects with a `Refused` as its cause where there is none. */
  readonly opened: Promise<IncomingMessage['headers']>;
  /** Sends a data frame; default: binary. */
  send(payload: Uint8Array | string): void;
  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void;
  close(code?: number): void;
  /** Closes the connection without a Close frame. */
  destroy(): void;
  /** Messages of the other side. */
  readonly messages: readonly Buffer[];
  readonly over: Promise<CloseFrame | null>;
  /** The connection, once it is open. */
  readonly socket: Promise<Socket>;
}

export interface StreamOptions {
  readonly token?: string;
  readonly protocol?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly tls?: RequestOptions;
}

/** Opens a WebSocket. A frame in several parts, and those of unknown kinds, are for tests to write themselves. */
export function openStream(url: string, { token, protocol, headers, tls = {} }: StreamOptions = {}): Stream {
  const messages: Buffer[] = [];
  let farewell: CloseFrame | null = null;
  let open: Socket | undefined;
  const waiting: Uint8Array[] = [];
  const req = (url.startsWith('https:') ? requestTls : request)(url, {
    ...tls,
    agent: false,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(protocol === undefined ? {} : { 'sec-websocket-protocol': protocol }),
      ...headers,
    },
  });
  const over = new Promise<CloseFrame | null>((resolve) => {
    req.on('error', () => resolve(null));
    req.on('response', () => resolve(null));
    req.on('upgrade', (_res, socket) => socket.on('close', () => resolve(farewell)));
  });
  const answered = new Promise<{ res: IncomingMessage; socket: Socket }>((resolve, reject) => {
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('close', () => {
        const refused: Refused = {
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: Buffer.concat(chunks).toString(),
        };
        reject(new Error(`the answer was ${refused.status}`, { cause: refused }));
      });
    });
    req.on('upgrade', (res: IncomingMessage, socket: Socket, head: Buffer) => {
      open = socket;
      for (const bytes of waiting) socket.write(bytes);
      const read = reader((opcode, payload) => {
        if (opcode === opcodes.close) {
          farewell = {
            code: payload.length < 2 ? 1005 : payload.readUInt16BE(),
            reason: payload.toString('utf8', 2),
          };
          if (socket.writable) socket.end(masked(opcodes.close, payload.subarray(0, 2)));
        } else if (opcode <= opcodes.binary) messages.push(payload);
      });
      socket.on('error', () => undefined);
      socket.on('end', () => socket.end());
      socket.on('data', read);
      read(head);
      resolve({ res, socket });
    });
  });
  const opened = answered.then(({ res }) => res.headers);
  const socket = answered.then((found) => found.socket);
  // Whoever waits for neither finds the end in `over`.
  opened.catch(() => undefined);
  socket.catch(() => undefined);
  req.end();
  const write = (bytes: Uint8Array): void => {
    if (open === undefined) waiting.push(bytes);
    else if (open.writable) open.write(bytes);
  };
  return {
    opened,
    socket,
    messages,
    over,
    write,
    send: (payload) =>
      write(
        typeof payload === 'string'
          ? masked(opcodes.text, Buffer.from(payload))
          : masked(opcodes.binary, payload),
      ),
    close(code = 1000) {
      const payload = Buffer.alloc(2);
      payload.writeUInt16BE(code);
      write(masked(opcodes.close, payload));
    },
    destroy() {
      if (open === undefined) req.destroy();
      else open.resetAndDestroy();
    },
  };
}

/** A frame of a client. */
export const masked = (opcode: number, payload: Uint8Array): Buffer =>
  frameOf(opcode, payload, randomBytes(4));

/** Takes bytes and gives whole frames of a server. */
function reader(onFrame: (opcode: number, payload: Buffer) => void): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0);
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < 2) return;
      const short = (pending[1] ?? 0) & 0x7f;
      const start = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (pending.length < start) return;
      const length =
        short === 126 ? pending.readUInt16BE(2) : short === 127 ? Number(pending.readBigUInt64BE(2)) : short;
      if (pending.length < start + length) return;
      onFrame((pending[0] ?? 0) & 0x0f, pending.subarray(start, start + length));
      pending = pending.subarray(start + length);
    }
  };
}
