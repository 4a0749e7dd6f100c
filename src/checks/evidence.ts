import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../core/errors.ts';
import { accessObstacle, type WriteObstacle, writeObstacle } from '../evidence/journal/writable.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { doubtful, type Finding, right, wrong } from './finding.ts';

/** Where a file system is gone with the machine, or the container. */
const tmpfsMagic = 0x01021994;
const leastFreeBytes = 1024 ** 3;

const setting = 'TALLYLIGHT_EVIDENCE_DIR';

type Place = Pick<ProxySettings, 'evidenceDir'>;

/** Whether evidence could be written by an instance that starts: tries it, and leaves nothing behind. */
export const checkEvidence = ({ evidenceDir }: Place): Promise<readonly Finding[]> =>
  judge(resolve(evidenceDir), { absent: checkCreation, obstacle: writeObstacle });

/** Whether the instance that runs can write its evidence: reads only, so that its writer is not disturbed. */
export const checkEvidenceInUse = ({ evidenceDir }: Place): Promise<readonly Finding[]> =>
  judge(resolve(evidenceDir), {
    absent: (directory) =>
      Promise.resolve(
        unusable(
          directory,
          'it does not exist, though an instance creates it at its start; run this where the proxy runs, as its user',
        ),
      ),
    obstacle: accessObstacle,
  });

interface Manner {
  /** Of a directory that is not there. */
  readonly absent: (directory: string) => Promise<Finding>;
  readonly obstacle: (directory: string) => Promise<WriteObstacle | undefined>;
}

async function judge(directory: string, { absent, obstacle: find }: Manner): Promise<readonly Finding[]> {
  try {
    if (!(await stat(directory)).isDirectory()) return [unusable(directory, 'it is not a directory')];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return [code === 'ENOENT' ? await absent(directory) : unusable(directory, messageOf(error))];
  }
  const id = await readSinkId(directory);
  if (id !== undefined && !uuid.test(id))
    return [
      wrong(
        'cannotStart',
        setting,
        `${join(directory, 'sink-id')} does not contain a UUID`,
        'Restore the file, or name another directory',
      ),
    ];
  const obstacle = await find(directory);
  if (obstacle !== undefined)
    return [
      wrong(
        obstacle.lasting ? 'cannotStart' : 'notReady',
        setting,
        `${directory} cannot be written to: ${obstacle.text}`,
        'Give this user the right to write there, make room on the disk, or name another directory',
      ),
    ];
  return [right(setting, `${directory} can be written to`), ...(await disk(directory))];
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id of an evidence directory; undefined: it has none yet. */
export const readSinkId = (directory: string): Promise<string | undefined> =>
  readFile(join(directory, 'sink-id'), 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );

const unusable = (directory: string, why: string): Finding =>
  wrong(
    'cannotStart',
    setting,
    `${directory} cannot be used: ${why}`,
    'Name a directory that this process can create and write to',
  );

/** It is created at the start, in the nearest directory that exists. */
async function checkCreation(directory: string): Promise<Finding> {
  let parent = dirname(directory);
  while (parent !== dirname(parent) && !(await exists(parent))) parent = dirname(parent);
  try {
    if (!(await stat(parent)).isDirectory()) return unusable(directory, `${parent} is not a directory`);
    await access(parent, constants.W_OK | constants.X_OK);
    return right(setting, `${directory} does not exist yet; it is created at the start`);
  } catch (error) {
    return unusable(directory, messageOf(error));
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function disk(directory: string): Promise<readonly Finding[]> {
  const { type, bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  return [
    ...(type === tmpfsMagic
      ? [
          doubtful(
            setting,
            `${directory} is on a file system in memory (tmpfs), so a restart of the machine or the container loses the evidence`,
            'Name a directory on a persistent volume',
          ),
        ]
      : []),
    ...(freeBytes < leastFreeBytes
      ? [
          doubtful(
            setting,
            `only ${Math.floor(freeBytes / 1024 ** 2)} MiB are free on the disk of ${directory}`,
            'Make room, or name a directory on a larger disk',
          ),
        ]
      : []),
  ];
}
