import { basename } from 'node:path';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import type { RefusedWrites } from '../../core/call/evidence-lines.ts';
import type { Report } from './verify.ts';
import { isMalformed, readLine } from './format.ts';
import { openLines } from './lines.ts';

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/**
 * Gives every record, and every line about writes without one, of files that `report` found to fit to `reader`, in their
 * order. The chain of hashes shows that they
 * are still the same lines; false: they are not, and what was taken is worth nothing. Lines that were added since are
 * left out. Rejects only if a file cannot be read.
 */
export async function replay(
  files: readonly string[],
  { lines, head }: Report,
  reader: { take(record: EvidenceRecord): void; takeLine(line: RefusedWrites): void },
): Promise<boolean> {
  const ordered = [...files].sort((a, b) => compare(basename(a), basename(b)) || compare(a, b));
  if (head === null) return true;
  let read = 0;
  let last: string | null = null;
  for (const file of ordered) {
    const opened = await openLines(file);
    if (typeof opened === 'string') return false;
    for await (const { text } of opened) {
      const line = text === null ? null : readLine(text);
      if (line === null || isMalformed(line)) return false;
      if (last !== null && line.journal.prev !== last) return false;
      last = line.hash;
      read += 1;
      if (line.kind === 'record') reader.take(line.record);
      else if (line.kind === 'refusedWrites') reader.takeLine(line.refusedWrites);
      if (last === head.hash) return read === lines;
    }
  }
  return false;
}
