import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { transformFileSync } from '@swc/core';

const root = resolve(import.meta.dirname, '../..');

// A variable, since the declarations of the package do not know the last of these yet.
const jsc = {
  parser: { syntax: 'typescript' },
  target: 'es2023',
  rewriteRelativeImportExtensions: true,
} as const;

/** Compiles what a child process needs into `target`; returns the directory that mirrors the repository. */
export function compileEvidence(target: string): string {
  for (const folder of ['src/core', 'src/evidence', 'test/support']) {
    mkdirSync(join(target, folder), { recursive: true });
    const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts'));
    for (const name of names.filter((file) => folder !== 'test/support' || file.startsWith('evidence-'))) {
      const { code } = transformFileSync(join(root, folder, name), {
        swcrc: false,
        configFile: false,
        jsc,
        module: { type: 'es6' },
      });
      writeFileSync(join(target, folder, name.replace(/\.ts$/, '.js')), code);
    }
  }
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'));
  return target;
}
