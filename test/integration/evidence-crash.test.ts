import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../src/core/evidence.ts';
import { listJournalFiles, verifyJournal } from '../../src/evidence/verify.ts';
import { compileEvidence } from '../support/evidence-build.ts';
import { interleaved } from '../support/evidence-history.ts';
import { FileOutbox } from '../support/evidence-outbox.ts';

let root: string;
let compiled: string;
let directory: string;
let outbox: string;
let runs = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tallylight-crash-'));
  compiled = compileEvidence(join(root, 'compiled'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  runs += 1;
  directory = join(root, `evidence-${runs}`);
  outbox = join(root, `outbox-${runs}`);
  await mkdir(outbox);
});

type Ending = 'killed' | 'done';

/** Runs a writer process; it is killed by itself at a step, or by us after a number of steps. */
async function drain(
  death: { readonly at: string; readonly count: number } | { readonly afterSteps: number } | undefined,
): Promise<Ending> {
  const step = death !== undefined && 'at' in death ? [death.at, String(death.count)] : [];
  const child = spawn(
    process.execPath,
    [join(compiled, 'test/support/evidence-child.js'), directory, outbox, ...step],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let steps = 0;
  createInterface(child.stdout).on('line', () => {
    steps += 1;
    if (death !== undefined && 'afterSteps' in death && steps === death.afterSteps) child.kill('SIGKILL');
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal === 'SIGKILL') return 'killed';
  expect(code).toBe(0);
  return 'done';
}

async function expectNoLossAndNoDuplicate(records: readonly EvidenceRecord[]): Promise<void> {
  expect(new FileOutbox(outbox).entries).toEqual([]);
  const report = await verifyJournal(await listJournalFiles(directory));
  expect(report).toMatchObject({ ok: true, records: records.length });
}

describe('a writer that is killed', () => {
  const steps = ['claimSink', 'lease', 'recover', 'pending', 'append', 'remove'];
  test.each(steps.flatMap((step) => [`before ${step}`, `after ${step}`]))(
    '%s neither loses nor repeats a record',
    async (step) => {
      const records = interleaved(3, 2);
      FileOutbox.fill(outbox, records);
      // The second time, where there is one: some batches are through by then, and the reader of the outbox is not the first.
      const count = ['pending', 'append', 'remove'].some((name) => step.endsWith(name)) ? 2 : 1;
      expect(await drain({ at: step, count })).toBe('killed');
      expect(await drain({ at: step, count: 1 })).toBe('killed');
      expect(await drain(undefined)).toBe('done');
      await expectNoLossAndNoDuplicate(records);
    },
  );

  test('again and again, at moments nobody chose, neither loses nor repeats a record', async () => {
    const records = interleaved(60, 5);
    FileOutbox.fill(outbox, records);
    let seed = 20260131;
    for (let kill = 0; kill < 25; kill++) {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      expect(await drain({ afterSteps: 1 + ((seed >> 8) % 60) })).toBe('killed');
    }
    expect(await drain(undefined)).toBe('done');
    await expectNoLossAndNoDuplicate(records);
  }, 120_000);
});
