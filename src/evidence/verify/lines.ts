import { constants } from 'node:fs';
import { lstat, open, stat, type FileHandle } from 'node:fs/promises';

interface Line {
  /** 1 for the first line of the file. */
  readonly number: number;
  /** null: not UTF-8, or longer than any record. */
  readonly text: string | null;
  /** The file ended before the line did. */
  readonly torn: boolean;
}

const newline = 0x0a;
const chunkSize = 256 * 1024;
/** Bytes; a record has some thousand. */
const longest = 16 * 1024 * 1024;

/**
 * The lines of a file of any size, without their newlines; or what is there instead of a regular file. It is opened
 * without waiting, as a FIFO would wait for whoever writes to it.
 */
export async function openLines(path: string): Promise<AsyncGenerator<Line> | string> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (await isBrokenLink(path)) return 'a broken symbolic link';
    throw error;
  }
  if (!(await handle.stat()).isFile()) {
    await handle.close();
    return 'a FIFO, a directory or a device';
  }
  return linesOf(handle.createReadStream({ highWaterMark: chunkSize }) as AsyncIterable<Buffer>);
}

/** Whether it is a symbolic link whose target does not exist, or that leads back to itself. */
export async function isBrokenLink(path: string): Promise<boolean> {
  if (!(await lstat(path)).isSymbolicLink()) return false;
  try {
    await stat(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let parts: Buffer[] = [];
  let length = 0;
  let number = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    // Of what is too long only the length is kept.
    if (length > longest) parts = [];
    else parts.push(part);
  };
  const take = (torn: boolean): Line => {
    const bytes = length > longest ? undefined : Buffer.concat(parts);
    parts = [];
    length = 0;
    number += 1;
    try {
      return { number, text: bytes === undefined ? null : decoder.decode(bytes), torn };
    } catch {
      return { number, text: null, torn };
    }
  };
  for await (const chunk of chunks) {
    let begin = 0;
    for (let end; (end = chunk.indexOf(newline, begin)) !== -1; begin = end + 1) {
      add(chunk.subarray(begin, end));
      yield take(false);
    }
    add(chunk.subarray(begin));
  }
  if (length > 0) yield take(true);
}
