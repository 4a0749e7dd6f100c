import { createReadStream } from 'node:fs';

interface Line {
  /** 1 for the first line of the file. */
  readonly number: number;
  /** null: not UTF-8, or longer than any record. */
  readonly text: string | null;
  /** The file ended before the line did. */
  readonly torn: boolean;
}

const newline = 0x0a;
/** Bytes; a record has some thousand. */
const longest = 16 * 1024 * 1024;

/** The lines of a file of any size, without their newlines. Ends after the first line that has no text. */
export async function* linesOf(file: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let parts: Buffer[] = [];
  let length = 0;
  let number = 0;
  const take = (torn: boolean): Line => {
    const bytes = Buffer.concat(parts);
    parts = [];
    length = 0;
    number += 1;
    try {
      return { number, text: decoder.decode(bytes), torn };
    } catch {
      return { number, text: null, torn };
    }
  };
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    let begin = 0;
    for (let end; (end = chunk.indexOf(newline, begin)) !== -1; begin = end + 1) {
      parts.push(chunk.subarray(begin, end));
      const line = take(false);
      yield line;
      if (line.text === null) return;
    }
    parts.push(chunk.subarray(begin));
    length += chunk.length - begin;
    if (length > longest) {
      yield { number: number + 1, text: null, torn: false };
      return;
    }
  }
  if (length > 0) yield take(true);
}
