import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sha256, type EvidenceRecord } from '../../../../src/core/call/evidence.ts';
import type { Repair } from '../../../../src/core/call/evidence-lines.ts';
import { emptyHead, encodeLine, type Head } from '../../../../src/evidence/journal/journal.ts';
import { verifyJournal } from '../../../../src/evidence/verify/verify.ts';
import { replay } from '../../../../src/evidence/verify/replay.ts';
import { reportText } from '../../../../src/evidence/verify/text-report.ts';
import { interleaved } from '../../../support/evidence/history.ts';

const records = interleaved(2, 1);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-repairs-'));
});
afterAll(() => rm(directory, { recursive: true }));

const repairOf = (cut: string | Uint8Array): Repair => ({
  version: 1,
  at: '2026-01-31T12:00:00.000Z',
  instance: 'survivor',
  cut: { bytes: Buffer.from(cut as string).length, sha256: sha256(cut) },
});

/** A journal of records and repairs; each repair is given what was written so far. */
function journalOf(
  parts: readonly (EvidenceRecord | ((before: Head) => Repair))[],
  head: Head = emptyHead,
): { lines: string[]; heads: Head[] } {
  const lines: string[] = [];
  const heads: Head[] = [];
  for (const part of parts) {
    const line =
      typeof part === 'function'
        ? encodeLine(head, { repair: part(head) })
        : encodeLine(head, { record: part });
    head = line.head;
    lines.push(line.text);
    heads.push(head);
  }
  return { lines, heads };
}

/** A crash left so many bytes of the write of these records. */
const tornWriteOf =
  (written: readonly EvidenceRecord[], bytes: number) =>
  (before: Head): Repair =>
    repairOf(Buffer.from(journalOf(written, before).lines.join('')).subarray(0, bytes));

async function verify(lines: readonly string[], options: Parameters<typeof verifyJournal>[1] = {}) {
  const path = join(directory, 'evidence-2026-01-31.jsonl');
  await writeFile(path, lines.join(''));
  return verifyJournal([path], options);
}

describe('a repair', () => {
  test('is a link of the chain, is counted, and is no record', async () => {
    const { lines, heads } = journalOf([
      ...records.slice(0, 3),
      tornWriteOf(records.slice(3), 100),
      ...records.slice(3),
    ]);
    const report = await verify(lines);
    expect(report).toMatchObject({ misfit: null, records: 12, repairs: 1, head: heads.at(-1) });
    expect(reportText(report)).toContain(
      '1 repairs after crashes; the truncated bytes of 0 of them were not written again\n',
    );
    expect((await verify(lines.toSpliced(3, 1))).misfit).toMatchObject({ line: 4 });
    expect((await verify([...lines.slice(0, 3), ...lines.slice(4, 5), lines[3]!])).misfit).not.toBeNull();
  });

  test('may be the first line, the last, and what follows another', async () => {
    const torn = tornWriteOf(records, 10);
    const { lines, heads } = journalOf([torn, torn, ...records, torn]);
    expect(await verify(lines)).toMatchObject({ misfit: null, repairs: 3, head: heads.at(-1) });
    const report = await verify(lines.slice(1), { partial: true });
    expect(report).toMatchObject({ misfit: null, repairs: 2 });
  });

  test('excuses no record that is missing', async () => {
    const { lines } = journalOf([
      ...records.slice(0, 3),
      tornWriteOf(records.slice(3), 100),
      ...records.slice(4),
    ]);
    expect((await verify(lines)).misfit).toMatchObject({ line: 6, call: records[5]!.call });
  });

  test('may be all that there is', async () => {
    const { lines } = journalOf([tornWriteOf(records, 10)]);
    expect(await verify(lines)).toMatchObject({
      misfit: null,
      records: 0,
      repairs: 1,
      unexplainedRepairs: 1,
    });
  });

  test.each<[string, object, string]>([
    ['of another version', { version: 2 }, 'repair.version'],
    ['at no time', { at: '2026-02-30T00:00:00.000Z' }, 'repair.at'],
    ['of nobody', { instance: '' }, 'repair.instance'],
    ['that says more', { note: 'x' }, 'only these fields in repair'],
    ['that does not say what was cut', { cut: undefined }, 'repair.cut'],
    ['of nothing', { cut: { bytes: 0, sha256: sha256('') } }, 'cut.bytes'],
    ['of half a byte', { cut: { bytes: 1.5, sha256: sha256('') } }, 'cut.bytes'],
    ['without a hash', { cut: { bytes: 1, sha256: 'x' } }, 'cut.sha256'],
    [
      'with the bytes themselves',
      { cut: { bytes: 1, sha256: sha256('x'), text: 'x' } },
      'only these fields in cut',
    ],
  ])('%s is refused', async (_, changes, expected) => {
    const content = JSON.parse(JSON.stringify({ ...repairOf('x'), ...changes })) as Repair;
    const { lines } = journalOf([() => content, ...records]);
    expect((await verify(lines)).misfit).toMatchObject({
      line: 1,
      call: null,
      expected: expect.stringContaining(expected),
    });
  });

  test('beside a record in one line is refused', async () => {
    const line = JSON.parse(journalOf(records.slice(0, 1)).lines[0]!) as object;
    const [text] = journalOf([() => repairOf('x')]).lines;
    const both = text!.replace(
      /,"repair"/,
      `,"record":${JSON.stringify((line as { record: object }).record)},"repair"`,
    );
    expect(both).not.toBe(text);
    expect((await verify([both])).misfit).toMatchObject({ line: 1 });
  });

  test('is left out where the records are replayed', async () => {
    const torn = tornWriteOf(records, 10);
    const { lines } = journalOf([torn, ...records, torn]);
    const report = await verify(lines);
    const replayed: EvidenceRecord[] = [];
    const file = join(directory, 'evidence-2026-01-31.jsonl');
    expect(
      await replay([file], report, {
        take: (record) => void replayed.push(record),
        takeLine: () => undefined,
      }),
    ).toBe(true);
    expect(replayed).toEqual(records);
  });
});

