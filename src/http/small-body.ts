import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { grant, type Decision } from '../core/decision.ts';
import { readOrStream, type BodyLimit } from './body.ts';
import type { Release } from './counters.ts';

/** A body as it is forwarded: complete, or as a stream with the reason for streaming. */
export type SmallBody =
  | { readonly kind: 'whole'; readonly body: Buffer }
  | { readonly kind: 'stream'; readonly body: Readable; readonly why: 'tooLarge' | 'noRoom' };

/** Of a body whose length is not announced one read of the connection may come on top of what it may have. */
const readAhead = 64 * 1024;

/**
 * Reads a body that is small enough, before anything else is taken for it: one that trickles holds nobody up. `room` is
 * asked before anything is kept; without room the body stays where it is. Once it is whole it needs room for its own
 * bytes only.
 */
export async function readSmall(
  req: IncomingMessage,
  limit: BodyLimit,
  room: (bytes: number) => Release | undefined,
): Promise<Decision<SmallBody>> {
  const announced = req.headers['content-length'];
  const bytes = announced === undefined ? limit.maxBytes + readAhead : Number(announced);
  if (announced !== undefined && bytes > limit.maxBytes)
    return grant({ kind: 'stream', body: req, why: 'tooLarge' });
  const release = room(bytes);
  if (release === undefined) return grant({ kind: 'stream', body: req, why: 'noRoom' });
  const read = await readOrStream(req, limit, () => undefined);
  if (!read.ok) return read;
  const body = read.value;
  if (!Buffer.isBuffer(body)) return grant({ kind: 'stream', body, why: 'tooLarge' });
  release();
  room(body.length);
  return grant({ kind: 'whole', body });
}
