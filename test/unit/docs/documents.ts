import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../../..');

/** Folders that hold nothing of the project's own; hidden ones do not either. */
const foreign = new Set(['node_modules', 'dist', 'coverage']);

/** Every Markdown file of the repository, as a path from its root with forward slashes. */
export const documents: readonly string[] = filesBelow('')
  .filter((path) => path.endsWith('.md'))
  .sort();

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isFile()) return [path];
    const ours = entry.isDirectory() && !entry.name.startsWith('.') && !foreign.has(entry.name);
    return ours ? filesBelow(path) : [];
  });
}
