import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson, sha256 } from '../../core/call/evidence.ts';
import { isRecord } from '../../core/json.ts';
import { assertInPlace, openRegular, readAt, writeAt } from './disk.ts';
import type { Head } from './journal.ts';

/** Bytes of a slot: below the sector of any disk, so that one write of it spoils no other. */
const slotSize = 256;

const readAnew =
  'the latest lines stay in the store until the journal has been read again. This happens automatically and creates a new acknowledgement file. Restore the old file only if journal files are missing as well: it says which lines must exist';

/**
 * Remembers beside the journal the last line that was acknowledged: was durable before its record left the store. Only
 * with it can recovery distinguish a line that nobody relies on from one that must be there. Two slots are written in turn, so
 * that a torn write leaves the one before. It guards against accidents; whoever may write to the directory can change
 * the file as well as the journal, and only a head that is kept elsewhere shows that.
 */
export class Acknowledged {
  readonly #path: string;
  readonly #file: FileHandle;
  #head: Head | undefined;
  #count: number;

  private constructor(path: string, file: FileHandle, last: Slot | undefined) {
    this.#path = path;
    this.#file = file;
    this.#head = last?.head;
    this.#count = last?.count ?? 0;
  }

  /** The caller syncs the directory: the file may be new. */
  static async open(directory: string): Promise<Acknowledged> {
    const path = join(directory, 'acknowledged');
    const file = await openRegular(path, constants.O_RDWR | constants.O_CREAT, 0o640);
    try {
      const bytes = await readAt(file, 0, 2 * slotSize);
      const slots = [bytes.subarray(0, slotSize), bytes.subarray(slotSize)].flatMap(decodeSlot);
      return new Acknowledged(path, file, slots.sort((a, b) => a.count - b.count).at(-1));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** `undefined`: nothing was ever noted here. */
  get head(): Head | undefined {
    return this.#head;
  }

  /** Resolves once it is durable. After a rejection either head may be found by the next to open. */
  async note(head: Head): Promise<void> {
    if (this.#head?.seq === head.seq && this.#head.hash === head.hash) return;
    const count = this.#count + 1;
    await writeAt(this.#file, encodeSlot({ count, head }), (count % 2) * slotSize);
    await this.#file.datasync();
    await assertInPlace(this.#path, this.#file, readAnew);
    this.#count = count;
    this.#head = head;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

interface Slot {
  readonly count: number;
  readonly head: Head;
}

function encodeSlot({ count, head: { seq, hash } }: Slot): Buffer {
  const content = { count, seq, hash };
  const text = canonicalJson({ ...content, check: sha256(canonicalJson(content)) });
  return Buffer.from(`${text.padEnd(slotSize - 1)}\n`);
}

/** Nothing for a slot that was never written, or not wholly. */
function decodeSlot(bytes: Buffer): Slot[] {
  let slot: unknown;
  try {
    slot = JSON.parse(bytes.toString());
  } catch {
    return [];
  }
  if (!isRecord(slot)) return [];
  const { check, ...content } = slot;
  const { count, seq, hash } = content;
  if (check !== sha256(canonicalJson(content))) return [];
  if (typeof count !== 'number' || typeof seq !== 'number') return [];
  if (hash !== null && typeof hash !== 'string') return [];
  return [{ count, head: { seq, hash } }];
}
