import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Calls } from './chains.ts';
import { isMalformed, readLine, shown, type JournalLine, type Mismatch } from './format.ts';
import type { StandingHold } from '../../core/call/hold.ts';
import { HoldLines } from './holds.ts';
import { openLines } from './lines.ts';
import { RefusalLines } from './refusals.ts';
import { Repairs } from './repairs.ts';

interface VerifyOptions {
  /**
   * The hash that the last line must have, whether it holds a record or a repair: the files alone cannot show that their
   * end is missing. What has been added since does not fit either, but the report says that the line is there.
   */
  readonly expectHead?: string | undefined;
  /** Earlier files are not at hand: the first line and each call may continue what is not shown. */
  readonly partial?: boolean | undefined;
  /** The store is known to have lost its data: the history of a call may begin anew. Counted in `begunAnew`. */
  readonly storeLost?: boolean | undefined;
}

/** Something that does not fit. */
interface Misfit extends Mismatch {
  readonly file: string;
  /** 1 for the first line of the file; 0: the file as a whole. */
  readonly line: number;
  /** Of the record in that line; null where it cannot be read. */
  readonly call: string | null;
  readonly seq: number | null;
}

/** What does not fit, and numbers of all lines that could be read. */
export interface Report {
  readonly ok: boolean;
  /** The first; what follows it may be its consequence. */
  readonly misfit: Misfit | null;
  /** At most 99 more, and how many there are besides. */
  readonly otherMisfits: readonly Misfit[];
  readonly moreMisfits: number;
  readonly files: number;
  readonly lines: number;
  readonly records: number;
  readonly calls: number;
  /** Confirmed recordings, and how many of them have no end yet. */
  readonly intervals: number;
  readonly openIntervals: number;
  /** Histories that began anew for a call that was known before. */
  readonly begunAnew: number;
  /** Records that note that the store's clock had been set back; their order is that of `seq`. */
  readonly steps: number;
  /** Refused writes that lines without a call count. */
  readonly refusedWrites: number;
  /** Instances that ended without telling what they had refused last. */
  readonly countsLost: number;
  /** Holds that operators set, releases, and the holds that have no release. */
  readonly holdsSet: number;
  readonly holdsReleased: number;
  readonly standingHolds: readonly StandingHold[];
  /** How often the evidence came from another directory. */
  readonly moves: number;
  /** Lines that say what recovery did after a crash; they are in the chain, but are no records. */
  readonly repairs: number;
  /**
   * Repairs after which it does not show that all they cut was written again: the lines that follow, written where the
   * cut began, would not have been the same bytes. A disk that filled the end with zeros explains it, or an order that
   * the store changed; so does a line that is gone.
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

/** So many are listed besides the first. */
const maxListed = 99;

/**
 * Checks that the files are an unbroken journal in which each call lived by the transition table
 * (docs/evidence/format.md). The files are read in the order of their names, to their end. Rejects only if a file cannot
 * be read.
 */
export async function verifyJournal(
  files: readonly string[],
  { expectHead, partial = false, storeLost = false }: VerifyOptions = {},
): Promise<Report> {
  const calls = new Calls({ partial, storeLost });
  const refusals = new RefusalLines({ partial, storeLost });
  const holds = new HoldLines({ partial, storeLost });
  const repairs = new Repairs();
  const misfits: Misfit[] = [];
  let moreMisfits = 0;
  let [lines, records] = [0, 0];
  let expectedAt: number | undefined;
  let head: Report['head'] = null;
  /** Whether the next line may be any, since the one before could not be read. */
  let lostTrack = false;
  const ordered = [...files].sort((a, b) => compare(basename(a), basename(b)) || compare(a, b));

  const note = (misfit: Misfit): void => {
    if (misfits.length <= maxListed) misfits.push(misfit);
    else moreMisfits += 1;
  };
  const take = (line: JournalLine): Mismatch | undefined => {
    const broken = lostTrack ? undefined : continuation(head, line, partial);
    lostTrack = false;
    lines += 1;
    repairs.take(line);
    head = { seq: line.journal.seq, hash: line.hash };
    if (line.hash === expectHead) expectedAt = head.seq;
    if (line.kind === 'record') records += 1;
    if (line.kind === 'moved') {
      calls.moves += 1;
      refusals.moved();
      holds.moved();
    }
    const other =
      line.kind === 'record'
        ? calls.take(line.record)
        : line.kind === 'refusedWrites'
          ? refusals.take(line.refusedWrites)
          : line.kind === 'hold'
            ? holds.take(line.hold)
            : undefined;
    return broken ?? other;
  };

  for (const file of ordered) {
    const opened = await openLines(file);
    if (typeof opened === 'string') {
      const place = { file, line: 0, call: null, seq: null };
      note({ ...place, expected: 'a regular file', found: opened });
      continue;
    }
    for await (const { number, text, torn } of opened) {
      const unfit = (mismatch: Mismatch, call: string | null = null, seq: number | null = null): void =>
        note({ file, line: number, call, seq, ...mismatch });
      const line = text === null || torn ? undefined : readLine(text);
      if (text === null)
        unfit({ expected: 'a line of UTF-8 text', found: 'invalid UTF-8, or a line that is too long' });
      else if (torn) unfit({ expected: 'a newline at the end of the line', found: 'the end of the file' });
      if (line === undefined) lostTrack = true;
      else if (isMalformed(line)) {
        unfit(line.mismatch);
        if (line.place === undefined) lostTrack = true;
        else head = line.place;
      } else {
        const mismatch = take(line);
        const { call = null, seq = null } = line.kind === 'record' ? line.record : {};
        if (mismatch !== undefined) unfit(mismatch, call, seq);
      }
    }
  }
  if (expectHead !== undefined && expectHead !== headHash(head))
    note({
      file: ordered.at(-1) ?? '',
      line: 0,
      call: null,
      seq: null,
      expected: `the last line with hash ${expectHead}`,
      found: foundInstead(head, expectedAt),
    });
  const [misfit = null, ...otherMisfits] = misfits;
  return {
    ok: misfit === null,
    misfit,
    otherMisfits,
    moreMisfits,
    files: ordered.length,
    lines,
    records,
    calls: calls.count,
    intervals: calls.intervals,
    openIntervals: calls.openIntervals,
    begunAnew: calls.begunAnew,
    steps: calls.steps,
    refusedWrites: refusals.writes,
    countsLost: refusals.countsLost,
    holdsSet: holds.set,
    holdsReleased: holds.released,
    standingHolds: holds.standing,
    moves: calls.moves,
    repairs: repairs.count,
    unexplainedRepairs: repairs.unexplained,
    head,
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const headHash = (head: Report['head']): string | undefined => head?.hash;

function foundInstead(head: Report['head'], expectedAt: number | undefined): string {
  if (head === null) return 'no line';
  if (expectedAt === undefined) return `${head.hash}; no line has the expected hash`;
  return `${head.hash}; the expected line exists and is followed by ${head.seq - expectedAt} more`;
}

function continuation(head: Report['head'], line: JournalLine, partial: boolean): Mismatch | undefined {
  const { journal } = line;
  if (head === null && partial && journal.seq > 1 && journal.prev !== null) return undefined;
  const seq = (head?.seq ?? 0) + 1;
  const isGap = line.kind === 'repair' && line.repair.cut === null;
  const noted = isGap ? ', a repair line that reports the previous line as missing' : '';
  if (journal.seq !== seq)
    return { expected: `line ${seq} of the journal`, found: `line ${journal.seq}${noted}` };
  const prev = head?.hash ?? null;
  if (journal.prev !== prev)
    return {
      expected: `the hash of the previous line, ${shown(prev)}`,
      found: `${shown(journal.prev)}${noted}`,
    };
  return undefined;
}
