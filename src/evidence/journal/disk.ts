import { constants, type Stats } from 'node:fs';
import { open, stat, statfs, type FileHandle } from 'node:fs/promises';
import { Fault } from '../../core/errors.ts';

/** Makes the names in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What this process can still write to the file system that a directory is on. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Writes all of it, as often as it takes. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Reads at most so many bytes. */
export async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

/** To be given to `catch`: what is not there is no error. */
export function ifPresent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** What is there instead of a file; undefined: a regular file. */
export function nonRegularType(
  found: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isSocket'>,
): string | undefined {
  if (found.isFile()) return undefined;
  if (found.isDirectory()) return 'a directory';
  if (found.isFIFO()) return 'a FIFO';
  return found.isSocket() ? 'a socket' : 'a device';
}

const notRegular = (path: string, kind: string): Fault =>
  new Fault(
    'EvidenceUnwritable',
    `${path} is ${kind}, not a regular file: move it out of the evidence directory, and restore the original file`,
  );

/** Opens a regular file, and never waits: a FIFO would have its opener wait for another process. */
export async function openRegular(path: string, flags: number, mode?: number): Promise<FileHandle> {
  const named = await stat(path).catch(ifPresent);
  const kind = named && nonRegularType(named);
  if (kind !== undefined) throw notRegular(path, kind);
  const handle = await open(path, flags | constants.O_NONBLOCK, mode);
  try {
    const opened = nonRegularType(await handle.stat());
    if (opened !== undefined) throw notRegular(path, opened);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Throws unless the name still leads to the file that is open, and no other name does; `goesOn` says what comes then. */
export async function assertInPlace(path: string, handle: FileHandle, goesOn: string): Promise<void> {
  const opened = await handle.stat({ bigint: true });
  const named = await stat(path, { bigint: true }).catch(ifPresent);
  if (named === undefined)
    throw new Fault('EvidenceUnwritable', `${path} was moved or removed while it was in use; ${goesOn}`);
  const kind = nonRegularType(named);
  if (kind !== undefined) throw notRegular(path, kind);
  if (named.dev !== opened.dev || named.ino !== opened.ino)
    throw new Fault('EvidenceUnwritable', `${path} was replaced by another file; ${goesOn}`);
  if (named.nlink > 1n)
    throw new Fault(
      'EvidenceUnwritable',
      `${path} has ${named.nlink} hard links, so a change under another name would change the evidence: remove the other links (find -samefile lists them), and make backups as copies. Until then, evidence that is not acknowledged stays in the store`,
    );
}
