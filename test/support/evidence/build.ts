import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { transformFileSync } from '@swc/core';

const root = resolve(import.meta.dirname, '../../..');

// A variable, since the declarations of the package do not know the last of these yet.
const jsc = {
  parser: { syntax: 'typescript' },
  target: 'es2023',
  rewriteRelativeImportExtensions: true,
} as const;

/** Compiles what a child process needs into `target`; returns the directory that mirrors the repository. */
export function compileEvidence(target: string): string {
  for (const folder of ['src/core', 'src/evidence', 'src/cli', 'test/support/evidence']) {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
    for (const name of names.filter((file) => file.endsWith('.ts'))) {
      const { code } = transformFileSync(join(root, folder, name), {
        swcrc: false,
        configFile: false,
        jsc,
        module: { type: 'es6' },
      });
      const compiled = join(target, folder, name.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(compiled), { recursive: true });
      writeFileSync(compiled, code);
    }
  }
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'));
  return target;
}
