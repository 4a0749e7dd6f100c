import { existsSync, readdirSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const places = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];

/** The library that gives a process another clock; undefined: it is not installed. */
function library(): string | undefined {
  const folders = places.flatMap((place) => [
    join(place, 'faketime'),
    ...(existsSync(place) ? readdirSync(place).map((name) => join(place, name, 'faketime')) : []),
  ]);
  return folders.map((folder) => join(folder, 'libfaketime.so.1')).find((file) => existsSync(file));
}

/** A clock that a test sets, for one process and those that take its place; its durations go on as they are. */
export interface SettableClock {
  /** For the environment of the process. */
  readonly env: Readonly<Record<string, string>>;
  /** How far it is ahead of true time from now on, ms. */
  set(aheadMs: number): Promise<void>;
  /** Removes what a process that was killed left in shared memory: with it, no later one of the same id could begin. */
  clear(pid: number | undefined): Promise<void>;
}

export async function settableClock(directory: string): Promise<SettableClock> {
  const found = library();
  if (found === undefined)
    throw new Error('libfaketime is not installed (Debian: faketime). Run the tests with `npm test`.');
  const file = join(directory, 'clock');
  const set = async (aheadMs: number): Promise<void> => {
    // The process reads it at any moment, and must never find half of it.
    const text = `${aheadMs < 0 ? '-' : '+'}${(Math.abs(aheadMs) / 1000).toFixed(3)}`;
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  await set(0);
  return {
    env: {
      // Where malloc is jemalloc's, that and libfaketime wait for each other as the process begins; so it is the C library's.
      LD_PRELOAD: `${found} libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: file,
      // To look at the file for each question after the time would make a server slow. Seconds.
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
    async clear(pid) {
      for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`])
        await rm(join('/dev/shm', name), { force: true });
    },
  };
}
