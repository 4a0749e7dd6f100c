import { setTimeout as sleep } from 'node:timers/promises';
import { opcodes } from '../../src/core/http/websocket.ts';
import { masked, openStream, type Stream } from '../../src/sandbox/bot/websocket-client.ts';
import type { Shape } from './bots.ts';

/** What became of the bots' WebSockets, as they saw it. */
export interface StreamTally {
  asked: number;
  opened: number;
  /** The handler answered the bot's Close frame. */
  closed: number;
  /** The proxy told that the gate had closed: whether the handler has it all, the evidence knows. */
  stopped: number;
  /** Any other way, or none. */
  cut: number;
}

type Outcome = 'refused' | 'closed' | 'stopped' | 'cut';

/** Sends a WebSocket to its end, which is never later than `withinMs`, and tells how a bot saw it end. */
export async function sendStream(
  url: string,
  token: string,
  shape: Shape,
  withinMs: number,
): Promise<Outcome> {
  const stream = openStream(url, { token });
  const tooLate = setTimeout(() => stream.destroy(), withinMs);
  try {
    const isOpen = await stream.opened.then(
      () => true,
      () => false,
    );
    if (!isOpen) return 'refused';
    await sendFrames(stream, shape);
    const farewell = await stream.over;
    if (farewell?.code === 1000) return 'closed';
    return farewell?.reason === 'RecordingStopped' ? 'stopped' : 'cut';
  } finally {
    clearTimeout(tooLate);
  }
}

/** Whoever stalls or vanishes does so in the middle of a frame. */
async function sendFrames(
  stream: Stream,
  { pieces, pieceBytes, everyMs, stalls = false, vanishes = false }: Shape,
): Promise<void> {
  const socket = await stream.socket;
  const frame = masked(opcodes.binary, Buffer.alloc(pieceBytes, 1));
  const half = frame.length >> 1;
  for (let piece = 0; piece < pieces && socket.writable; piece += 1) {
    if (vanishes) {
      stream.write(frame.subarray(0, half));
      // Neither does it read what it is told.
      socket.pause();
      setTimeout(() => stream.destroy(), 4000).unref();
      return;
    }
    if (stalls) {
      stream.write(frame.subarray(0, half));
      await sleep(everyMs);
      stream.write(frame.subarray(half));
    } else {
      stream.write(frame);
      if (everyMs > 0) await sleep(everyMs);
    }
  }
  stream.close();
}
