import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compiled, isTypeScript } from '../support/compile.mjs';
import { mutants as ofAll } from './mutants.mjs';
import { redisMutants } from './redis-mutants.mjs';

const mutants = { ...ofAll, ...redisMutants };

let patches = [];

/** The mutant that the run is about, if any. */
export function initialize({ mutant }) {
  patches = mutant === undefined ? [] : mutants[mutant].patches;
}

/** Compiles TypeScript, and takes out of the product what the mutant lacks. */
export async function load(url, context, next) {
  if (!isTypeScript(url)) return next(url, context);
  const filename = fileURLToPath(url);
  let source = await readFile(filename, 'utf8');
  for (const { file, find, replace } of patches) {
    if (!filename.endsWith(`/src/${file}`)) continue;
    if (source.split(find).length !== 2) throw new Error(`${file} does not hold this exactly once: ${find}`);
    source = source.replace(find, () => replace);
  }
  return compiled(url, source);
}
