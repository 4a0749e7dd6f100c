import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { emptyHead, encodeLine, type Head } from '../../src/evidence/journal.ts';
import { compileEvidence } from '../support/evidence-build.ts';
import { callKey, interleaved } from '../support/evidence-history.ts';

let root: string;
let directory: string;
let first: string;
let second: string;
let cli: string;
let head: Head = emptyHead;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tallylight-cli-'));
  cli = join(compileEvidence(join(root, 'compiled')), 'src/evidence/verify-cli.js');
  directory = join(root, 'evidence');
  mkdirSync(directory);
  const lines = interleaved(3, 2).map((record) => {
    const line = encodeLine(head, record);
    head = line.head;
    return line.text;
  });
  first = join(directory, 'evidence-2026-01-31.jsonl');
  second = join(directory, 'evidence-2026-02-01.jsonl');
  writeFileSync(first, lines.slice(0, 20).join(''));
  writeFileSync(second, lines.slice(20).join(''));
  writeFileSync(join(directory, 'sink-id'), 'not evidence');
});
afterAll(() => rmSync(root, { recursive: true }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('tallylight-verify', () => {
  test('accepts whole evidence, given as files or as a directory, and names its head', () => {
    const byName = run(second, first);
    expect(byName).toMatchObject({ status: 0, stderr: '' });
    expect(byName.stdout).toContain('36 records of 3 calls in 2 files');
    expect(byName.stdout).toContain('6 recording intervals, 0 of them open');
    expect(byName.stdout).toContain(`head: ${head.hash!}`);
    expect(run('--expect-head', head.hash!, directory)).toEqual(byName);
  });

  test('exits with 1 and names the first record that does not fit', () => {
    const changed = join(root, 'evidence-2026-02-02.jsonl');
    writeFileSync(changed, readFileSync(first, 'utf8').replace('"bytes":12.5', '"bytes":12.6'));
    const { status, stdout } = run(changed);
    expect(status).toBe(1);
    expect(stdout).toContain(`${changed}:1`);
    const swapped = readFileSync(first, 'utf8').split('\n');
    writeFileSync(changed, [swapped[0], swapped[2], swapped[1], ...swapped.slice(3)].join('\n'));
    expect(run(changed).stdout).toMatch(
      new RegExp(`:2\\n +record +1 of call ${callKey(3)}\\n +expected +line 2 .*\\n +found +line 3`),
    );
  });

  test('sees a missing end only by the expected head', () => {
    expect(run(first).status).toBe(0);
    expect(run('--expect-head', head.hash!, first).status).toBe(1);
  });

  test('accepts a missing beginning only when told', () => {
    expect(run(second).status).toBe(1);
    expect(run('--partial', second).status).toBe(0);
  });

  test.each([[], ['--unknown'], ['--expect-head', 'x', '.'], ['no-such-file']])(
    'exits with 2 for %j %j',
    (...args) => {
      const { status, stdout, stderr } = run(...args);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain('Usage:');
    },
  );

  test('exits with 2 for a directory without evidence', () => {
    const empty = join(root, 'empty');
    mkdirSync(empty);
    expect(run(empty)).toMatchObject({ status: 2, stdout: '' });
  });

  test('explains itself', () => {
    const { status, stdout } = run('--help');
    expect(status).toBe(0);
    expect(stdout).toContain('the files alone cannot tell');
  });
});
