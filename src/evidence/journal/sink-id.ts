import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../core/errors.ts';
import { ifPresent, openRegular, syncDirectory } from './disk.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The id that a directory keeps. Instances that start at once agree on one: whoever links the file first. Throws
 * `EvidenceUnwritable` if the file holds none.
 */
export async function sinkId(directory: string): Promise<string> {
  const path = join(directory, 'sink-id');
  const mine = `${path}.${randomUUID()}`;
  let text = await readText(path);
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
    text = await readText(path);
  }
  const id = text?.trim() ?? '';
  if (!uuid.test(id))
    throw new Fault('EvidenceUnwritable', `${path} does not contain a UUID; restore the file`);
  return id;
}

/** Throws unless the directory of that name is still the one with this id. */
export async function assertSinkId(directory: string, id: string): Promise<void> {
  const found = (await readText(join(directory, 'sink-id')))?.trim();
  if (found !== id)
    throw new Fault(
      'EvidenceUnwritable',
      `${directory} is not the evidence directory that was opened (its sink-id is ${found ?? 'missing'}, not ${id}): restore that directory, or restart the instance`,
    );
}

/** undefined: it is not there. */
async function readText(path: string): Promise<string | undefined> {
  const handle = await openRegular(path, constants.O_RDONLY).catch(ifPresent);
  try {
    return await handle?.readFile('utf8');
  } finally {
    await handle?.close();
  }
}
