import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { exitCodes } from '../../src/server/exit-codes.ts';
import { loadSettings } from '../../src/settings/settings.ts';
import { base } from '../support/settings.ts';

const root = resolve(import.meta.dirname, '../..');
const unit = readFileSync(join(root, 'deploy/systemd/tallylight.service'), 'utf8');
const scratch = mkdtempSync(join(tmpdir(), 'tallylight-unit-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const valuesOf = (name: string): string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value);
const valueOf = (name: string): string => valuesOf(name)[0] ?? '';

/** `systemd-analyze` on the unit, with the Node that is here: it asks for programs that are there. */
function analyze(command: string, ...options: string[]): string {
  const file = join(scratch, 'tallylight.service');
  writeFileSync(file, unit.replace('/usr/bin/node', process.execPath));
  return execFileSync('systemd-analyze', [command, ...options, file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** systemd is nowhere else. */
const onLinux = process.platform === 'linux' ? test : test.skip;

describe('the unit of systemd', () => {
  onLinux('is one that systemd accepts without a warning', () => {
    expect(analyze('verify')).toBe('');
    writeFileSync(join(scratch, 'wrong.service'), unit.replace('ProtectSystem=', 'ProtectSytem='));
    const wrong = join(scratch, 'wrong.service');
    const said = execFileSync('sh', ['-c', 'systemd-analyze verify "$1" 2>&1 || true', 'sh', wrong], {
      encoding: 'utf8',
    });
    expect(said).toContain('ProtectSytem');
  });

  onLinux('is hardened: exposure of at most 1.5 of 10', () => {
    expect(() => analyze('security', '--offline=true', '--no-pager', '--threshold=15')).not.toThrow();
    expect(() => analyze('security', '--offline=true', '--no-pager', '--threshold=10')).toThrow();
  });

  test('starts the program of the package, without compiling', () => {
    const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      bin: Record<string, string>;
    };
    expect(valueOf('ExecStart')).toBe(
      `/usr/bin/node /opt/tallylight/node_modules/tallylight/${bin.tallylight}`,
    );
    expect(existsSync(join(root, bin.tallylight!.replace('dist/', '').replace(/\.js$/, '.ts')))).toBe(true);
  });

  test('lets a shutdown take as long as it may, and does not repeat a start that cannot succeed', () => {
    expect(Number(valueOf('TimeoutStopSec'))).toBeGreaterThanOrEqual(65);
    expect(valueOf('RestartPreventExitStatus')).toBe(`${exitCodes.usage[0]} ${exitCodes.configuration[0]}`);
    expect(valueOf('KillMode')).toBe('mixed');
  });

  test('gives settings that the proxy starts with, and secrets as files that only it can read', () => {
    const lent = Object.fromEntries(
      valuesOf('LoadCredential').map((line) => line.split(':') as [string, string]),
    );
    const files: Record<string, string> = {
      'redis-url': 'redis://:secret@redis.internal\n',
      'graph-credential': base.TALLYLIGHT_GRAPH_CREDENTIAL,
    };
    expect(Object.keys(lent)).toEqual(Object.keys(files));
    for (const path of Object.values(lent)) expect(path).toMatch(/^\/etc\/tallylight\/secrets\//);
    const elsewhere = ['TALLYLIGHT_GRAPH_CREDENTIAL', 'TALLYLIGHT_EVIDENCE_DIR'];
    const others = Object.entries(base).filter(([name]) => !elsewhere.includes(name));
    const env = Object.fromEntries(
      valuesOf('Environment').map((line) => {
        const [name = '', value = ''] = line.split('=');
        return [name, value.replace('%S', '/var/lib').replace('%d', '/run/credentials/tallylight.service')];
      }),
    );
    const settings = loadSettings(env, (path) => {
      if (path === '/etc/tallylight/tallylight.yaml')
        return others.map(([name, value]) => `${name}: ${value}\n`).join('');
      const text = files[path.replace('/run/credentials/tallylight.service/', '')];
      if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
      return text;
    });
    expect(settings).toMatchObject({
      mode: 'proxy',
      redisUrl: 'redis://:secret@redis.internal',
      evidenceDir: `/var/lib/${valueOf('StateDirectory')}/evidence`,
    });
  });
});
