import { constants } from 'node:fs';
import { readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { openRegular, readAt } from './disk.ts';
import { decodeLine, isJournalName, type KnownLine } from './journal.ts';

/** What stands before one newline of a file. */
interface Piece {
  /** `undefined`: none of ours. */
  readonly line: KnownLine | undefined;
  /** Position behind the newline. */
  readonly end: number;
}

/** The end of one journal file. */
export interface Tail {
  readonly path: string;
  /** Oldest first. */
  readonly pieces: readonly Piece[];
  /** Position of the first of them; 0: the whole file was read. */
  readonly start: number;
  /** Of the file, in bytes. */
  readonly size: number;
  /** Whether there is something behind the last newline. */
  readonly torn: boolean;
}

/** The journal files of a directory, oldest first. */
export async function journalFiles(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter(isJournalName).sort();
  return names.map((name) => join(directory, name));
}

const newline = 0x0a;
const chunkSize = 1024 * 1024;

/** Reads backwards until `lines` newlines are known or the file begins. */
export async function readTail(path: string, lines: number): Promise<Tail> {
  const handle = await openRegular(path, constants.O_RDONLY);
  try {
    const { size } = await handle.stat();
    const { bytes, start } = await lastLines(handle, size, lines);
    const pieces: Piece[] = [];
    let begin = 0;
    for (let end; (end = bytes.indexOf(newline, begin)) !== -1; begin = end + 1)
      pieces.push({ line: decodeLine(bytes.toString('utf8', begin, end)), end: start + end + 1 });
    return { path, pieces, start, size, torn: begin < bytes.length };
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
    const chunk = await readAt(handle, start - length, length);
    if (chunk.length !== length) break;
    chunks.unshift(chunk);
    start -= length;
    for (const byte of chunk) if (byte === newline) newlines += 1;
  }
  const bytes = Buffer.concat(chunks);
  if (start === 0) return { bytes, start };
  const first = bytes.indexOf(newline) + 1;
  return { bytes: bytes.subarray(first), start: start + first };
}
