import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** One change to the built program. */
export interface Patch {
  /** Below `dist/src`. */
  readonly file: string;
  /** What is in the file once. */
  readonly find: string;
  readonly replace: string;
}

/** Copies the built proxy into a directory, and changes one thing in it; returns the program. */
export function buildPatched(directory: string, { file, find, replace }: Patch): string {
  for (const part of ['dist', 'policies', 'package.json'])
    cpSync(join(root, part), join(directory, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  const path = join(directory, 'dist/src', file);
  const source = readFileSync(path, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not hold this exactly once: ${find}`);
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
  return join(directory, 'dist/src/cli/main.js');
}
