// The tests need a redis-server on the PATH. On Debian, root installs it; elsewhere this says how to get it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const answers = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
const run = (program, args) =>
  spawnSync(program, args, {
    stdio: 'inherit',
    // No service is started: the tests start servers of their own.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  }).status === 0;

if (!answers('redis-server')) {
  const canInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  if (canInstall) {
    run('apt-get', ['update']) &&
      run('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server']);
  }
  if (!answers('redis-server')) {
    console.error(
      [
        'The tests need redis-server (7.0 or later) and redis-cli on the PATH:',
        '  Debian, Ubuntu  sudo apt-get install redis-server',
        '  macOS           brew install redis',
        '  Fedora          sudo dnf install redis',
      ].join('\n'),
    );
    process.exitCode = 1;
  }
}
