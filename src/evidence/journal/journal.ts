import { canonicalJson, sha256 } from '../../core/call/evidence.ts';
import type { LineContent, OutboxContent } from '../../core/call/evidence-lines.ts';
import { isRecord } from '../../core/json.ts';

/**
 * The journal: JSON Lines, chained across all calls and all files of a directory, so that a removal or a reordering
 * between calls is seen too (docs/evidence/format.md). The verifier reads it with code of its own.
 *
 * A writer keeps every whole line, whatever its kind, since the chain needs only `journal` and `hash`.
 */
export interface Head {
  /** Number of lines written so far, over all files. */
  readonly seq: number;
  /** Hash of the last line; null while there is none. */
  readonly hash: string | null;
}

export const emptyHead: Head = { seq: 0, hash: null };

interface EncodedLine {
  /** Newline included. */
  readonly text: string;
  /** The head after the line. */
  readonly head: Head;
}

export function encodeLine(before: Head, content: LineContent): EncodedLine {
  const unsealed = { journal: { seq: before.seq + 1, prev: before.hash }, ...content };
  const hash = sha256(canonicalJson(unsealed));
  return { text: `${canonicalJson({ ...unsealed, hash })}\n`, head: { seq: before.seq + 1, hash } };
}

/** Names what came through the outbox: by its own hash, as a store that lost its data numbers records anew. */
export const nameOf = ({ record, refusedWrites, hold }: OutboxContent): string =>
  record === undefined ? sha256(canonicalJson(refusedWrites ?? hold)) : record.hash;

/** Without the id that it has in the outbox. */
export function contentOf({ record, refusedWrites, hold }: OutboxContent): OutboxContent {
  if (record !== undefined) return { record };
  return refusedWrites === undefined ? { hold } : { refusedWrites };
}

/** What recovery needs of a line. */
export interface KnownLine {
  readonly head: Head;
  /** Hash of the line before. */
  readonly prev: string | null;
  /** The name of what came through the outbox; null for a line of another kind. */
  readonly content: string | null;
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
  const intact = sha256(canonicalJson(unsealed)) === hash;
  return { head: { seq, hash }, prev, content: nameIn(line), intact };
}

function nameIn({ record, refusedWrites, hold }: Record<string, unknown>): string | null {
  if (isRecord(record) && typeof record.hash === 'string') return record.hash;
  const other = refusedWrites ?? hold;
  return isRecord(other) ? sha256(canonicalJson(other)) : null;
}

/** The file for lines written at this time: one per UTC date. */
export const fileNameFor = (time: Date): string => `evidence-${time.toISOString().slice(0, 10)}.jsonl`;

/** Names sort in the order of writing. A letter follows the date where another file of that date is missing. */
export const isJournalName = (name: string): boolean =>
  /^evidence-\d{4}-\d{2}-\d{2}[b-z]?\.jsonl$/.test(name);

/** The next name after `latest` that a missing file cannot have, so that putting that back overwrites nothing. */
export function nameBeside(latest: string | undefined, time: Date): string | undefined {
  const plain = fileNameFor(time);
  const [, date = '', letter] =
    /^(evidence-\d{4}-\d{2}-\d{2})([b-z]?)\.jsonl$/.exec(
      latest === undefined || latest < plain ? plain : latest,
    ) ?? [];
  const next = letter === '' ? 'b' : String.fromCharCode((letter ?? '').charCodeAt(0) + 1);
  return next > 'z' ? undefined : `${date}${next}.jsonl`;
}
