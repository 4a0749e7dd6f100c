// The tests need redis-server on the PATH, libfaketime to set its clock, and promtool of Prometheus to check metrics. On
// Debian, root installs them; elsewhere this says how to get them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const answers = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
const run = (program, args) =>
  spawnSync(program, args, {
    stdio: 'inherit',
    // No service is started: the tests start servers of their own.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  }).status === 0;

const missing = () =>
  Object.entries({ 'redis-server': 'redis-server', faketime: 'faketime', promtool: 'prometheus' })
    .filter(([program]) => !answers(program))
    .map(([, name]) => name);

if (missing().length > 0) {
  const canInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  if (canInstall) {
    run('apt-get', ['update']) && run('apt-get', ['install', '-y', '--no-install-recommends', ...missing()]);
  }
  if (missing().length > 0) {
    console.error(
      [
        `The tests need redis-server (7.0 or later) with redis-cli, libfaketime, and promtool of Prometheus; missing: ${missing().join(', ')}.`,
        '  Debian, Ubuntu  sudo apt-get install redis-server faketime prometheus',
        '  Fedora          sudo dnf install redis libfaketime golang-github-prometheus',
        '  macOS           brew install redis prometheus (the chaos suite needs Linux)',
      ].join('\n'),
    );
    process.exitCode = 1;
  }
}
