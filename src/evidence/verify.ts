import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { EvidenceRecord } from '../core/evidence.ts';
import { Calls } from './verify-calls.ts';
import { isMismatch, readLine, shown, type JournalLine, type Mismatch } from './verify-format.ts';
import { linesOf } from './verify-lines.ts';
import { Repairs } from './verify-repairs.ts';

interface VerifyOptions {
  /**
   * The hash that the last line must have, whether it holds a record or a repair: the files alone cannot tell that their
   * end is missing. What has been added since does not fit either, but the report says that the line is there.
   */
  readonly expectHead?: string | undefined;
  /** Earlier files are not at hand: the first line and each call may continue what is not shown. */
  readonly partial?: boolean | undefined;
  /** The store is known to have lost its data: the history of a call may begin anew. Counted in `begunAnew`. */
  readonly storeLost?: boolean | undefined;
}

/** The first thing that does not fit. */
interface Misfit extends Mismatch {
  readonly file: string;
  /** 1 for the first line of the file; 0: the file as a whole. */
  readonly line: number;
  /** Of the record in that line; null where it cannot be read. */
  readonly call: string | null;
  readonly seq: number | null;
}

/** Numbers of what was read up to the misfit, if there is one. */
export interface Report {
  readonly ok: boolean;
  readonly misfit: Misfit | null;
  readonly files: number;
  readonly records: number;
  readonly calls: number;
  /** Confirmed recordings, and how many of them have no end yet. */
  readonly intervals: number;
  readonly openIntervals: number;
  /** Histories that began anew for a call that was known before. */
  readonly begunAnew: number;
  /** Records that note that the store's clock had been set back; their order is that of `seq`. */
  readonly steps: number;
  /** Lines that say what recovery did after a crash; they are in the chain, but are no records. */
  readonly repairs: number;
  /**
   * Repairs after which it does not show that all they cut was written again: the records that follow, written where the
   * cut began, would not have been the same bytes. A disk that filled the end with zeros explains it, or an order that
   * the store changed; so does a record that is gone.
   */
  readonly unexplainedRepairs: number;
  /** The last line; null when there is none. */
  readonly head: { readonly seq: number; readonly hash: string } | null;
}

/** The journal files in a directory. */
export async function listJournalFiles(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => /^evidence-.*\.jsonl$/.test(name));
  return names.sort(compare).map((name) => join(directory, name));
}

/**
 * Checks that the files are an unbroken journal in which each call lived by the transition table (design, section 8).
 * The files are read in the order of their names. Rejects only if a file cannot be read.
 */
export async function verifyJournal(
  files: readonly string[],
  { expectHead, partial = false, storeLost = false }: VerifyOptions = {},
): Promise<Report> {
  const calls = new Calls({ partial, storeLost });
  const repairs = new Repairs();
  let records = 0;
  let expectedAt: number | undefined;
  let head: Report['head'] = null;
  const ordered = [...files].sort((a, b) => compare(basename(a), basename(b)) || compare(a, b));
  const report = (misfit: Misfit | null): Report => ({
    ok: misfit === null,
    misfit,
    files: ordered.length,
    records,
    calls: calls.count,
    intervals: calls.intervals,
    openIntervals: calls.openIntervals,
    begunAnew: calls.begunAnew,
    steps: calls.steps,
    repairs: repairs.count,
    unexplainedRepairs: repairs.unexplained,
    head,
  });

  for (const file of ordered) {
    for await (const { number, text, torn } of linesOf(file)) {
      const misfit = (mismatch: Mismatch, record?: EvidenceRecord): Report =>
        report({ file, line: number, call: record?.call ?? null, seq: record?.seq ?? null, ...mismatch });
      if (text === null) return misfit({ expected: 'a line of UTF-8 text', found: 'other bytes, or no end' });
      if (torn) return misfit({ expected: 'a newline at the end of the line', found: 'the end of the file' });
      const line = readLine(text);
      if (isMismatch(line)) return misfit(line);
      const mismatch = continuation(head, line, partial) ?? (line.record && calls.take(line.record));
      if (mismatch !== undefined) return misfit(mismatch, line.record);
      repairs.take(line);
      head = { seq: line.journal.seq, hash: line.hash };
      if (line.hash === expectHead) expectedAt = head.seq;
      if (line.record !== undefined) records += 1;
    }
  }
  if (expectHead !== undefined && expectHead !== head?.hash) {
    const file = ordered.at(-1) ?? '';
    const expected = `the last line to have the hash ${expectHead}`;
    const found =
      head === null
        ? 'no line'
        : expectedAt === undefined
          ? `${head.hash}; no line has the expected hash`
          : `${head.hash}; the expected line is there, and ${head.seq - expectedAt} more were added`;
    return report({ file, line: 0, call: null, seq: null, expected, found });
  }
  return report(null);
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function continuation(
  head: Report['head'],
  { journal, repair }: JournalLine,
  partial: boolean,
): Mismatch | undefined {
  if (head === null && partial && journal.seq > 1 && journal.prev !== null) return undefined;
  const seq = (head?.seq ?? 0) + 1;
  const noted = repair?.cut === null ? ', a repair that says that the line before was missing' : '';
  if (journal.seq !== seq)
    return { expected: `line ${seq} of the journal`, found: `line ${journal.seq}${noted}` };
  const prev = head?.hash ?? null;
  if (journal.prev !== prev)
    return {
      expected: `the hash of the line before, ${shown(prev)}`,
      found: `${shown(journal.prev)}${noted}`,
    };
  return undefined;
}