describe('what was cut', () => {
  const follows = (cut: Repair) =>
    verify(journalOf([...records.slice(0, 2), () => cut, ...records.slice(2)]).lines);
  const before = journalOf(records.slice(0, 2)).heads.at(-1)!;
  const rest = Buffer.from(journalOf(records.slice(2), before).lines.join(''));

  test.each([1, 500, 5000, rest.length])(
    'is explained if it is the first %d bytes of what was written next',
    async (bytes) => {
      expect(await follows(repairOf(rest.subarray(0, bytes)))).toMatchObject({
        misfit: null,
        unexplainedRepairs: 0,
      });
    },
  );

  test.each([
    ['zeros at its end', Buffer.concat([rest.subarray(0, 500), Buffer.alloc(10)])],
    ['another byte', Buffer.from(rest.subarray(0, 500).toString().replace('"epoch"', '"Epoch"'))],
    ['more than came after it', Buffer.concat([rest, Buffer.from('{')])],
  ])('is not explained if it has %s, and that is told', async (_, cut) => {
    const report = await follows(repairOf(cut));
    expect(report).toMatchObject({ misfit: null, repairs: 1, unexplainedRepairs: 1 });
    expect(reportText(report)).toContain('the truncated bytes of 1 of them were not written again');
  });

  test('of repairs one after the other is explained for each', async () => {
    const { lines } = journalOf([
      tornWriteOf(records, 2000),
      ...records.slice(0, 1),
      tornWriteOf(records.slice(1), 100),
      ...records.slice(1),
    ]);
    expect(await verify(lines)).toMatchObject({ misfit: null, repairs: 2, unexplainedRepairs: 0 });
  });
});

describe('the expected head', () => {
  test('must be that of the last line, also if that is a repair', async () => {
    const { lines, heads } = journalOf([...records, tornWriteOf([], 0)]);
    const { lines: repaired, heads: after } = journalOf([...records, () => repairOf('torn')]);
    expect(lines.slice(0, -1)).toEqual(repaired.slice(0, -1));
    expect((await verify(repaired, { expectHead: after.at(-1)!.hash! })).ok).toBe(true);
    const { misfit } = await verify(repaired, { expectHead: heads.at(-2)!.hash! });
    expect(misfit?.found).toContain('the expected line exists and is followed by 1 more');
  });

  test('that no line has is told from one that is not the last', async () => {
    const { lines, heads } = journalOf(records);
    const { misfit } = await verify(lines.slice(0, -1), { expectHead: heads.at(-1)!.hash! });
    expect(misfit?.found).toContain('no line has the expected hash');
  });
});

test('a line that went on without acknowledged lines shows what is missing, and fits once it is back', async () => {
  const { lines, heads } = journalOf([...records, () => ({ ...repairOf('x'), cut: null })]);
  expect(await verify(lines, { expectHead: heads.at(-1)!.hash! })).toMatchObject({
    misfit: null,
    repairs: 1,
  });
  expect((await verify(lines.toSpliced(10, 2))).misfit).toMatchObject({
    line: 11,
    expected: 'line 11 of the journal',
    found: 'line 13, a repair line that reports the previous line as missing',
  });
});
