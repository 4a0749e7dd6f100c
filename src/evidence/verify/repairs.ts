import { createHash, type Hash } from 'node:crypto';
import { canonicalJson, sha256 } from '../../core/call/evidence.ts';
import type { JournalLine } from './format.ts';

/** A repair whose cut may still turn out to be the beginning of the records that follow. */
interface Unexplained {
  readonly sha256: string;
  /** Of the bytes that the records would have been, had they been written where the cut began. */
  readonly hash: Hash;
  /** How many of those bytes are still to come. */
  left: number;
  /** The line before the next of them. */
  seq: number;
  prev: string | null;
}

/** More at once are not followed: each repair is the end of a process. */
const followed = 100;

/**
 * Finds out what was cut: what a crash leaves of a write is its beginning, and its records are still in the store, so
 * that they are written again right after the repair.
 */
export class Repairs {
  count = 0;
  #explained = 0;
  #open: Unexplained[] = [];

  get unexplained(): number {
    return this.count - this.#explained;
  }

  /** The next line of the journal. */
  take(line: JournalLine): void {
    if (line.kind !== 'repair') {
      this.#open = this.#open.filter((repaired) => this.#goesOn(repaired, contentOf(line)));
      return;
    }
    this.count += 1;
    const { seq, prev } = line.journal;
    if (line.repair.cut === null) return;
    const { bytes, sha256: cut } = line.repair.cut;
    this.#open.push({ sha256: cut, hash: createHash('sha256'), left: bytes, seq: seq - 1, prev });
    if (this.#open.length > followed) this.#open.shift();
  }

  #goesOn(repaired: Unexplained, content: object): boolean {
    const unsealed = { journal: { seq: repaired.seq + 1, prev: repaired.prev }, ...content };
    const hash = sha256(canonicalJson(unsealed));
    const bytes = Buffer.from(`${canonicalJson({ ...unsealed, hash })}\n`).subarray(0, repaired.left);
    repaired.hash.update(bytes);
    repaired.left -= bytes.length;
    repaired.seq += 1;
    repaired.prev = hash;
    if (repaired.left > 0) return true;
    if (repaired.hash.digest('hex') === repaired.sha256) this.#explained += 1;
    return false;
  }
}

function contentOf(line: Exclude<JournalLine, { readonly kind: 'repair' }>): object {
  if (line.kind === 'record') return { record: line.record };
  if (line.kind === 'moved') return { moved: line.moved };
  return line.kind === 'hold' ? { hold: line.hold } : { refusedWrites: line.refusedWrites };
}
