import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

/** Whether a module is TypeScript of ours. */
export const isTypeScript = (url) => url.endsWith('.ts') && !url.includes('/node_modules/');

/** What the `load` hook of a module loader returns for TypeScript: compiled as jest does it. */
export async function compiled(url, source) {
  const { code } = await transform(source, {
    filename: fileURLToPath(url),
    jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  });
  return { format: 'module', source: code, shortCircuit: true };
}
