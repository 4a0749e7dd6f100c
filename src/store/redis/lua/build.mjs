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

/**
 * With a shebang Redis asks, before a script runs, whether it may write: at the limit of its memory it refuses those that
 * do not say `allow-oom`, and all of them on a replica, after a failed save, or with too few replicas.
 */
const shebangs = { none: '#!lua', 'allow-oom': '#!lua flags=allow-oom' };
const flagsOf = (name) =>
  [...(/^-- flags: (.*)$/m.exec(read(`${name}.lua`))?.[1].matchAll(/\bnone\b|\ballow-oom\b/g) ?? [])].map(
    ([flag]) => flag,
  );

const names = readdirSync(here)
  .filter((file) => file.endsWith('.lua') && !file.startsWith('prelude'))
  .map((file) => basename(file, '.lua'))
  .sort();
/** A script that is refused by a full store in one case and taken in another is there twice. */
const variants = names.flatMap((name) =>
  flagsOf(name).map((flag, n) => ({ name, flag, as: n === 0 ? name : `${name}Closing` })),
);
const preludeOf = (name) =>
  /\bshardNow\(/.test(read(`${name}.lua`)) ? '${prelude}\n${shard}' : '${prelude}';
const generated = [
  '// Written by lua/build.mjs from the files in lua/; change those.',
  `const prelude = \`${quoted(code('prelude.lua'))}\`;`,
  `const shard = \`${quoted(code('prelude-shard.lua'))}\`;`,
  '',
  '/** The source of each script, by name. */',
  'export const lua = {',
  ...variants.map(
    ({ name, flag, as }) =>
      `  ${as}: \`${shebangs[flag]}\n${preludeOf(name)}\n${quoted(code(`${name}.lua`))}\`,`,
  ),
  '} as const;',
  '',
].join('\n');

if (!process.argv.includes('--check')) {
  writeFileSync(target, generated);
} else if (readFileSync(target, 'utf8') !== generated) {
  console.error('lua.generated.ts is stale: run node src/store/redis/lua/build.mjs');
  process.exitCode = 1;
}
