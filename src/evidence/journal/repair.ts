import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { lineKinds, type Repair } from '../../core/call/evidence-lines.ts';
import { sha256 } from '../../core/call/evidence.ts';
import { Fault } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import { openRegular, readAt, syncDirectory, writeAt } from './disk.ts';
import { encodeLine, fileNameFor, type Head, fileNameAfter } from './journal.ts';
import type { Found } from './recovery.ts';

interface RepairOptions {
  readonly now: Date;
  /** Who repairs. */
  readonly instance: string;
  readonly log: Log;
}

interface Repaired {
  readonly head: Head;
  /** The file to write to, and where it ends; an empty name while there is none. */
  readonly newest: { readonly name: string; readonly size: number };
}

/**
 * Makes the journal end in a whole line, and what it holds durable. A repair is a line itself: it is written over the
 * beginning of what is cut off, so that at any moment either something is left to repair or the line stands. What is cut
 * is kept beside the journal, in `cut-<its SHA-256>`.
 */
export async function repairJournal(
  directory: string,
  found: Found,
  { now, instance, log }: RepairOptions,
): Promise<Repaired> {
  const { head, missing } = found;
  const newest = missing ? withoutMissing(directory, found, now) : found.newest;
  if (newest === undefined) return { head, newest: { name: '', size: 0 } };
  const { path, size, wholeSize, endsLine } = newest;
  const handle = await openRegular(path, constants.O_RDWR | constants.O_CREAT, 0o640);
  try {
    if (!missing && wholeSize === size) {
      // What the process before wrote counts only once it is certainly on the disk.
      await handle.datasync();
      return { head, newest: { name: basename(path), size } };
    }
    let cut: Repair['cut'] = null;
    if (missing) {
      log.error(
        { file: path, line: head.seq, hash: head.hash },
        'acknowledged evidence is missing: restore the files, and run the verifier',
      );
    } else {
      cut = await keepAside(directory, await readAt(handle, wholeSize, size - wholeSize));
      log.warn({ file: path, ...cut }, 'an incomplete last line of the evidence was truncated');
    }
    const repair = { version: lineKinds.repair.version, at: now.toISOString(), instance, cut };
    const line = encodeLine(head, { repair });
    const text = `${endsLine || cut !== null ? '' : '\n'}${line.text}`;
    return {
      head: line.head,
      newest: { name: basename(path), size: await replaceEnd(handle, wholeSize, text) },
    };
  } finally {
    await handle.close();
  }
}

/** Where to go on: a file that is missing may come back under its name, and must overwrite nothing then. */
function withoutMissing(directory: string, { newest }: Found, now: Date): NonNullable<Found['newest']> {
  if (newest !== undefined && newest.size > 0 && basename(newest.path) >= fileNameFor(now)) return newest;
  const name = fileNameAfter(newest && basename(newest.path), now);
  if (name === undefined)
    throw new Fault(
      'EvidenceUnwritable',
      `too many journal files of today are missing in ${directory}: find out what removes them, and restore them`,
    );
  return { path: join(directory, name), size: 0, wholeSize: 0, endsLine: true };
}

async function keepAside(directory: string, bytes: Buffer): Promise<NonNullable<Repair['cut']>> {
  const cut = { bytes: bytes.length, sha256: sha256(bytes) };
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
  const handle = await openRegular(join(directory, `cut-${cut.sha256}`), flags, 0o640);
  try {
    await writeAt(handle, bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(directory);
  return cut;
}

/** Returns the size of the file afterwards, once it is durable. */
async function replaceEnd(handle: FileHandle, from: number, text: string): Promise<number> {
  const bytes = Buffer.from(text);
  await writeAt(handle, bytes, from);
  await handle.truncate(from + bytes.length);
  await handle.datasync();
  return from + bytes.length;
}
