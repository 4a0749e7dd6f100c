import { canonicalJson, sha256, type EvidenceRecord } from '../core/evidence.ts';
import { isRecord } from '../core/json.ts';

/**
 * The journal: JSON Lines, one record per line, chained across all calls and all files of a directory, so that
 * a removal or a reordering between calls is seen too (design, section 8). The verifier reads it with code of its own.
 */
export interface Head {
  /** Number of lines written so far, over all files. */
  readonly seq: number;
  /** Hash of the last line; null while there is none. */
  readonly hash: string | null;
}

export const emptyHead: Head = { seq: 0, hash: null };

/** One line, newline included, and the head after it. */
export function encodeLine(
  before: Head,
  record: EvidenceRecord,
): { readonly text: string; readonly head: Head } {
  const unsealed = { journal: { seq: before.seq + 1, prev: before.hash }, record };
  const hash = sha256(canonicalJson(unsealed));
  return { text: `${canonicalJson({ ...unsealed, hash })}\n`, head: { seq: before.seq + 1, hash } };
}

/** What recovery needs of a line. */
export interface KnownLine {
  readonly head: Head;
  /** Hash of the record in it. */
  readonly record: string;
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
  if (!isRecord(line) || !isRecord(line.journal) || !isRecord(line.record)) return undefined;
  const { hash, ...unsealed } = line;
  const { seq } = line.journal;
  const record = line.record.hash;
  if (typeof seq !== 'number' || typeof hash !== 'string' || typeof record !== 'string') return undefined;
  return { head: { seq, hash }, record, intact: sha256(canonicalJson(unsealed)) === hash };
}

/** The file for records written at this time: one per UTC date. */
export const fileNameFor = (time: Date): string => `evidence-${time.toISOString().slice(0, 10)}.jsonl`;

/** Names sort in the order of writing. */
export const isJournalName = (name: string): boolean => /^evidence-\d{4}-\d{2}-\d{2}\.jsonl$/.test(name);
