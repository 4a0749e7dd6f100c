import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, sha256, type EvidenceRecord } from '../../../../src/core/call/evidence.ts';
import { openFileSink, type FileSink } from '../../../../src/evidence/journal/file-sink.ts';
import { encodeLine, type Head } from '../../../../src/evidence/journal/journal.ts';
import { listJournalFiles, verifyJournal, type Report } from '../../../../src/evidence/verify/verify.ts';
import { isLong, runs } from '../../../support/depth.ts';
import { contents, interleaved, memoryLog } from '../../../support/evidence/history.ts';
import { temporaryDirectory } from '../../../support/evidence/process.ts';

const records = interleaved(1, 1);
const page = 4096;
const newline = 0x0a;

let directory: string;
let today: Date;
let log: ReturnType<typeof memoryLog>;
let open: FileSink[];
/** The journal of all records, and where its last two lines begin. */
let whole: Buffer;
let fifth: number;
let sixth: number;
/** What is noted as acknowledged after the fourth record, and after the last. */
let afterFour: Buffer;
let afterAll: Buffer;

const january = () => join(directory, 'evidence-2026-01-31.jsonl');
const noted = () => join(directory, 'acknowledged');
const verified = async (expectHead?: string) =>
  verifyJournal(await listJournalFiles(directory), { expectHead });
const errors = () => log.lines.filter(({ level }) => level === 'error').map(({ text }) => text);
const isMissing = 'acknowledged evidence is missing: restore the files, and run the verifier';

beforeEach(async () => {
  directory = await temporaryDirectory('tallylight-repair-');
  today = new Date('2026-01-31T23:59:59Z');
  log = memoryLog();
  open = [];
  await appendAll(records.slice(0, 4));
  afterFour = await readFile(noted());
  await appendAll(records.slice(4));
  afterAll = await readFile(noted());
  whole = await readFile(january());
  sixth = whole.lastIndexOf(newline, whole.length - 2) + 1;
  fifth = whole.lastIndexOf(newline, sixth - 2) + 1;
  log.lines.length = 0;
});
afterEach(async () => {
  for (const sink of open) await sink.close();
  await rm(directory, { recursive: true });
});

async function openSink(): Promise<FileSink> {
  const sink = await openFileSink(directory, { log, today: () => today });
  open.push(sink);
  return sink;
}

/** A process that recovers, writes what it does not find, and ends. */
async function appendAll(wanted: readonly EvidenceRecord[]): Promise<void> {
  const sink = await openSink();
  await sink.recover('survivor');
  const missing = wanted.filter((record) => !sink.has({ record }));
  if (missing.length > 0) await sink.append(contents(missing));
  await sink.close();
}

/** What is on the disk when the power is back. */
async function leave(journal: Uint8Array, acknowledged: Uint8Array): Promise<void> {
  await writeFile(january(), journal);
  await writeFile(noted(), acknowledged);
  log.lines.length = 0;
}

/** The head after the line that ends there. */
function headAt(end: number): Head {
  const begin = whole.lastIndexOf(newline, end - 2) + 1;
  const { journal, hash } = JSON.parse(whole.toString('utf8', begin, end)) as {
    journal: { seq: number };
    hash: string;
  };
  return { seq: journal.seq, hash };
}

/** The line with other content, sealed again. */
function resealed(text: string, changes: object): string {
  const unsealed = JSON.parse(
    JSON.stringify({ ...(JSON.parse(text) as object), ...changes, hash: undefined }),
  ) as object;
  return `${canonicalJson({ ...unsealed, hash: sha256(canonicalJson(unsealed)) })}\n`;
}

const lastWholeLine = (size: number): number => (size < sixth ? fifth : size < whole.length ? sixth : size);

/** Recovery keeps the first `from` bytes, and has a line tell of the rest. */
async function expectRepair(sink: FileSink, left: Buffer, from: number): Promise<void> {
  await sink.recover('survivor');
  const cut = left.subarray(from);
  const repair = {
    version: 1,
    at: today.toISOString(),
    instance: 'survivor',
    cut: { bytes: cut.length, sha256: sha256(cut) },
  } as const;
  const line = cut.length === 0 ? '' : encodeLine(headAt(from), { repair: repair }).text;
  const expected = Buffer.concat([left.subarray(0, from), Buffer.from(line)]);
  expect((await readFile(january())).equals(expected)).toBe(true);
  if (cut.length > 0) expect((await readFile(join(directory, `cut-${sha256(cut)}`))).equals(cut)).toBe(true);
  expect(records.map((record) => sink.has({ record }))).toEqual(
    records.map((_, n) => n < (from === fifth ? 4 : from === sixth ? 5 : 6)),
  );
  expect(errors()).toEqual([]);
}

