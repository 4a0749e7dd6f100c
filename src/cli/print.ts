import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isRecord } from '../core/json.ts';

/** Prints to standard output. A reader that has seen enough may close the pipe. */
export async function print(texts: Iterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(texts), process.stdout, { end: false });
  } catch (error) {
    if (!isRecord(error) || error.code !== 'EPIPE') throw error;
  }
}
