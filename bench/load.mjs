import { readFile } from 'node:fs/promises';
import { compiled, isTypeScript } from '../test/support/compile.mjs';

export async function load(url, context, next) {
  if (!isTypeScript(url)) return next(url, context);
  return compiled(url, await readFile(new URL(url), 'utf8'));
}
