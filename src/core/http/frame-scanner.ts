import { opcodes } from './websocket.ts';

/** 2 bytes, a length of up to 8, and a mask of 4 (RFC 6455, section 5.2). */
const longestHeader = 14;

/**
 * Follows the frames of one direction of a WebSocket through any split of their bytes. It reads headers only, keeps no
 * payload, and allocates nothing for a frame. A header goes on only once it is whole and nothing is wrong with it, so
 * that what went on so far always ends in a frame that may go on, or between two.
 */
export class FrameScanner {
  /** Frames that are whole. */
  frames = 0;
  /** Bytes of payload of data frames. */
  payload = 0;
  /** A Close frame is over: nothing may follow. */
  closed = false;
  /** What is wrong with the frame that is next; nothing goes on any more. */
  wrong: string | undefined;
  /** The first bytes of a header that came with earlier chunks, and may now go on before this one. */
  released: Buffer | undefined;

  readonly #masked: boolean;
  readonly #header = Buffer.alloc(longestHeader);
  #have = 0;
  #need = 2;
  /** Bytes of payload that the frame in flight still has to bring. */
  #left = 0;
  #control = false;
  #inMessage = false;

  /** `from` a client, frames must be masked, and they must not be from a handler. */
  constructor(from: 'client' | 'handler') {
    this.#masked = from === 'client';
  }

  /** Whether what went on so far ends with a whole frame. */
  get isBetweenFrames(): boolean {
    return this.#left === 0;
  }

  /**
   * Reads a chunk. Returns how many of its bytes may go on, from its start; before them goes `released`.
   * `onlyCurrent`: the frame in flight may end, and no other may begin.
   */
  scan(chunk: Uint8Array, onlyCurrent = false): number {
    this.released = undefined;
    let at = 0;
    while (at < chunk.length && !this.closed && this.wrong === undefined) {
      if (this.#left > 0) {
        at += this.#skip(chunk.length - at);
        continue;
      }
      if (onlyCurrent) return at;
      const start = at;
      const held = this.#have;
      at = this.#readHeader(chunk, at);
      if (!this.#isHeaderWhole()) return start;
      if (held > 0) this.released = Buffer.from(this.#header.subarray(0, held));
      this.#enter();
    }
    return at;
  }

  #isHeaderWhole(): boolean {
    return this.#have === this.#need && this.wrong === undefined;
  }

  #skip(available: number): number {
    const count = Math.min(this.#left, available);
    this.#left -= count;
    if (!this.#control) this.payload += count;
    if (this.#left === 0) this.#leave();
    return count;
  }

  #readHeader(chunk: Uint8Array, from: number): number {
    let at = from;
    while (this.#have < this.#need && at < chunk.length && this.wrong === undefined) {
      this.#header[this.#have++] = chunk[at++] ?? 0;
      if (this.#have === 2) this.#judge();
    }
    if (this.#isHeaderWhole()) this.#measure();
    return at;
  }

  /** The first two bytes say what the frame is, and how long its header. */
  #judge(): void {
    const [first = 0, second = 0] = this.#header;
    const fin = (first & 0x80) !== 0;
    const opcode = first & 0x0f;
    const length = second & 0x7f;
    this.#control = opcode >= opcodes.close;
    if ((first & 0x70) !== 0) this.wrong = 'a reserved bit is set';
    else if (second >= 0x80 !== this.#masked)
      this.wrong = this.#masked ? 'a frame is not masked' : 'a frame is masked';
    else if (opcode > opcodes.pong || (opcode > opcodes.binary && !this.#control))
      this.wrong = 'a reserved opcode is used';
    else if (this.#control && (!fin || length > 125))
      this.wrong = 'a control frame is fragmented or too long';
    else if (opcode === opcodes.close && length === 1) this.wrong = 'a Close frame has a body of one byte';
    else if (!this.#control && (opcode === opcodes.continuation) !== this.#inMessage)
      this.wrong = 'a continuation frame is missing or unexpected';
    else if (!this.#control) this.#inMessage = !fin;
    this.#need = 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (this.#masked ? 4 : 0);
  }

  #measure(): void {
    const header = this.#header;
    const length = (header[1] ?? 0) & 0x7f;
    if (length < 126) {
      this.#left = length;
      return;
    }
    const isShort = length === 126;
    const size = isShort ? header.readUInt16BE(2) : header.readUInt32BE(2) * 2 ** 32 + header.readUInt32BE(6);
    // Two readers of a length that could be written shorter might find two frames.
    if (size < (isShort ? 126 : 0x10000)) this.wrong = 'a payload length is not minimally encoded';
    else if (!Number.isSafeInteger(size)) this.wrong = 'a payload length is too large';
    else this.#left = size;
  }

  #enter(): void {
    this.#have = 0;
    this.#need = 2;
    if (this.#left === 0) this.#leave();
  }

  #leave(): void {
    this.frames += 1;
    const opcode = (this.#header[0] ?? 0) & 0x0f;
    if (opcode === opcodes.close) this.closed = true;
  }
}
