import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseCommand } from '../../../src/cli/arguments.ts';
import { settingsText, usage } from '../../../src/cli/help.ts';
import { version } from '../../../src/server/version.ts';
import { settingsTable } from '../../../src/settings/settings.ts';

const read = (name: string): string => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');

describe('the arguments', () => {
  test.each([
    [[], { kind: 'run', sandboxOnly: false }],
    [['sandbox'], { kind: 'run', sandboxOnly: true }],
    [['help'], { kind: 'help' }],
    [['sandbox', '--help'], { kind: 'help' }],
    [['-h', '-v'], { kind: 'help' }],
    [['help', 'settings'], { kind: 'settings' }],
    [['check'], { kind: 'check', json: false }],
    [['check', '--json'], { kind: 'check', json: true }],
    [['--json'], { kind: 'wrong', message: '--json is no option of the proxy' }],
    [['sandbox', '--json'], { kind: 'wrong', message: '--json is no option of sandbox' }],
    [['check', '--reason', 'x'], { kind: 'wrong', message: '--reason is no option of check' }],
    [
      ['calls', '--state', 'recording', '--attention', '--json'],
      {
        ...{ kind: 'console', name: 'calls', url: undefined, tokenFile: undefined, json: true },
        request: { method: 'GET', path: '/api/calls?state=recording&attention=1' },
      },
    ],
    [
      ['close', 'a/b', '--reason', 'audit', '--url', 'https://console.example', '--token-file', 'token'],
      {
        ...{
          kind: 'console',
          name: 'close',
          url: 'https://console.example',
          tokenFile: 'token',
          json: false,
        },
        request: { method: 'POST', path: '/api/calls/a%2Fb/close', body: { reason: 'audit' } },
      },
    ],
    [
      ['hold', '--all', '--reason', 'x'],
      {
        ...{ kind: 'console', name: 'hold', url: undefined, tokenFile: undefined, json: false },
        request: { method: 'POST', path: '/api/hold', body: { all: true, reason: 'x' } },
      },
    ],
    [['call'], { kind: 'wrong', message: 'call needs the id of a call' }],
    [['release', '--reason', 'x'], { kind: 'wrong', message: 'release needs the id of a hold' }],
    [['calls', 'more'], { kind: 'wrong', message: 'unknown argument more' }],
    [['calls', '--reason', 'x'], { kind: 'wrong', message: '--reason is no option of calls' }],
    [['close', 'x'], { kind: 'wrong', message: '--reason is missing: say why, for the evidence' }],
    [['hold', '--reason', 'x'], { kind: 'wrong', message: 'give exactly one of --all, --tenant and --app' }],
    [
      ['hold', '--all', '--app', 'x', '--reason', 'x'],
      { kind: 'wrong', message: 'give exactly one of --all, --tenant and --app' },
    ],
    [
      ['holds', '--url', 'console.example'],
      { kind: 'wrong', message: '--url must be an origin such as https://console.example' },
    ],
    [['check', 'it'], { kind: 'wrong', message: 'unknown argument it' }],
    [['--version'], { kind: 'version' }],
    [['-v'], { kind: 'version' }],
    [['settings'], { kind: 'wrong', message: 'unknown argument settings' }],
    [['help', 'settings', 'all'], { kind: 'wrong', message: 'unknown argument all' }],
    [['constructor'], { kind: 'wrong', message: 'unknown argument constructor' }],
    [['-x'], { kind: 'wrong', message: expect.stringMatching(/Unknown option '-x'$/) }],
    [['--help=yes'], { kind: 'wrong', message: expect.stringMatching(/does not take an argument$/) }],
  ])('%j', (args, command) => {
    expect(parseCommand(args)).toEqual(command);
  });
});

test('the page of the command line shows the help', () => {
  expect(read('docs/reference/command-line.md')).toContain(`\`\`\`text\n${usage}\`\`\``);
});

test('the version is that of the package', () => {
  expect(version()).toBe((JSON.parse(read('package.json')) as { version: string }).version);
});

describe('the settings as text', () => {
  test.each([undefined, 40, 100, 200])(
    'name each with its default and description in %p columns',
    (width) => {
      const text = settingsText(width);
      const words = text.replace(/\s+/g, ' ');
      for (const row of settingsTable) {
        expect(words).toContain(
          `${row.name} (${row.default === '' ? 'no default' : `default: ${row.default}`})`,
        );
        expect(words).toContain(row.description);
      }
      const tooLong = text
        .split('\n')
        .filter((line) => line.startsWith(' ') && line.length > (width ?? 100) && line.trim().includes(' '));
      expect(tooLong).toEqual([]);
    },
  );
});
