import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { StreamOver } from '../core/http/exchange.ts';
import { FrameScanner } from '../core/http/frame-scanner.ts';
import type { FrameDirection, StreamEnd } from '../core/http/stream-end.ts';
import { closeCodes, closeFrame } from '../core/http/websocket.ts';
import type { Reached, StopReason, WriteGuard } from '../core/http/write-guard.ts';

/** How long a side may take to answer a Close frame, or to close its connection, ms. */
const closingMs = 1000;
const framesPerReport = 100;

export interface PipeOptions {
  readonly client: Socket;
  readonly handler: Socket;
  readonly guard: WriteGuard;
  /** Nothing moved in either direction for this long, ms: ended. */
  readonly idleMs: number;
  /** Frames that went on since the last report. */
  readonly onFrames: (direction: FrameDirection, count: number) => void;
}

interface Direction {
  readonly name: FrameDirection;
  readonly from: Socket;
  readonly to: Socket;
  readonly scanner: FrameScanner;
  /** The last frame went on, a Close frame: nothing more may. */
  closed: boolean;
  reported: number;
}

/** Why both directions end at their next frame boundary, and what both sides receive. */
interface Ending {
  readonly how: StreamEnd;
  readonly code: number;
  readonly reason: string;
}

const endings: Readonly<Record<StopReason, Ending>> = {
  RecordingStopped: { how: 'stopped', code: closeCodes.policyViolation, reason: 'RecordingStopped' },
  ShuttingDown: { how: 'shutDown', code: closeCodes.goingAway, reason: 'ShuttingDown' },
  SessionLost: { how: 'cut', code: closeCodes.tryAgainLater, reason: 'SessionLost' },
  TokenRevoked: { how: 'cut', code: closeCodes.policyViolation, reason: 'TokenRevoked' },
  RecordingNotActive: { how: 'cut', code: closeCodes.policyViolation, reason: 'RecordingNotActive' },
};
const idled: Ending = { how: 'idle', code: closeCodes.goingAway, reason: 'Idle' };
const handlerBroke: Ending = { how: 'broken', code: closeCodes.badGateway, reason: 'UpstreamFailed' };

/**
 * Joins the two sides of an open WebSocket: bytes go on as they came, with back-pressure both ways, and only their frame
 * headers are read. The stream is over once certainly nothing more of it can reach the handler: the handler has closed
 * its connection after both Close frames, or was cut off. Both connections end soon after that.
 */
