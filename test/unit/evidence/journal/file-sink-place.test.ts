import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { messageOf } from '../../../../src/core/errors.ts';
import { openFileSink, type FileSink } from '../../../../src/evidence/journal/file-sink.ts';
import { listJournalFiles, verifyJournal } from '../../../../src/evidence/verify/verify.ts';
import { contents, History, memoryLog } from '../../../support/evidence/history.ts';
import { temporaryDirectory } from '../../../support/evidence/process.ts';

const { records } = new History(1).recording().recording();
const [first, second] = [contents(records.slice(0, 6)), contents(records.slice(6))];

let directory: string;
let aside: string;
let log: ReturnType<typeof memoryLog>;
let sink: FileSink;
const january = (): string => join(directory, 'evidence-2026-01-31.jsonl');
let now: Date;
const today = (): Date => now;
const verified = async () => verifyJournal(await listJournalFiles(directory));

beforeEach(async () => {
  now = new Date('2026-01-31T12:00:00Z');
  directory = await temporaryDirectory('tallylight-place-');
  aside = await temporaryDirectory('tallylight-aside-');
  log = memoryLog();
  sink = await openFileSink(directory, { log, today });
  await sink.recover('me');
  await sink.append(first);
});
afterEach(async () => {
  await sink.close();
  for (const path of [directory, aside]) await rm(path, { recursive: true, force: true });
});

/** The superuser may write wherever others may not. */
async function withoutPrivileges(run: () => Promise<void>): Promise<void> {
  const [user, nobody] = [process.geteuid!(), 65_534];
  if (user === 0) process.seteuid!(nobody);
  try {
    await run();
  } finally {
    if (user === 0) process.seteuid!(user);
  }
}

/** What the writer does with what the sink did not take: the store offers it again. */
async function again(): Promise<void> {
  await sink.recover('me');
  await sink.append(second.filter((content) => !sink.has(content)));
}

describe('the journal of today, taken away while it is written to', () => {
  const kept = (): string => join(aside, 'kept');

  test.each<[string, () => Promise<unknown>, string]>([
    ['moved', () => rename(january(), kept()), 'was moved or removed'],
    [
      'rotated, with an empty file in its place',
      async () => {
        await rename(january(), kept());
        await writeFile(january(), '');
      },
      'was replaced by another file',
    ],
    [
      'rotated, with other lines in its place',
      async () => {
        await rename(january(), kept());
        await writeFile(january(), (await readFile(kept())).subarray(0, 100));
      },
      'was replaced by another file',
    ],
  ])('%s: nothing is acknowledged, and all fits once it is put back', async (how, take, expected) => {
    const head = sink.head;
    await take();
    await expect(sink.append(second)).rejects.toThrow(expected);
    expect(sink.head).toEqual(head);
    expect(second.some((content) => sink.has(content))).toBe(false);
    // The bytes that were acknowledged are all there is in it.
    expect((await readFile(kept(), 'utf8')).split('\n')).toHaveLength(7);
    if (how.includes('other lines')) {
      await rename(kept(), january());
      await again();
    } else {
      await again();
      expect((await verified()).ok).toBe(false);
      // Nothing that was written since is overwritten.
      await rename(kept(), january());
    }
    expect(await verified()).toMatchObject({ misfit: null, records: 12 });
  });

  test('removed: what follows is kept, and the journal shows the gap', async () => {
    await rm(january());
    await expect(sink.append(second)).rejects.toBeFault('EvidenceUnwritable');
    await again();
    const report = await verified();
    expect(report).toMatchObject({ ok: false, records: 6, repairs: 1 });
    expect(report.misfit?.found).toContain('a repair line that reports the previous line as missing');
  });

  test.each(['fifo', 'directory'])(
    'replaced by a %s: nothing waits, and it goes on when that is gone',
    async (kind) => {
      await rename(january(), kept());
      if (kind === 'fifo') execFileSync('mkfifo', [january()]);
      else await mkdir(january());
      await expect(sink.append(second)).rejects.toThrow('not a regular file');
      await expect(again()).rejects.toThrow('not a regular file');
      await rm(january(), { recursive: true });
      await rename(kept(), january());
      await again();
      expect(await verified()).toMatchObject({ misfit: null, records: 12, repairs: 0 });
    },
  );

  test('given another name: nothing is written to it until that is gone', async () => {
    await link(january(), kept());
    const before = await readFile(january());
    await expect(sink.append(second)).rejects.toThrow('has 2 hard links');
    await expect(again()).rejects.toThrow('remove the other links');
    expect(await readFile(january())).toEqual(before);
    expect(second.some((content) => sink.has(content))).toBe(false);
    await rm(kept());
    await again();
    expect(await verified()).toMatchObject({ misfit: null, records: 12, repairs: 0 });
  });

  test('moved while its lines are made durable: they are not acknowledged there', async () => {
    const moving = sink.append(second, () => {
      execFileSync('mv', [january(), kept()]);
      return true;
    });
    await expect(moving).rejects.toThrow('was moved or removed');
    expect(second.some((content) => sink.has(content))).toBe(false);
    await rename(kept(), january());
    await again();
    expect(await verified()).toMatchObject({ misfit: null, records: 12 });
  });
});

