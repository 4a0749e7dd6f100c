// The tests need redis-server on the PATH, libfaketime to set its clock, Prometheus with promtool for the alerts, Chromium for the
// console and systemd-analyze for the unit. On Debian, root installs them; elsewhere this says how to get them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Programs, Debian's packages that they are in, and what tells that they are there and of use. */
const programs = [
  ['redis-server', 'redis-server', '--version'],
  ['faketime', 'faketime', '--version'],
  ['promtool', 'prometheus', '--version'],
  ['chromium', 'chromium', '--version'],
  ...(process.platform === 'linux' ? [['systemd-analyze', 'systemd', '--version']] : []),
];
const root = new URL('../..', import.meta.url);
const answers = (program, args) => spawnSync(program, args, { cwd: root, stdio: 'ignore' }).status === 0;
const run = (program, args) =>
  spawnSync(program, args, {
    stdio: 'inherit',
    // No service is started: the tests start servers of their own.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  }).status === 0;

const missing = () =>
  programs.filter(([program, , ...args]) => !answers(program, args)).map(([, name]) => name);

if (missing().length > 0) {
  const canInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  if (canInstall) {
    run('apt-get', ['update']) && run('apt-get', ['install', '-y', '--no-install-recommends', ...missing()]);
  }
  if (missing().length > 0) {
    console.error(
      [
        `The tests need redis-server (7.0 or later) with redis-cli, libfaketime, prometheus (2.42 or later) with promtool, chromium and, on Linux, systemd-analyze; missing: ${missing().join(', ')}.`,
        '  Debian, Ubuntu  sudo apt-get install redis-server faketime prometheus chromium systemd',
        '  Fedora          sudo dnf install redis libfaketime golang-github-prometheus chromium',
        '  macOS           brew install redis prometheus chromium (the chaos suite needs Linux)',
      ].join('\n'),
    );
    process.exitCode = 1;
  }
}