/** After recovery: what is not there is written, and all fits. */
async function expectAll(sink: FileSink, repairs: Partial<Report>): Promise<void> {
  const missing = records.filter((record) => !sink.has({ record }));
  if (missing.length > 0) await sink.append(contents(missing));
  expect(await verified()).toMatchObject({ misfit: null, records: 6, ...repairs });
}

/** Nothing is cut, the log says it, and the journal shows it from now on. */
async function expectLoss(sink: FileSink, left: Buffer): Promise<void> {
  await sink.recover('survivor');
  expect(errors()).toContain(isMissing);
  const line = encodeLine(headAt(whole.length), {
    repair: { version: 1, at: today.toISOString(), instance: 'survivor', cut: null },
  }).text;
  const expected = Buffer.concat([left, Buffer.from(left.at(-1) === newline ? line : `\n${line}`)]);
  expect((await readFile(january())).equals(expected)).toBe(true);
}

/** Where the last two records can be cut: at any byte, or at every fifth and near the ends of lines where the search is short. */
const sizes = (most: number): number[] =>
  Array.from({ length: most - fifth + 1 }, (_, at) => fifth + at).filter(
    (size) =>
      isLong || size % 5 === 0 || [fifth, sixth, whole.length].some((end) => Math.abs(size - end) <= 2),
  );

describe('a loss of power that leaves the last two records', () => {
  test('cut at any byte: what nobody was told is written again, and the repair is a record', async () => {
    const sink = await openSink();
    for (const size of sizes(whole.length)) {
      const left = whole.subarray(0, size);
      await leave(left, afterFour);
      await expectRepair(sink, left, lastWholeLine(size));
      if (size % 55 === 0) await expectAll(sink, { repairs: 1, unexplainedRepairs: 0 });
    }
  });

  test('cut at any byte: what was acknowledged is missed, and nothing is silently repaired', async () => {
    const sink = await openSink();
    for (const size of sizes(whole.length - 1)) {
      const left = whole.subarray(0, size);
      await leave(left, afterAll);
      await expectLoss(sink, left);
      // Only of the last newline nothing was lost.
      if (size % 55 === 0 || size >= whole.length - 2)
        expect((await verified()).ok).toBe(size === whole.length - 1);
    }
  });

  test('filled up with zeros', async () => {
    const sink = await openSink();
    for (let size = fifth; size < whole.length; size += 41) {
      for (const end of [whole.length, size + page - (size % page)]) {
        const left = Buffer.concat([whole.subarray(0, size), Buffer.alloc(end - size)]);
        await leave(left, afterFour);
        await expectRepair(sink, left, lastWholeLine(size));
        await expectAll(sink, { repairs: 1 });
        await leave(left, afterAll);
        await expectLoss(sink, left);
        expect((await verified()).ok).toBe(false);
      }
    }
  });

  test('with garbage to the end of the page', async () => {
    const sink = await openSink();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: fifth, max: whole.length - 2 }),
        fc.array(fc.oneof(fc.constant(newline), fc.integer({ min: 0, max: 255 })), {
          minLength: 64,
          maxLength: 64,
        }),
        async (size, noise) => {
          // Different from the byte that was there.
          noise[0] = whole[size]! ^ 0x80;
          const garbage = Buffer.alloc(page - (size % page), Buffer.from(noise));
          const left = Buffer.concat([whole.subarray(0, size), garbage]);
          await leave(left, afterFour);
          await expectRepair(sink, left, lastWholeLine(size));
          await expectAll(sink, { repairs: 1 });
          await leave(left, afterAll);
          await expectLoss(sink, left);
          expect((await verified()).ok).toBe(false);
        },
      ),
      runs(60),
    );
  });

  test('with a hole in the first of them: the whole one behind it was never acknowledged either', async () => {
    const sink = await openSink();
    const left = Buffer.from(whole).fill(0, fifth + 10, fifth + 50);
    await leave(left, afterFour);
    await expectRepair(sink, left, fifth);
    await expectAll(sink, { repairs: 1 });
  });
});

