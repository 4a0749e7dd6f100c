import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeLine, isJournalName, type KnownLine } from './journal.ts';

/** The end of one journal file. */
export interface Tail {
  readonly path: string;
  /** The last lines, oldest first; a line that is none of ours is left out and counted. */
  readonly lines: readonly KnownLine[];
  readonly unreadable: number;
  /** Size in bytes, and the size without what a torn write left behind the last whole line. */
  readonly size: number;
  readonly wholeSize: number;
}

/** The journal files of a directory, oldest first. */
export async function journalFiles(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter(isJournalName).sort();
  return names.map((name) => join(directory, name));
}

const newline = 0x0a;
const chunkSize = 1024 * 1024;

/** Reads backwards until `lines` whole lines are known or the file begins. */
export async function readTail(path: string, lines: number): Promise<Tail> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const { bytes, start } = await lastLines(handle, size, lines);
    const known: KnownLine[] = [];
    let unreadable = 0;
    let unreadableSinceWhole = 0;
    let wholeEnd = 0;
    for (let begin = 0, end; (end = bytes.indexOf(newline, begin)) !== -1; begin = end + 1) {
      const line = decodeLine(bytes.toString('utf8', begin, end));
      if (line === undefined) {
        unreadableSinceWhole += 1;
        continue;
      }
      known.push(line);
      unreadable += unreadableSinceWhole;
      unreadableSinceWhole = 0;
      wholeEnd = end + 1;
    }
    return { path, lines: known, unreadable, size, wholeSize: start + wholeEnd };
  } finally {
    await handle.close();
  }
}

/** The end of the file, from the beginning of a line on. */
async function lastLines(
  handle: FileHandle,
  size: number,
  lines: number,
): Promise<{ readonly bytes: Buffer; readonly start: number }> {
  const chunks: Buffer[] = [];
  let start = size;
  let newlines = 0;
  // One more than asked for: the newline before the first of them.
  while (start > 0 && newlines <= lines) {
    const length = Math.min(chunkSize, start);
    const chunk = Buffer.alloc(length);
    const { bytesRead } = await handle.read(chunk, 0, length, start - length);
    if (bytesRead !== length) break;
    chunks.unshift(chunk);
    start -= length;
    for (const byte of chunk) if (byte === newline) newlines += 1;
  }
  const bytes = Buffer.concat(chunks);
  if (start === 0) return { bytes, start };
  const first = bytes.indexOf(newline) + 1;
  return { bytes: bytes.subarray(first), start: start + first };
}
