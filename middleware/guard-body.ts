import type { IncomingMessage } from 'node:http';

/** What the guard of a body asks and tells. */
export interface BodyWatch {
  /** Asked for every chunk; false: it goes nowhere. Ends the request before it returns false. */
  readonly mayPass: () => boolean;
  /** Bytes of the body that the handler was given. */
  readonly addBytes: (count: number) => void;
}

/**
 * Watches a request body without reading it. Every way of reading a stream (`data`, `readable`, pipes, async
 * iteration, body parsers) goes through `read` or the `data` event, which are judged here, at the moment a chunk is
 * handed out: a listener of our own would make the stream flow before the handler is there. Returns the way to stop.
 */
export function guardBody(req: IncomingMessage, { mayPass, addBytes }: BodyWatch): () => void {
  const read = req.read.bind(req);
  const emit = req.emit.bind(req) as (event: string | symbol, ...args: unknown[]) => boolean;
  let watching = true;
  const guarded = {
    read: (size?: number): unknown => (watching && !mayPass() ? null : read(size)),
    emit: (event: string | symbol, ...args: unknown[]): boolean => {
      if (event !== 'data' || !watching) return emit(event, ...args);
      if (!mayPass()) return false;
      addBytes(bytesOf(args[0], req.readableEncoding));
      return emit(event, ...args);
    },
  };
  Object.assign(req, guarded);
  return () => {
    watching = false;
  };
}

/** A handler may have asked for text. */
const bytesOf = (chunk: unknown, encoding: BufferEncoding | null): number =>
  typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding ?? 'utf8') : (chunk as Uint8Array).byteLength;
