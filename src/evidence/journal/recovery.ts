import { Fault } from '../../core/errors.ts';
import { emptyHead, type Head, type KnownLine } from './journal.ts';
import { journalFiles, readTail, type Tail } from './tail.ts';

/** What the files of a journal hold. */
export interface Found {
  /** What the next line continues. */
  readonly head: Head;
  /** What the last lines that count hold of the outbox, by name, oldest first. */
  readonly contents: readonly string[];
  /** The file to write to; `undefined` while there is none. */
  readonly newest: Newest | undefined;
  /** The acknowledged line is not in the files: then nothing is to be cut, and `head` is that line all the same. */
  readonly missing: boolean;
  /** The last line that counts is not what its hash says. */
  readonly changed: boolean;
  /** Where there are lines before the last one that cannot be read. */
  readonly damaged: readonly { readonly file: string; readonly lines: number }[];
}

interface Newest {
  readonly path: string;
  /** In bytes; behind `wholeSize` stands what a crash left of lines that nobody relies on. */
  readonly size: number;
  readonly wholeSize: number;
  /** Whether its last byte is a newline, or there is none. */
  readonly endsLine: boolean;
}

/** A piece of one of the files, named by its place among the tails. */
type Entry = Tail['pieces'][number] & { readonly file: number };

/**
 * Reads the last `lines` lines. Up to the acknowledged line all of them count. Behind it count those that continue the
 * chain, up to the first that does not: what follows was never acknowledged, whatever it is. Where nothing is known to
 * be acknowledged, whatever reads like a line counts.
 */
export async function readJournal(
  directory: string,
  acknowledged: Head | undefined,
  lines: number,
): Promise<Found> {
  const paths = await journalFiles(directory);
  const tails: Tail[] = [];
  for (let left = lines, n = paths.length - 1; left > 0 && n >= 0; n--) {
    const tail = await readTail(paths[n] ?? '', left);
    tails.unshift(tail);
    left -= tail.pieces.filter(({ line }) => line !== undefined).length;
  }
  const fromTheStart = tails.length === paths.length && (tails[0]?.start ?? 0) === 0;
  const entries = tails.flatMap(({ pieces }, file) => pieces.map((piece): Entry => ({ ...piece, file })));
  const place = placeOf(acknowledged, entries, fromTheStart);
  const newestFile = tails.length - 1;
  const { last, head } =
    place === 'missing'
      ? { last: entries.length - 1, head: headWithout(acknowledged ?? emptyHead, entries) }
      : lastThatCounts(place, entries, newestFile);
  return {
    head,
    contents: entries.slice(0, last + 1).flatMap(({ line }) => line?.content ?? []),
    newest: newestOf(tails.at(-1), place === 'missing' ? 'all' : entries[last], newestFile),
    missing: place === 'missing',
    changed: entries[last]?.line?.intact === false,
    damaged: tails.flatMap(({ path, torn }, file) => {
      const unread = entries.slice(0, last + 1).filter((entry) => entry.file === file && !entry.line).length;
      const damage = unread + Number(torn && file < newestFile);
      return damage === 0 ? [] : [{ file: path, lines: damage }];
    }),
  };
}

/** -1: nothing was acknowledged yet; `unknown`: that was not noted, or so long ago that the line is out of sight. */
function placeOf(
  acknowledged: Head | undefined,
  entries: readonly Entry[],
  fromTheStart: boolean,
): number | 'missing' | 'unknown' {
  if (acknowledged === undefined) return 'unknown';
  const { seq, hash } = acknowledged;
  if (hash === null) return fromTheStart ? -1 : 'unknown';
  const place = entries.findLastIndex(({ line }) => line?.head.hash === hash && line.head.seq === seq);
  if (place !== -1) return place;
  const oldest = entries.find(({ line }) => line !== undefined)?.line;
  return fromTheStart || (oldest !== undefined && oldest.head.seq <= seq) ? 'missing' : 'unknown';
}

/** The chain goes on from the line that is missing, so that the gap shows for ever, and its return would close it. */
function headWithout({ seq, hash }: Head, entries: readonly Entry[]): Head {
  const last = entries.findLast(({ line }) => line !== undefined)?.line;
  return { seq: Math.max(seq, last?.head.seq ?? 0), hash };
}

function lastThatCounts(
  place: number | 'unknown',
  entries: readonly Entry[],
  newestFile: number,
): { readonly last: number; readonly head: Head } {
  if (place !== 'unknown') {
    let last = place;
    let head = entries[place]?.line?.head ?? emptyHead;
    for (let next; (next = entries[last + 1]?.line) !== undefined && continues(head, next); last++)
      head = next.head;
    // No crash leaves something behind in a file and a later file after it.
    if ((entries[last + 1]?.file ?? newestFile) === newestFile) return { last, head };
  }
  const last = entries.findLastIndex(({ line }) => line !== undefined);
  return { last, head: entries[last]?.line?.head ?? emptyHead };
}

const continues = (head: Head, { head: { seq }, prev, intact }: KnownLine): boolean =>
  intact && seq === head.seq + 1 && prev === head.hash;

/** `last`: the last line that counts; `all`: nothing is to be cut. */
function newestOf(tail: Tail | undefined, last: Entry | 'all' | undefined, file: number): Newest | undefined {
  if (tail === undefined) return undefined;
  const { path, pieces, start, size, torn } = tail;
  if (start > 0 && pieces.every(({ line }) => line === undefined))
    throw new Fault('EvidenceUnwritable', `the end of ${path} is damaged; restore the file or move it away`);
  if (last === 'all') return { path, size, wholeSize: size, endsLine: !torn };
  return { path, size, wholeSize: last?.file === file ? last.end : 0, endsLine: !torn };
}