test.each<[string, () => Promise<unknown>]>([
  ['is taken away', () => rm(join(directory, 'acknowledged'))],
  [
    'has another in its place',
    async () => {
      await rename(join(directory, 'acknowledged'), join(aside, 'acknowledged'));
      await writeFile(join(directory, 'acknowledged'), '');
    },
  ],
])('the note of what was acknowledged is made anew if it %s, and that is what is said', async (_, take) => {
  await take();
  const refused = await sink.append(second).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: 'EvidenceUnwritable',
    message: expect.stringContaining(
      'has been read again. This happens automatically and creates a new acknowledgement file',
    ),
  });
  expect(messageOf(refused)).not.toContain('a new file,');
  await again();
  expect(await verified()).toMatchObject({ misfit: null, records: 12, repairs: 0 });
  expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

describe('the directory itself', () => {
  test.each<[string, (id: string) => Promise<unknown>, string]>([
    ['another', (path) => writeFile(path, `${randomUUID()}\n`), 'its sink-id is '],
    ['none', (path) => rm(path), 'its sink-id is missing'],
  ])('with %s for its id: nothing is written until its own is back', async (_, change, told) => {
    const id = join(directory, 'sink-id');
    const [mine, journal] = [await readFile(id), await readFile(january())];
    await change(id);
    await expect(sink.append(second)).rejects.toThrow(told);
    expect(await readFile(january())).toEqual(journal);
    await expect(again()).rejects.toThrow('is not the evidence directory that was opened');
    await writeFile(id, mine);
    await again();
    expect(await verified()).toMatchObject({ misfit: null, records: 12, repairs: 0 });
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a directory', () => chmod(directory, 0o555)],
    ['a journal', () => chmod(january(), 0o444)],
    ['an acknowledgement file', () => chmod(join(directory, 'acknowledged'), 0o444)],
  ])('an instance does not start on %s that it may not write to', async (_, protect) => {
    await chmod(directory, 0o777);
    for (const path of [january(), join(directory, 'acknowledged'), join(directory, 'sink-id')])
      await chmod(path, 0o666);
    const before = await readdir(directory);
    await withoutPrivileges(async () => {
      await expect(openFileSink(directory, { log })).resolves.toBeDefined();
    });
    await protect();
    await withoutPrivileges(async () => {
      const opening = openFileSink(directory, { log });
      await expect(opening).rejects.toBeFault('EvidenceUnwritable');
      await expect(opening).rejects.toThrow(
        /the evidence directory .* cannot be written to: .*EACCES.*; give/,
      );
    });
    expect(await readdir(directory)).toEqual(before);
    await chmod(directory, 0o755);
  });

  test('made read-only: the file of the next day is not begun, and all fits once it may be written', async () => {
    await chmod(directory, 0o555);
    const journal = await readFile(january());
    now = new Date('2026-02-01T00:00:00Z');
    await withoutPrivileges(async () => {
      await expect(sink.append(second)).rejects.toThrow('EACCES');
      await expect(again()).rejects.toBeFault('EvidenceUnwritable');
    });
    expect(second.some((content) => sink.has(content))).toBe(false);
    expect(await readFile(january())).toEqual(journal);
    expect(await listJournalFiles(directory)).toEqual([january()]);
    await chmod(directory, 0o755);
    await again();
    expect(await listJournalFiles(directory)).toHaveLength(2);
    expect(await verified()).toMatchObject({ misfit: null, records: 12, repairs: 0 });
  });

  test('moved away, with another in its place: nothing is written until it is back', async () => {
    await rename(directory, `${directory}.old`);
    await expect(sink.append(second)).rejects.toBeFault('EvidenceUnwritable');
    await mkdir(directory);
    await expect(again()).rejects.toThrow('is not the evidence directory that was opened');
    await rm(directory, { recursive: true });
    await rename(`${directory}.old`, directory);
    await again();
    expect(await verified()).toMatchObject({ misfit: null, records: 12, repairs: 0 });
  });

  test.each(['evidence-2020-01-01.jsonl', 'acknowledged', 'sink-id'])(
    'with a FIFO named %s: whoever opens it is told, and waits for nothing',
    async (name) => {
      await sink.close();
      await rm(join(directory, name), { force: true });
      execFileSync('mkfifo', [join(directory, name)]);
      const opened = async (): Promise<void> => {
        const other = await openFileSink(directory, { log, today });
        await other.recover('me').finally(() => other.close());
      };
      await expect(opened()).rejects.toThrow(`${name} is a FIFO, not a regular file`);
    },
  );
});
