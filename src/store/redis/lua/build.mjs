// Writes ../lua.generated.ts from the scripts beside it. With --check it only tells whether that file is fresh.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const here = new URL('.', import.meta.url);
const target = new URL('../lua.generated.ts', here);

const read = (file) => readFileSync(new URL(file, here), 'utf8');
/** Comments stay in the files: what goes over the wire is code. */
const code = (file) =>
  read(file)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('--'))
    .join('\n');
const quoted = (text) => text.replaceAll(/[\\`]|\$\{/g, '\\$&');

const names = readdirSync(here)
  .filter((file) => file.endsWith('.lua') && file !== 'prelude.lua')
  .map((file) => basename(file, '.lua'))
  .sort();
const generated = [
  '// Written by lua/build.mjs from the files in lua/; change those.',
  `const prelude = \`${quoted(code('prelude.lua'))}\`;`,
  '',
  '/** The source of each script, by name. */',
  'export const lua = {',
  ...names.map((name) => `  ${name}: \`\${prelude}\n${quoted(code(`${name}.lua`))}\`,`),
  '} as const;',
  '',
].join('\n');

if (!process.argv.includes('--check')) {
  writeFileSync(target, generated);
} else if (readFileSync(target, 'utf8') !== generated) {
  console.error('lua.generated.ts is stale: run node src/store/redis/lua/build.mjs');
  process.exitCode = 1;
}
