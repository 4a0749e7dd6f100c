import { canonicalJson, sha256, type EvidenceRecord } from '../core/evidence.ts';
import { isRecord } from '../core/json.ts';

/**
 * The journal: JSON Lines, one record per line, chained across all calls and all files of a directory, so that
 * a removal or a reordering between calls is seen too (design, section 8). The verifier reads it with code of its own.
 *
 * A line holds a `record` or a `repair`, each with a version of its own; both kinds are links of the one chain. The
 * verifier refuses kinds and versions that it does not know, since it cannot vouch for them; so does one from before
 * repairs. A writer keeps every whole line, whatever its kind, since the chain needs only `journal` and `hash`. One from
 * before repairs takes a repair at the very end for torn and cuts it off; a later one then misses an acknowledged line
 * and says so.
 */
export interface Head {
  /** Number of lines written so far, over all files. */
  readonly seq: number;
  /** Hash of the last line; null while there is none. */
  readonly hash: string | null;
}

export const emptyHead: Head = { seq: 0, hash: null };

/** What recovery did to the journal where this line begins. */
export interface Repair {
  readonly version: 1;
  /** Clock of the instance, RFC 3339 in UTC with milliseconds. */
  readonly at: string;
  /** The owner of the lease that did it. */
  readonly instance: string;
  /**
   * What a crash or a loss of power had left behind the last whole line: never a line that was acknowledged. null:
   * nothing was cut, but the acknowledged line that this one continues was not in the files.
   */
  readonly cut: { readonly bytes: number; readonly sha256: string } | null;
}

interface EncodedLine {
  /** Newline included. */
  readonly text: string;
  /** The head after the line. */
  readonly head: Head;
}

export const encodeLine = (before: Head, record: EvidenceRecord): EncodedLine => seal(before, { record });

export const encodeRepair = (before: Head, repair: Repair): EncodedLine => seal(before, { repair });

function seal(before: Head, content: object): EncodedLine {
  const unsealed = { journal: { seq: before.seq + 1, prev: before.hash }, ...content };
  const hash = sha256(canonicalJson(unsealed));
  return { text: `${canonicalJson({ ...unsealed, hash })}\n`, head: { seq: before.seq + 1, hash } };
}

/** What recovery needs of a line. */
export interface KnownLine {
  readonly head: Head;
  /** Hash of the line before. */
  readonly prev: string | null;
  /** Hash of the record in it; null for a line of another kind. */
  readonly record: string | null;
  /** Whether the line's hash is that of its content. */
  readonly intact: boolean;
}

/** `undefined`: not a line of a journal, for instance one whose write was torn. */
export function decodeLine(text: string): KnownLine | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(line) || !isRecord(line.journal)) return undefined;
  const { hash, ...unsealed } = line;
  const { seq, prev } = line.journal;
  if (typeof seq !== 'number' || typeof hash !== 'string') return undefined;
  if (prev !== null && typeof prev !== 'string') return undefined;
  const record = isRecord(line.record) && typeof line.record.hash === 'string' ? line.record.hash : null;
  return { head: { seq, hash }, prev, record, intact: sha256(canonicalJson(unsealed)) === hash };
}

/** The file for records written at this time: one per UTC date. */
export const fileNameFor = (time: Date): string => `evidence-${time.toISOString().slice(0, 10)}.jsonl`;

/** Names sort in the order of writing. */
export const isJournalName = (name: string): boolean => /^evidence-\d{4}-\d{2}-\d{2}\.jsonl$/.test(name);
