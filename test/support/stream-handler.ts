import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { closeFrame, frameOf, opcodes } from '../../src/core/http/websocket.ts';
import { acceptWebSocket } from '../../src/sandbox/websocket-handler.ts';

/** A frame of a client as the handler saw it. */
export interface Frame {
  readonly opcode: number;
  readonly payload: string;
}

/** One WebSocket that reached the handler. */
export interface HeldStream {
  readonly req: IncomingMessage;
  readonly socket: Socket;
  /** Whole frames, unmasked. */
  readonly frames: readonly Frame[];
  /** Every byte. */
  readonly received: Buffer;
  /** Bytes that are no whole frame. */
  readonly rest: Buffer;
  /** Whether the client's half ended in order; undefined: it did not end yet. */
  readonly ended: 'fin' | 'reset' | undefined;
  /** When the last byte came, monotonic, ms. */
  readonly lastByteAt: number;
}

export interface StreamHandler {
  readonly url: string;
  readonly streams: readonly HeldStream[];
  /** What is done with a request for an upgrade; default: it is accepted. */
  onUpgrade: (req: IncomingMessage, socket: Socket) => void;
  /** Whether a Close frame is answered, and the connection ended; default: it is. */
  answersClose: boolean;
  close(): Promise<void>;
}

/** A media handler that keeps what WebSockets brought it, and behaves as a test wants. */
export async function startStreamHandler(): Promise<StreamHandler> {
  const streams: HeldStream[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_req, res) => res.end('no stream'));
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    sockets.add(socket);
    const stream = follow(req, socket, head, () => handler.answersClose);
    streams.push(stream);
    handler.onUpgrade(req, socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const handler: StreamHandler = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    streams,
    onUpgrade: acceptWebSocket,
    answersClose: true,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of sockets) socket.destroy();
      }),
  };
  return handler;
}

function follow(req: IncomingMessage, socket: Socket, head: Buffer, answersClose: () => boolean): HeldStream {
  let received = Buffer.alloc(0);
  let ended: HeldStream['ended'];
  let lastByteAt = 0;
  const take = (chunk: Buffer): void => {
    const before = parseFrames(received).frames.length;
    received = Buffer.concat([received, chunk]);
    lastByteAt = performance.now();
    const closes = parseFrames(received)
      .frames.slice(before)
      .some(({ opcode }) => opcode === opcodes.close);
    if (closes && answersClose()) socket.end(closeFrame(1000, ''));
  };
  if (head.length > 0) take(head);
  socket.on('data', take);
  socket.on('end', () => {
    ended ??= 'fin';
    socket.end();
  });
  socket.on('error', () => {
    ended ??= 'reset';
  });
  return {
    req,
    socket,
    get frames() {
      return parseFrames(received).frames;
    },
    get received() {
      return received;
    },
    get rest() {
      return parseFrames(received).rest;
    },
    get ended() {
      return ended;
    },
    get lastByteAt() {
      return lastByteAt;
    },
  };
}

/** The whole frames of a client. */
function parseFrames(bytes: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  for (let rest = bytes; ;) {
    const short = (rest[1] ?? 0) & 0x7f;
    const start = 6 + (short === 126 ? 2 : short === 127 ? 8 : 0);
    if (rest.length < start) return { frames, rest };
    const length =
      short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
    if (rest.length < start + length) return { frames, rest };
    const mask = rest.subarray(start - 4, start);
    const payload = Buffer.from(rest.subarray(start, start + length)).map(
      (byte, index) => byte ^ mask[index % 4]!,
    );
    frames.push({ opcode: rest[0]! & 0x0f, payload: Buffer.from(payload).toString('latin1') });
    rest = rest.subarray(start + length);
  }
}

/** A frame of a handler. */
export const plainFrame = (opcode: number, text: string): Buffer => frameOf(opcode, Buffer.from(text));

/** A Close frame as it is told in a frame of a client. */
export const closing = (code: number, reason: string): Frame => {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return { opcode: opcodes.close, payload: payload.toString('latin1') + reason };
};
