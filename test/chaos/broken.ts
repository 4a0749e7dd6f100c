import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Patch {
  /** Below `dist/src`. */
  readonly file: string;
  /** What is in the file once. */
  readonly find: string;
  readonly replace: string;
}

/** A copy of the built proxy that lacks something on purpose, to see whether anybody notices. */
export async function breakProxy({
  file,
  find,
  replace,
}: Patch): Promise<{ readonly main: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-broken-'));
  for (const part of ['dist', 'policies', 'package.json'])
    await cp(join(root, part), join(directory, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  const path = join(directory, 'dist/src', file);
  const source = await readFile(path, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not hold this exactly once: ${find}`);
  await writeFile(
    path,
    source.replace(find, () => replace),
  );
  return {
    main: join(directory, 'dist/src/server/main.js'),
    remove: () => rm(directory, { recursive: true }),
  };
}