test('a repair that a crash ends at any byte leaves something to repair, or its line', async () => {
  const sink = await openSink();
  for (const torn of [fifth + 20, whole.length - 1]) {
    const left = whole.subarray(0, torn);
    await leave(left, afterFour);
    await sink.recover('survivor');
    const repaired = await readFile(january());
    for (let done = lastWholeLine(torn); done <= repaired.length; done += 3) {
      // Written so far over what is cut, whose rest is still there.
      await leave(Buffer.concat([repaired.subarray(0, done), left.subarray(done)]), afterFour);
      await sink.recover('survivor');
      expect(errors()).toEqual([]);
      const { misfit, repairs } = await verified();
      expect([misfit, repairs > 0]).toEqual([null, true]);
    }
  }
});

describe('evidence that is missing', () => {
  test('fits again, with the line that missed it, once it is put back', async () => {
    await leave(whole.subarray(0, sixth), afterAll);
    const sink = await openSink();
    await expectLoss(sink, whole.subarray(0, sixth));
    const added = (await readFile(january())).subarray(sixth);
    await writeFile(january(), Buffer.concat([whole, added]));
    expect(await verified()).toMatchObject({ misfit: null, records: 6, repairs: 1 });
    log.lines.length = 0;
    await sink.recover('survivor');
    expect(log.lines).toEqual([]);
  });

  test('with a whole file is missed as well', async () => {
    await rename(january(), `${january()}.aside`);
    today = new Date('2026-02-01T00:00:00Z');
    await appendAll([]);
    expect(errors()).toEqual([isMissing]);
    expect((await verified()).misfit).toMatchObject({
      expected: 'line 1 of the journal',
      found: 'line 7, a repair line that reports the previous line as missing',
    });
    await rename(`${january()}.aside`, january());
    expect(await verified()).toMatchObject({ misfit: null, records: 6, repairs: 1 });
  });

  test('because its line was written anew with another hash is missed', async () => {
    const line = resealed(whole.subarray(sixth).toString(), { note: 'x' });
    const left = Buffer.concat([whole.subarray(0, sixth), Buffer.from(line)]);
    await leave(left, afterAll);
    await expectLoss(await openSink(), left);
    expect((await verified()).ok).toBe(false);
  });
});

describe('what is noted as acknowledged', () => {
  test('survives a torn write of the note at any byte', async () => {
    const changed = [...afterAll.keys()].filter((at) => afterAll[at] !== afterFour[at]);
    const sink = await openSink();
    for (const at of [...changed, ...changed.map((n) => n + 1)]) {
      await leave(whole, Buffer.concat([afterAll.subarray(0, at), afterFour.subarray(at)]));
      await expectRepair(sink, whole, whole.length);
    }
  });

  test('may be lost: then nothing is missed, which is told', async () => {
    await rm(noted());
    await writeFile(january(), whole.subarray(0, sixth));
    await appendAll(records);
    expect(log.lines).toEqual([expect.objectContaining({ level: 'warn' })]);
    expect(await verified()).toMatchObject({ misfit: null, records: 6 });
  });

  test('may be much older than what recovery reads', async () => {
    const later = interleaved(350, 1);
    await rm(directory, { recursive: true });
    await appendAll(later.slice(0, 5));
    const old = await readFile(noted());
    await appendAll(later);
    await writeFile(noted(), old);
    await appendAll([]);
    expect(errors()).toEqual([]);
    expect(await verified()).toMatchObject({ misfit: null, records: 2100 });
  });
});

test('a line of a kind that is not known yet is kept, and goes on in the chain', async () => {
  const { text } = encodeLine(headAt(whole.length), { record: records[0]! });
  const line = resealed(text, { record: undefined, novelty: { version: 1 } });
  const left = Buffer.concat([whole, Buffer.from(line)]);
  await leave(left, afterAll);
  await appendAll(interleaved(2, 1));
  const now = await readFile(january());
  expect(now.subarray(0, left.length).equals(left)).toBe(true);
  expect(errors()).toEqual([]);
  expect((await verified()).misfit).toMatchObject({ line: 7 });
});
