import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { grant, type Decision } from '../core/decision.ts';
import { readOrStream, type BodyLimit } from './body.ts';

/** A body as it goes on: whole, or as it comes, and why. */
export type SmallBody =
  | { readonly kind: 'whole'; readonly body: Buffer }
  | { readonly kind: 'stream'; readonly body: Readable; readonly why: 'tooLarge' | 'noRoom' };

/**
 * Reads a body that is small enough, before anything else is taken for it: one that trickles holds nobody up. `hasRoom`
 * is asked before anything is kept; without room the body stays where it is.
 */
export async function readSmall(
  req: IncomingMessage,
  limit: BodyLimit,
  hasRoom: (bytes: number) => boolean,
): Promise<Decision<SmallBody>> {
  const announced = req.headers['content-length'];
  const bytes = announced === undefined ? limit.maxBytes : Number(announced);
  if (bytes > limit.maxBytes) return grant({ kind: 'stream', body: req, why: 'tooLarge' });
  if (!hasRoom(bytes)) return grant({ kind: 'stream', body: req, why: 'noRoom' });
  const read = await readOrStream(req, limit, () => undefined);
  if (!read.ok) return read;
  const body = read.value;
  return grant(Buffer.isBuffer(body) ? { kind: 'whole', body } : { kind: 'stream', body, why: 'tooLarge' });
}
