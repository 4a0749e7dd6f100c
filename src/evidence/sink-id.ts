import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../core/errors.ts';
import { ifPresent, syncDirectory } from './disk.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The id that a directory keeps. Instances that start at once agree on one: whoever links the file first. Throws
 * `EvidenceUnwritable` if the file holds none.
 */
export async function sinkId(directory: string): Promise<string> {
  const path = join(directory, 'sink-id');
  const mine = `${path}.${randomUUID()}`;
  let text = await readFile(path, 'utf8').catch(ifPresent);
  if (text === undefined) {
    try {
      const handle = await open(mine, 'wx', 0o640);
      try {
        await handle.writeFile(`${randomUUID()}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await link(mine, path).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(mine, { force: true });
    }
    await syncDirectory(directory);
    text = await readFile(path, 'utf8');
  }
  const id = text.trim();
  if (!uuid.test(id)) throw new Fault('EvidenceUnwritable', `${path} does not hold a UUID; restore it`);
  return id;
}
