// Runs the product against clients and servers that others wrote: installs what they need where that can be done, names what
// is left out and why, and fails where anything that ran has failed. Arguments go on to jest.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suites } from './suites.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..', '..');
const run = (program, args, options = {}) =>
  spawnSync(program, args, { stdio: 'inherit', cwd: root, ...options }).status === 0;

const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
const isThere = (program) => folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
const isRootOnDebian = process.getuid?.() === 0 && existsSync('/etc/debian_version');

let isUpdated = false;
function install(debianPackage) {
  if (debianPackage === null || !isRootOnDebian) return;
  // No service is started: the suites start servers of their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  isUpdated ||= run('apt-get', ['update'], { env });
  run('apt-get', ['install', '-y', '--no-install-recommends', debianPackage], { env });
}

let installed;
/** The packages that the lock file names, once for all suites. */
const packagesAreThere = () => (installed ??= run('npm', ['ci', '--prefix', here]));

/** Why a suite cannot be run here; undefined: it can. */
function obstacle({ programs, packages }) {
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!isThere(program)) install(debianPackage);
    if (!isThere(program)) {
      const where = debianPackage === null ? '' : `; Debian's package is ${debianPackage}`;
      return `${program} is not on the PATH${where}`;
    }
  }
  if (packages && !packagesAreThere()) return 'its npm packages could not be installed';
  return undefined;
}

const found = suites.map((suite) => ({ ...suite, why: obstacle(suite) }));
const runnable = found.filter(({ why }) => why === undefined);
let passed = runnable.length > 0;
if (passed) {
  passed = run(process.execPath, [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    ...['--config', join(here, 'jest.config.js')],
    ...runnable.map(({ folder }) => join('test', 'interop', folder)),
    ...process.argv.slice(2),
  ]);
}
for (const { folder, why } of found) {
  console.log(why === undefined ? `ran: ${folder}` : `left out: ${folder} (${why})`);
}
if (!passed) process.exitCode = 1;
