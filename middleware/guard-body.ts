import type { IncomingMessage } from 'node:http';
import { hasBody } from '../src/core/http/exchange.ts';

/** What the guard of a body asks and reports. */
export interface BodyWatch {
  /** Asked for every chunk; false: it goes nowhere. Ends the request before it returns false. */
  readonly mayPass: () => boolean;
  /** Bytes of the body that the handler was given. */
  readonly addBytes: (count: number) => void;
}

export interface BodyGuard {
  /** Whether somebody reads the body, or has. To be asked before it is opened. */
  isRead(): boolean;
  /** From now on the body goes to whoever reads it, under watch. Before, and without this, nobody gets anything of it. */
  open(watch: BodyWatch): void;
  /** From now on a body that was opened is nobody's concern. */
  release(): void;
}

/** A watch under which everything passes. */
const unwatched: BodyWatch = { mayPass: () => true, addBytes: () => undefined };

/**
 * Keeps a request body from everybody until it is decided who may have it, without reading it. Every way of reading a
 * stream (`data`, `readable`, pipes, async iteration, body parsers) goes through `read` or the `data` event, which are
 * judged here, at the moment a chunk is handed out: a listener of our own would make the stream flow before the handler is
 * there. Whoever reads too early gets nothing and is found out; what is read then is thrown away, since nobody is to get it.
 */
export function guardBody(req: IncomingMessage): BodyGuard {
  const read = req.read.bind(req);
  const emit = req.emit.bind(req) as (event: string | symbol, ...args: unknown[]) => boolean;
  let watch: BodyWatch | undefined;
  let touched = false;
  const guarded = {
    read: (size?: number): unknown => {
      if (watch !== undefined) return watch.mayPass() ? read(size) : null;
      // Node asks for nothing where it only wants the buffer filled.
      if (size === 0) return null;
      touched = true;
      while (read() !== null);
      return null;
    },
    emit: (event: string | symbol, ...args: unknown[]): boolean => {
      if (event !== 'data') return emit(event, ...args);
      touched ||= watch === undefined;
      if (watch?.mayPass() !== true) return false;
      watch.addBytes(bytesOf(args[0], req.readableEncoding));
      return emit(event, ...args);
    },
  };
  Object.assign(req, guarded);
  return {
    isRead: () => touched || isRead(req),
    open(given) {
      watch = given;
    },
    release() {
      if (watch !== undefined) watch = unwatched;
    },
  };
}

/** Whether somebody reads a body, or has. */
export const isRead = (req: IncomingMessage): boolean => mayHaveBody(req) && hasReader(req);

/** In HTTP/1.1 a body is announced. */
const mayHaveBody = (req: IncomingMessage): boolean => req.httpVersionMajor !== 1 || hasBody(req.headers);

/** Whether it was read, flows, or has somebody who listens: to it, or to the connection below it. */
function hasReader(req: IncomingMessage): boolean {
  const { socket } = req;
  return (
    req.readableDidRead ||
    req.readableFlowing === true ||
    req.listenerCount('data') > 0 ||
    req.listenerCount('readable') > 0 ||
    // Node's own parser is one.
    socket.listenerCount('data') > 1 ||
    socket.listenerCount('readable') > 0
  );
}

/** A handler may have asked for text. */
const bytesOf = (chunk: unknown, encoding: BufferEncoding | null): number =>
  typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding ?? 'utf8') : (chunk as Uint8Array).byteLength;
