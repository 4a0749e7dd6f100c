import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../../src/core/call/evidence.ts';
import { emptyHead, encodeLine, type Head } from '../../../src/evidence/journal/journal.ts';
import { replay } from '../../../src/evidence/verify/replay.ts';
import { verifyJournal } from '../../../src/evidence/verify/verify.ts';
import { compileEvidence } from '../../support/evidence/build.ts';
import { callKey, interleaved } from '../../support/evidence/history.ts';
import { CallStory, merged, timeAt, user } from '../../support/evidence/call-histories.ts';

let root: string;
let directory: string;
let first: string;
let second: string;
let cli: string;
let head: Head = emptyHead;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tallylight-cli-'));
  cli = join(compileEvidence(join(root, 'compiled')), 'src/cli/verify.js');
  directory = join(root, 'evidence');
  mkdirSync(directory);
  const journal = journalOf(interleaved(3, 2));
  const { lines } = journal;
  head = journal.head;
  first = join(directory, 'evidence-2026-01-31.jsonl');
  second = join(directory, 'evidence-2026-02-01.jsonl');
  writeFileSync(first, lines.slice(0, 20).join(''));
  writeFileSync(second, lines.slice(20).join(''));
  writeFileSync(join(directory, 'sink-id'), 'not evidence');
});
afterAll(() => rmSync(root, { recursive: true }));

function journalOf(records: readonly EvidenceRecord[]): { lines: string[]; head: Head } {
  let last = emptyHead;
  const lines = records.map((record) => {
    const line = encodeLine(last, { record: record });
    last = line.head;
    return line.text;
  });
  return { lines, head: last };
}

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

  test('exits with 1 and names a link that leads nowhere, given by its name or with its directory', () => {
    const linked = join(root, 'linked');
    mkdirSync(linked);
    const path = join(linked, 'evidence-2026-01-31.jsonl');
    symlinkSync(join(root, 'gone'), path);
    for (const given of [linked, path]) {
      const { status, stdout, stderr } = run(given);
      expect([status, stderr]).toEqual([1, '']);
      expect(stdout).toContain(path);
      expect(stdout).toContain('a broken symbolic link');
    }
    expect(run(join(root, 'gone'))).toMatchObject({ status: 2, stdout: '' });
  });

  test('exits with 2 for a directory without evidence', () => {
    const empty = join(root, 'empty');
    mkdirSync(empty);
    expect(run(empty)).toMatchObject({ status: 2, stdout: '' });
  });

  test('explains itself', () => {
    const { status, stdout } = run('--help');
    expect(status).toBe(0);
    expect(stdout).toContain('cannot be detected from the files alone');
  });
});

describe('tallylight-verify --calls', () => {
  const [reception, customer] = [user(2), user(1)];
  let files: string[];

  beforeAll(() => {
    const paired = { callChainId: 'chain-1', policyHolder: customer, otherSideUser: reception };
    const transferred = { callChainId: 'chain-2', policyHolder: customer, transferor: reception };
    const one = new CallStory(1).invited({ ...paired, policyIdentifier: 'Händler, Frankfurt' });
    one.at(1).confirmed().at(9).ended();
    const two = new CallStory(2).invited(paired).refused('8506').at(10).ended('hangUp', null);
    const three = new CallStory(3, { at: 10 }).invited(transferred).confirmed().at(11).stopped();
    const four = new CallStory(4, { at: 10 }).asked();
    const { lines } = journalOf(merged(one, two, three, four));
    files = ['evidence-2026-03-01.jsonl', 'evidence-2026-03-02.jsonl'].map((name) => join(root, name));
    writeFileSync(files[0]!, lines.slice(0, 12).join(''));
    writeFileSync(files[1]!, lines.slice(12).join(''));
  });

  test('tells the report as ever, then each conversation in words', () => {
    const plain = run(...files);
    const { status, stdout, stderr } = run('--calls', ...[...files].reverse());
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.startsWith(plain.stdout)).toBe(true);
    const told = stdout.slice(plain.stdout.length);
    const id = (n: number): string => `00000000-0000-0000-0000-00000000000${n}`;
    for (const words of [
      '4 calls in 2 conversations',
      `Conversation 1: ${timeAt(0)} to ${timeAt(11)}`,
      `linked by call chain chain-1: ${id(1)}, ${id(2)}`,
      `linked by transfer by user ${reception}: ${id(2)} to ${id(3)}`,
      'policy            Händler, Frankfurt',
      `recording         ${timeAt(1)} to ${timeAt(9)}, 4 writes admitted, 1 of them aborted, 4096 bytes`,
      'terminated: A notification from Graph said that the call is terminated.',
      'code 200, subcode 5000',
      'failed starts     8506 (1)',
      'Graph never confirmed a recording of the call.',
      `Conversation 2: ${timeAt(10)} to ${timeAt(10)}`,
    ])
      expect(told).toContain(words);
  });

  test('prints one JSON document when asked, with the same conversations', () => {
    const { status, stdout } = run('--calls', '--json', ...files);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      report: { ok: true, calls: 4, files: 2 },
      conversations: [
        {
          links: [{ by: 'callChainId' }, { by: 'transferor', orFrom: [] }],
          calls: [{ flags: [] }, { flags: ['neverConfirmed', 'notPolicyCall'] }, { flags: ['notEnded'] }],
        },
        { links: [], calls: [{ call: '00000000-0000-0000-0000-000000000004' }] },
      ],
    });
    expect(Object.keys(JSON.parse(run('--json', ...files).stdout) as object)).toEqual(['report']);
  });

  test('tells nothing of evidence that does not fit', () => {
    const plain = run(files[1]!);
    expect(plain.status).toBe(1);
    expect(run('--calls', files[1]!)).toEqual(plain);
    const { status, stdout } = run('--calls', '--json', files[1]!);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ report: { ok: false }, conversations: null });
  });

  test('reads again the very lines that were verified, without those that were added since', async () => {
    const report = await verifyJournal(files);
    const read = async (): Promise<[same: boolean, records: number]> => {
      let records = 0;
      return [
        await replay(files, report, { take: () => void (records += 1), takeLine: () => undefined }),
        records,
      ];
    };
    expect(await read()).toEqual([true, report.records]);
    const whole = readFileSync(files[1]!, 'utf8');
    const line = whole.slice(0, whole.indexOf('\n') + 1);
    const rest = whole.slice(line.length);
    for (const [text, same] of [
      [whole + line, true],
      [line, false],
      [rest, false],
      [rest + line, false],
      [rest.slice(0, rest.indexOf('\n') + 1) + rest, false],
      [whole.replace('"admitted":4', '"admitted":5'), false],
    ] as const) {
      writeFileSync(files[1]!, text);
      expect((await read())[0]).toBe(same);
    }
    writeFileSync(files[1]!, whole);
  });

  test('leaves without a word when its reader has seen enough', () => {
    const many = join(root, 'evidence-2026-03-03.jsonl');
    writeFileSync(many, journalOf(interleaved(500, 1)).lines.join(''));
    const command = '"$0" "$@" | head -c 1; exit ${PIPESTATUS[0]}';
    const args = ['-c', command, process.execPath, cli, '--calls', many];
    expect(spawnSync('bash', args, { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stdout: '3',
      stderr: '',
    });
  });

  test('tells what it can of the files that are at hand', () => {
    const { status, stdout } = run('--partial', '--calls', files[1]!);
    expect(status).toBe(0);
    expect(stdout).toContain('The beginning of the history of the call is not in the files.');
  });
});