export function pipeWebSocket({
  client,
  handler,
  guard,
  idleMs,
  onFrames,
}: PipeOptions): Promise<StreamOver> {
  return new Promise((settle) => {
    const up = direction('toHandler', client, handler);
    const down = direction('toClient', handler, client);
    let ending: Ending | undefined;
    let over = false;
    let clientBroke = false;
    let closing: NodeJS.Timeout | undefined;
    const idle = setTimeout(() => finish(idled), idleMs);

    let reached: Reached | undefined;
    /** The handler has everything once the last frame, a Close frame, has left this process. */
    const measure = (): Reached =>
      (reached ??=
        up.closed && !clientBroke && isInOrder() && handler.writableLength === 0 ? 'whole' : 'part');
    /** What is still on its way to the handler is discarded. */
    const cutOff = (): void => {
      measure();
      handler.destroy(new Error('the WebSocket was aborted'));
    };
    const end = (how: StreamEnd, complete: boolean): void => {
      if (over) return;
      over = true;
      measure();
      clearTimeout(idle);
      clearTimeout(closing);
      for (const one of [up, down]) report(one);
      settle({ how, complete });
      endSocket(handler);
      endSocket(client);
    };
    /** The handler has answered a Close frame, or it was answered to. */
    const acknowledged = (): boolean => up.closed && !clientBroke && down.scanner.closed;
    const isInOrder = (): boolean =>
      ending === undefined || ending.how === 'stopped' || ending.how === 'shutDown';
    const isOrderly = (): boolean => acknowledged() && isInOrder();
    const giveUp = (): void => {
      cutOff();
      end(ending?.how ?? 'closed', isOrderly());
    };
    const closeSoon = (): void => {
      closing ??= setTimeout(giveUp, closingMs);
    };
    const cut = (): void => {
      if (over) return;
      cutOff();
      ending ??= endings[guard.stopReason];
      closeAtBoundary(down);
      end('cut', false);
    };

    const finish = (why: Ending): void => {
      if (over || ending !== undefined) return;
      ending = why;
      // A stop may take as long as the drain limit, and is cut then.
      if (why.how !== 'stopped' && why.how !== 'shutDown') closeSoon();
      closeAtBoundary(up);
      closeAtBoundary(down);
    };
    /** Where a frame is in flight, this comes again at its end. */
    const closeAtBoundary = (one: Direction): void => {
      if (ending === undefined || one.closed || !one.scanner.isBetweenFrames) return;
      one.closed = true;
      const mask = one === up ? randomBytes(4) : undefined;
      if (one.to.writable) one.to.write(closeFrame(ending.code, ending.reason, mask));
      // What still comes is thrown away.
      one.from.resume();
    };

    const report = (one: Direction): void => {
      onFrames(one.name, one.scanner.frames - one.reported);
      one.reported = one.scanner.frames;
    };
    /** Passes on what may go on of a chunk, and returns how many bytes that was. */
    const pass = (one: Direction, chunk: Buffer): number => {
      const { scanner, from, to } = one;
      const count = scanner.scan(chunk, ending !== undefined);
      if (to.writable) {
        let flows = scanner.released === undefined || to.write(scanner.released);
        if (count > 0) flows = to.write(count === chunk.length ? chunk : chunk.subarray(0, count));
        if (!flows) from.pause();
      }
      if (scanner.frames - one.reported >= framesPerReport) report(one);
      if (scanner.closed) one.closed = true;
      else if (scanner.wrong !== undefined)
        finish({ how: 'malformed', code: closeCodes.protocolError, reason: scanner.wrong });
      else closeAtBoundary(one);
      return count;
    };

    client.on('data', (chunk: Buffer) => {
      if (over || up.closed) return;
      idle.refresh();
      // Before anything of it is written: a process that slept past its deadline passes nothing on.
      if (!guard.mayContinue()) {
        cut();
        return;
      }
      const before = up.scanner.payload;
      pass(up, chunk);
      guard.addBytes(up.scanner.payload - before);
      if (acknowledged()) closeSoon();
    });
    handler.on('data', (chunk: Buffer) => {
      if (over) return;
      idle.refresh();
      const passed = down.closed ? 0 : pass(down, chunk);
      // Nothing of it goes on any more, but its Close frame is waited for.
      if (down.closed && !down.scanner.closed) down.scanner.scan(chunk.subarray(passed));
      if (acknowledged()) closeSoon();
    });
    for (const { from, to } of [up, down]) {
      to.on('drain', () => {
        idle.refresh();
        from.resume();
      });
    }

    handler.on('end', () => {
      if (over) return;
      if (acknowledged()) {
        end(ending?.how ?? 'closed', isOrderly());
        return;
      }
      handlerWent();
    });
    const handlerWent = (): void => {
      if (over) return;
      cutOff();
      ending ??= handlerBroke;
      closeAtBoundary(down);
      end(ending.how, false);
    };
    handler.on('error', handlerWent);
    handler.on('close', handlerWent);

    client.on('end', () => {
      if (over || up.closed) return;
      // Without a Close frame: what was accepted goes on, and does not end normally.
      ending ??= { ...handlerBroke, reason: 'ClientGone' };
      clientBroke = true;
      up.closed = true;
      handler.end();
      closeSoon();
    });
    const clientWent = (): void => {
      if (over) return;
      if (up.closed) {
        closeSoon();
        return;
      }
      cutOff();
      end(ending?.how ?? 'broken', false);
    };
    client.on('error', clientWent);
    client.on('close', clientWent);

    for (const socket of [client, handler]) {
      socket.setNoDelay(true);
      socket.resume();
    }
    guard.onMeasure(measure);
    guard.onStop((why) => finish(endings[why]));
    guard.onCut(cut);
  });
}

const direction = (name: FrameDirection, from: Socket, to: Socket): Direction => ({
  name,
  from,
  to,
  scanner: new FrameScanner(name === 'toHandler' ? 'client' : 'handler'),
  closed: false,
  reported: 0,
});

/** Ends a connection after what was written, and soon for good; what still comes is thrown away. */
function endSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), closingMs);
  socket.once('close', () => clearTimeout(timer));
  socket.end();
  socket.resume();
}
