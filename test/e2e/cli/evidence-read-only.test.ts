import { execFile } from 'node:child_process';
import { watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkEvidence, checkEvidenceInUse } from '../../../src/checks/evidence.ts';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { eventually } from '../../support/eventually.ts';
import { settingsFor } from '../../support/process.ts';

const main = fileURLToPath(new URL('../../../dist/src/cli/main.js', import.meta.url));

let directory: string;
let peers: Peers;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-read-only-'));
  peers = await startPeers('127.0.0.1', 0, directory);
});
afterAll(async () => {
  await peers.close();
  await rm(directory, { recursive: true });
});

const evidence = async (): Promise<string> => {
  const path = await mkdtemp(join(directory, 'evidence-'));
  await writeFile(join(path, 'sink-id'), '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f\n');
  await writeFile(join(path, 'evidence-2026-01-31.jsonl'), '');
  return path;
};

/** Rights do not bind root, but a file system that is mounted read-only does. */
function runReadOnly(command: string, evidenceDir: string): Promise<{ code: unknown; out: string }> {
  const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  return new Promise((resolve) => {
    execFile(
      'unshare',
      [
        ...['--mount', '--map-root-user', 'sh', '-c', script, evidenceDir],
        ...[process.execPath, main, command, '--json'],
      ],
      {
        env: {
          PATH: process.env.PATH,
          ...settingsFor(peers, directory),
          TALLYLIGHT_EVIDENCE_DIR: evidenceDir,
        },
      },
      (error, out) => resolve({ code: error?.code ?? 0, out }),
    );
  });
}

test.each(['check', 'doctor'])('%s finds an evidence directory that is read-only', async (command) => {
  const path = await evidence();
  const { code, out } = await runReadOnly(command, path);
  const { findings } = JSON.parse(out) as { findings: readonly { setting: string }[] };
  expect(findings.filter(({ setting }) => setting === 'TALLYLIGHT_EVIDENCE_DIR')).toMatchObject([
    {
      status: 'fail',
      text: expect.stringMatching(/cannot be written to: EROFS/),
      cure: expect.stringContaining('right to write there'),
      failure: 'cannotStart',
    },
  ]);
  expect(code).toBe(4);
});

test('what is in use is only read: nothing is written, opened for writing or made', async () => {
  const path = await evidence();
  const before = await readdir(path);
  const seen: string[] = [];
  const watcher = watch(path, (_event, name) => seen.push(String(name)));
  try {
    expect(await checkEvidenceInUse({ evidenceDir: path })).toContainEqual(
      expect.objectContaining({ status: 'ok', setting: 'TALLYLIGHT_EVIDENCE_DIR' }),
    );
    // The check before a start does write, and is seen: what came before it was seen by then.
    await checkEvidence({ evidenceDir: path });
    await eventually(() => seen.length > 0);
    expect(seen.filter((name) => !name.startsWith('write-check.'))).toEqual([]);
    expect(new Set(seen).size).toBe(1);
  } finally {
    watcher.close();
  }
  expect(await readdir(path)).toEqual(before);
});

test.each<[string, () => Promise<string>, RegExp]>([
  ['is not there', () => Promise.resolve(join(directory, 'nowhere')), /does not exist/],
  [
    'is a file',
    async () => {
      const path = join(directory, 'a-file');
      await writeFile(path, '');
      return path;
    },
    /is not a directory/,
  ],
  [
    'has an id that is none',
    async () => {
      const path = join(directory, 'no-id');
      await mkdir(path);
      await writeFile(join(path, 'sink-id'), 'x');
      return path;
    },
    /does not contain a UUID/,
  ],
])('a directory in use that %s is found, and not made', async (_what, make, says) => {
  const path = await make();
  expect(await checkEvidenceInUse({ evidenceDir: path })).toMatchObject([
    { status: 'fail', setting: 'TALLYLIGHT_EVIDENCE_DIR', text: expect.stringMatching(says) },
  ]);
  expect((await readdir(directory)).includes('nowhere')).toBe(false);
});
