import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { acceptFor, frameOf, opcodes } from '../core/http/websocket.ts';

/** Agrees to a WebSocket, in the first subprotocol that was offered. */
export function acceptWebSocket({ headers }: IncomingMessage, socket: Socket): void {
  const protocol = headers['sec-websocket-protocol']?.split(',')[0]?.trim();
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Accept: ${acceptFor(headers['sec-websocket-key'] ?? '')}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
}

/**
 * The payload of a client's data frames, as it comes; pings are answered. Ends with the Close frame, which is left for
 * the reader to answer, and throws where the connection ends without one.
 */
export async function* payloadOf(socket: Socket, head: Buffer): AsyncGenerator<Buffer> {
  // Answering needs the connection after the last byte was read.
  const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  let pending = head;
  const more = async (): Promise<void> => {
    const next = await chunks.next();
    if (next.done === true) throw new Error('the connection ended without a Close frame');
    pending = pending.length === 0 ? next.value : Buffer.concat([pending, next.value]);
  };
  for (;;) {
    while (pending.length < headerBytes(pending)) await more();
    const { opcode, length, mask } = readHeader(pending);
    pending = pending.subarray(headerBytes(pending));
    const answer: Buffer[] = [];
    for (let at = 0; at < length;) {
      if (pending.length === 0) await more();
      const part = Buffer.from(pending.subarray(0, length - at));
      pending = pending.subarray(part.length);
      for (let index = 0; index < part.length; index++)
        part[index] = (part[index] ?? 0) ^ (mask[(at + index) % 4] ?? 0);
      at += part.length;
      if (opcode <= opcodes.binary) yield part;
      else answer.push(part);
    }
    if (opcode === opcodes.close) return;
    if (opcode === opcodes.ping) socket.write(frameOf(opcodes.pong, Buffer.concat(answer)));
  }
}

/** How long the header is, as far as it is known. */
function headerBytes(bytes: Buffer): number {
  const length = (bytes[1] ?? 0) & 0x7f;
  return 6 + (length === 126 ? 2 : length === 127 ? 8 : 0);
}

function readHeader(bytes: Buffer): { opcode: number; length: number; mask: Buffer } {
  const short = (bytes[1] ?? 0) & 0x7f;
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const end = headerBytes(bytes);
  return { opcode: (bytes[0] ?? 0) & 0x0f, length, mask: bytes.subarray(end - 4, end) };
}
