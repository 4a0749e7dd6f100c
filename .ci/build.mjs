// Builds dist/, unless it was built from just these files.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const note = 'dist/.built';
const program = 'dist/src/cli/main.js';
const inputs = ['src', 'middleware', '.ci', 'package.json', 'package-lock.json', 'tsconfig.json'];
inputs.push('tsconfig.build.json');

const filesIn = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesIn(`${path}/${name}`)) : [path];

/** What is built, from its names and its contents: times say nothing after a checkout. */
function fingerprint() {
  const hash = createHash('sha256');
  for (const file of inputs.flatMap(filesIn).sort())
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

const run = (script, ...args) => execFileSync(process.execPath, [script, ...args], { stdio: 'inherit' });

const isBuilt = existsSync(program) && existsSync(note) && readFileSync(note, 'utf8') === fingerprint();
if (!isBuilt) {
  rmSync(note, { force: true });
  try {
    run('src/store/redis/lua/build.mjs');
    run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
    run('node_modules/typescript/bin/tsc', '-p', 'src/console/page');
    for (const name of ['index.html', 'style.css', 'icon.svg'])
      cpSync(`src/console/page/${name}`, `dist/src/console/page/${name}`);
    run('.ci/sbom.mjs');
  } catch (error) {
    // What failed has said why.
    process.exit(error.status ?? 1);
  }
  writeFileSync(note, fingerprint());
}
