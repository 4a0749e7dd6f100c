import { createHash } from 'node:crypto';
import { type Refusal, refuse } from '../decision.ts';
import { hasBody, type HeaderMap } from './exchange.ts';

/** RFC 6455, section 1.3. */
const protocolGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export const acceptFor = (key: string): string =>
  createHash('sha1')
    .update(key + protocolGuid)
    .digest('base64');

const oneOf = (value: string | string[] | undefined): string => (typeof value === 'string' ? value : '');

/** Whether a request asks for a WebSocket, and for nothing else, in the only version of HTTP that is offered it here. */
export const asksForWebSocket = (method: string, httpVersion: string, headers: HeaderMap): boolean =>
  method === 'GET' && httpVersion === '1.1' && oneOf(headers.upgrade).trim().toLowerCase() === 'websocket';

/** What is wrong with an opening handshake (RFC 6455, section 4.2.1); undefined: nothing. */
export function invalidHandshake(headers: HeaderMap): Refusal | undefined {
  if (headers['sec-websocket-version'] !== '13') return refuse('UpgradeRequired');
  if (headers.host === undefined)
    return refuse('UpgradeInvalid', { detail: 'the Host header field is missing' });
  if (hasBody(headers)) return refuse('UpgradeInvalid', { detail: 'the request has a body' });
  // 16 bytes; two headers of this name would have been joined.
  if (!/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(oneOf(headers['sec-websocket-key'])))
    return refuse('UpgradeInvalid', { detail: 'Sec-WebSocket-Key is not a single base64 value of 16 bytes' });
  return undefined;
}

/** What is wrong with a handler's 101 (RFC 6455, section 4.1), where no extension was offered to it; undefined: nothing. */
export function invalidAcceptance(asked: HeaderMap, answered: HeaderMap): string | undefined {
  if (answered['sec-websocket-accept'] !== acceptFor(oneOf(asked['sec-websocket-key'])))
    return 'Sec-WebSocket-Accept does not match Sec-WebSocket-Key';
  if (answered['sec-websocket-extensions'] !== undefined)
    return 'the handler selected an extension that was not offered';
  return undefined;
}

/** Status codes of a Close frame (RFC 6455, section 7.4.1, and IANA's registry). */
export const closeCodes = {
  goingAway: 1001,
  protocolError: 1002,
  policyViolation: 1008,
  tryAgainLater: 1013,
  badGateway: 1014,
} as const;

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One whole frame. With `mask` (4 bytes) it is one of a client. */
export function frameOf(opcode: number, payload: Uint8Array, mask?: Uint8Array): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const start = 2 + extended + (mask === undefined ? 0 : 4);
  const frame = Buffer.alloc(start + length);
  frame[0] = 0x80 | opcode;
  frame[1] = (mask === undefined ? 0 : 0x80) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, start);
  if (mask === undefined) return frame;
  frame.set(mask, start - 4);
  for (let index = 0; index < length; index++)
    frame[start + index] = (payload[index] ?? 0) ^ (mask[index % 4] ?? 0);
  return frame;
}

/** A Close frame; `reason` is at most 123 bytes of ASCII. */
export function closeFrame(code: number, reason: string, mask?: Uint8Array): Buffer {
  const payload = Buffer.alloc(2 + reason.length);
  payload.writeUInt16BE(code);
  payload.write(reason, 2, 'latin1');
  return frameOf(opcodes.close, payload, mask);
}
