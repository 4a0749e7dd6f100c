import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, messageOf } from '../../core/errors.ts';
import { ifPresent, openRegular } from './disk.ts';
import { journalFiles } from './tail.ts';

/** What keeps this process from writing to an evidence directory. */
export interface WriteObstacle {
  readonly text: string;
  /** It does not pass by itself, as a full disk may. */
  readonly lasting: boolean;
}

const lasting: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS']);

const sample = Buffer.alloc(4096, 0x20);

/** Tries what the writer does, and leaves nothing behind. */
export async function writeObstacle(directory: string): Promise<WriteObstacle | undefined> {
  try {
    await writeSample(join(directory, `write-check.${randomUUID()}`));
    for (const path of await filesToWrite(directory)) {
      const handle = await openRegular(path, constants.O_RDWR).catch(ifPresent);
      await handle?.close();
    }
    return undefined;
  } catch (error) {
    return obstacleOf(error);
  }
}

/** The same as far as the rights say it: writes and opens nothing, so it may run beside a writer. */
export async function accessObstacle(directory: string): Promise<WriteObstacle | undefined> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    for (const path of await filesToWrite(directory)) await access(path, constants.W_OK).catch(ifPresent);
    return undefined;
  } catch (error) {
    return obstacleOf(error);
  }
}

async function filesToWrite(directory: string): Promise<readonly string[]> {
  return [join(directory, 'acknowledged'), ...(await journalFiles(directory)).slice(-1)];
}

function obstacleOf(error: unknown): WriteObstacle {
  const { code = '' } = error as NodeJS.ErrnoException;
  return { text: messageOf(error), lasting: lasting.has(code) };
}

async function writeSample(path: string): Promise<void> {
  const handle = await open(path, 'wx', 0o640);
  try {
    await handle.writeFile(sample);
    await handle.datasync();
  } finally {
    await handle.close();
    await rm(path, { force: true });
  }
}

/**
 * Throws `EvidenceUnwritable` where this process may never write. With a disk that is full an instance starts all the
 * same: its evidence waits in the store, and calls need an instance.
 */
export async function assertWritable(directory: string): Promise<void> {
  const found = await writeObstacle(directory);
  if (found?.lasting !== true) return;
  throw new Fault(
    'EvidenceUnwritable',
    `the evidence directory ${directory} cannot be written to: ${found.text}; give this process the right to write there, or name another directory`,
  );
}
