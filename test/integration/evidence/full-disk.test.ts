import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compileEvidence } from '../../support/evidence/build.ts';
import type { ChildOptions } from '../../support/evidence/child.ts';
import { interleaved } from '../../support/evidence/history.ts';
import { FileOutbox } from '../../support/evidence/outbox.ts';
import {
  expectCutsToBeTold,
  expectEachOnce,
  readFiles,
  restart,
  startChild,
  temporaryDirectory,
} from '../../support/evidence/process.ts';

// A limit on the size of its files takes the same bytes of a write, and refuses the same rest, as a disk with no room.

const records = interleaved(2, 1);

let root: string;
let compiled: string;
let places = 0;

beforeAll(async () => {
  root = await temporaryDirectory('tallylight-full-');
  compiled = compileEvidence(join(root, 'compiled'));
});
afterAll(() => rm(root, { recursive: true }));

async function place(): Promise<{ directory: string; outbox: FileOutbox; options: ChildOptions }> {
  const path = join(root, String((places += 1)));
  const directory = join(path, 'evidence');
  await mkdir(directory, { recursive: true });
  const outbox = FileOutbox.create(join(path, 'outbox'), records);
  return { directory, outbox, options: { directory, outbox: join(path, 'outbox') } };
}

describe('a disk that is full in the middle of a batch', () => {
  test.each([
    ['before its first byte', { write: 2, bytes: 0 }],
    ['in its first record', { write: 2, bytes: 100 }],
    ['in a later record', { write: 2, bytes: 1700 }],
  ])('%s loses nothing: all is written once there is room', async (_, fullAtWrite) => {
    const { directory, outbox, options } = await place();
    const child = startChild(compiled, { ...options, fullAtWrite });
    expect(await child.ended).toBe('done');
    expect(child.steps.filter((step) => step.startsWith('error'))).toEqual([
      'error: evidence cannot be written; it stays in the store, and writing is retried',
    ]);
    expect(outbox.entries).toEqual([]);
    // What a process takes back of its own write is no repair.
    expect(await expectEachOnce(directory, records)).toMatchObject({ repairs: 0 });
  });

  test('loses nothing either if the process is killed before it has taken back what was written', async () => {
    const died: (string | undefined)[] = [];
    let cut = 0;
    for (let at = 1; died.at(-1) !== 'truncate evidence-2026-01-31.jsonl'; at++) {
      const { directory, outbox, options } = await place();
      const child = startChild(compiled, {
        ...options,
        fullAtWrite: { write: 2, bytes: 1000 },
        die: { at, whenFull: true },
      });
      expect(await child.ended).toBe('killed');
      died.push(child.steps.at(-1));
      const before = await readFiles(directory);
      await restart(directory, outbox);
      cut += await expectCutsToBeTold(directory, before);
      expect(await expectEachOnce(directory, records)).toMatchObject({ unexplainedRepairs: 0 });
    }
    expect(died.length).toBeGreaterThan(2);
    expect(cut).toBeGreaterThan(0);
  });
});
