import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { CallState } from '../../../../src/core/call/state.ts';
import { canonicalJson, hashOf, sha256, type EvidenceRecord } from '../../../../src/core/call/evidence.ts';
import { emptyHead, encodeLine, type Head } from '../../../../src/evidence/journal/journal.ts';
import { listJournalFiles, verifyJournal } from '../../../../src/evidence/verify/verify.ts';
import { callKey, forged, History, interleaved, start, who } from '../../../support/evidence/history.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-verify-'));
});
afterAll(() => rm(directory, { recursive: true }));

function journalOf(
  records: readonly EvidenceRecord[],
  before: Head = emptyHead,
): { lines: string[]; head: Head } {
  let head = before;
  const lines = records.map((record) => {
    const line = encodeLine(head, { record: record });
    head = line.head;
    return line.text;
  });
  return { lines, head };
}

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

const verifyText = async (content: string | Uint8Array, expectHead?: string) =>
  verifyJournal([await put('evidence-2026-01-31.jsonl', content)], { expectHead });
const verifyRecords = (records: readonly EvidenceRecord[]) => verifyText(journalOf(records).lines.join(''));

describe('a valid journal', () => {
  test('is accepted, with its numbers and its head', async () => {
    const { lines, head } = journalOf([...interleaved(3, 2), ...openRecording()]);
    expect(await verifyText(lines.join(''), head.hash!)).toEqual({
      ok: true,
      otherMisfits: [],
      moreMisfits: 0,
      ...{ holdsSet: 0, holdsReleased: 0, standingHolds: [] },
      lines: 38,
      refusedWrites: 0,
      countsLost: 0,
      moves: 0,
      begunAnew: 0,
      steps: 0,
      misfit: null,
      files: 1,
      records: 38,
      calls: 4,
      intervals: 7,
      openIntervals: 1,
      repairs: 0,
      unexplainedRepairs: 0,
      head,
    });
  });

  test('may go on over several files, given in any order', async () => {
    const [one, two, three] = await threeFiles();
    expect(await verifyJournal([three, one, two])).toMatchObject({ misfit: null, files: 3, records: 36 });
  });

  test('has one spelling, the one of RFC 8785', async () => {
    const record = interleaved(1, 1)[0]!;
    const { head, text } = encodeLine(emptyHead, { record: record });
    const { hash, ...rest } = JSON.parse(text) as { hash: string };
    expect(hash).toBe(sha256(canonicalJson(rest)));
    expect(head).toEqual({ seq: 1, hash });
    expect((await verifyText(` ${text}`)).misfit).toMatchObject({
      line: 1,
      expected: expect.stringContaining('RFC 8785'),
    });
  });
});

describe('any change of a valid journal', () => {
  const { lines, head } = journalOf(interleaved(3, 1));
  const whole = Buffer.from(lines.join(''));
  const lineNumber = fc.integer({ min: 0, max: lines.length - 1 });

  test('of a single byte is found', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const bytes = Buffer.from(whole);
          bytes[at] = bytes[at]! ^ change;
          const { misfit } = await verifyText(bytes);
          const line = whole.subarray(0, at).toString('latin1').split('\n').length;
          expect(misfit?.line).toBe(line);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('by removing a line is found, at the end only by the expected head', async () => {
    await fc.assert(
      fc.asyncProperty(lineNumber, async (n) => {
        const { misfit } = await verifyText(lines.toSpliced(n, 1).join(''), head.hash!);
        expect(misfit?.line).toBe(n === lines.length - 1 ? 0 : n + 1);
      }),
    );
    expect((await verifyText(lines.slice(0, -1).join(''))).misfit).toBeNull();
  });

  test('by exchanging two lines is found, also of different calls', async () => {
    await fc.assert(
      fc.asyncProperty(lineNumber, lineNumber, async (a, b) => {
        fc.pre(a !== b);
        const swapped = lines.with(a, lines[b]!).with(b, lines[a]!);
        expect((await verifyText(swapped.join(''))).misfit?.line).toBe(Math.min(a, b) + 1);
      }),
    );
  });

  test('by repeating a line anywhere is found', async () => {
    await fc.assert(
      fc.asyncProperty(lineNumber, lineNumber, async (n, where) => {
        const { misfit } = await verifyText(lines.toSpliced(where + 1, 0, lines[n]!).join(''));
        // A copy right before the line itself is the line; then the line is the copy.
        expect(misfit?.line).toBe(n === where + 1 ? where + 3 : where + 2);
      }),
    );
  });
});

describe('files', () => {
  test('that miss their first lines are found', async () => {
    const [one, two, three] = await threeFiles();
    const text = await readFile(two, 'utf8');
    await writeFile(two, text.slice(text.indexOf('\n') + 1));
    expect((await verifyJournal([one, two, three])).misfit).toMatchObject({
      file: two,
      line: 1,
      expected: 'line 13 of the journal',
      found: 'line 14',
    });
  });

  test('missing in the middle are found', async () => {
    const [one, , three] = await threeFiles();
    expect((await verifyJournal([one, three])).misfit).toMatchObject({ file: three, line: 1 });
  });

  test('missing at the beginning are accepted only when that was said', async () => {
    const [, two, three] = await threeFiles();
    expect((await verifyJournal([two, three])).misfit).toMatchObject({ file: two, line: 1 });
    expect(await verifyJournal([two, three], { partial: true })).toMatchObject({ misfit: null, records: 24 });
  });

  test('that end within a line are found', async () => {
    const { lines } = journalOf(interleaved(1, 1));
    expect((await verifyText(lines.join('').slice(0, -1))).misfit).toMatchObject({
      line: 6,
      found: 'the end of the file',
    });
  });

  test('that cannot be read reject', async () => {
    await expect(verifyJournal([join(directory, 'none.jsonl')])).rejects.toThrow('ENOENT');
  });
});

describe('a well-sealed journal is refused', () => {
  const confirmed = () => new History(1).happens({ type: 'bound', binding: who });
  /** A record with other content, sealed again. */
  const resealed = (record: EvidenceRecord, changes: object): EvidenceRecord => {
    const { hash, ...unsealed } = { ...record, ...changes };
    const resealedHash = hashOf(unsealed);
    expect(resealedHash).not.toBe(hash);
    return { ...unsealed, hash: resealedHash };
  };

  test.each<[string, object, string]>([
    ['has an unknown field', { media: 'x' }, 'only these fields in record'],
    ['has another version', { version: 1 }, 'record.version'],
    ['has a step that is none', { step: 0 }, 'record.step'],
    ['begins with a step', { step: 5 }, 'step null'],
    ['was not enforced', { enforced: false }, 'record.enforced'],
    ['has no such event', { event: 'opened' }, 'record.event'],
    ['has an invalid time', { at: '2026-02-30T00:00:00.000Z' }, 'record.at'],
    ['has a time of another form', { at: '2026-01-31T12:00:00Z' }, 'record.at'],
    ['spells its call otherwise', { call: callKey(0xabc).toUpperCase() }, 'record.call'],
    ['names more than the application', { by: { ...who, issuer: 'x' } }, 'only these fields in by'],
    ['has a detail that is not an object', { detail: [] }, 'record.detail'],
    ['begins later than 1', { seq: 2 }, 'seq 1'],
    ['begins with a record before', { prev: '0'.repeat(64) }, 'prev null'],
    ['begins in another state', { from: 'recording', to: 'recording' }, '"idle"'],
    ['begins with an epoch but no start', { epoch: 1 }, 'the epoch 0'],
    ['leads to another state', { to: 'recording' }, '"idle"'],
    [
      'has an event that the state does not allow',
      { event: 'startConfirmed', to: 'recording' },
      'in state idle',
    ],
  ])('whose first record %s', async (_, changes, expected) => {
    const record = resealed(confirmed().records[0]!, changes);
    expect((await verifyRecords([record])).misfit).toMatchObject({
      line: 1,
      expected: expect.stringContaining(expected),
    });
  });

  test.each<[string, Partial<CallState>, Partial<CallState>, object, string]>([
    ['skips a number', { seq: 2 }, {}, {}, 'seq 2'],
    ['names another record before', { head: '0'.repeat(64) }, {}, {}, 'prev'],
    ['comes from another state', { state: 'starting' }, { state: 'starting' }, {}, '"idle"'],
    ['changes the epoch without a start', {}, { epoch: 7 }, {}, 'the epoch 0'],
    ['starts without a new epoch', {}, { state: 'starting' }, { event: 'startRequested' }, 'above 0'],
    ['is older', { at: 0 }, {}, { at: start + 9 }, 'a time not earlier than'],
    [
      'is later though its clock was behind',
      { at: start + 11 },
      {},
      { at: start + 10 },
      'the time of the previous record',
    ],
  ])('whose second record %s', async (_, before, after, changes, expected) => {
    const history = confirmed();
    const second = forged({ ...history.state, ...before }, after, changes);
    expect((await verifyRecords([...history.records, second])).misfit).toMatchObject({
      line: 2,
      call: history.call,
      seq: second.seq,
      expected: expect.stringContaining(expected),
    });
  });

  test('when a record carries the hash of another', async () => {
    const record = { ...confirmed().records[0]!, hash: '0'.repeat(64) };
    expect((await verifyRecords([record])).misfit).toMatchObject({ line: 1, found: record.hash });
  });

  test('when a line names another line before', async () => {
    const [one, two] = interleaved(1, 1);
    const { text, head } = encodeLine(emptyHead, { record: one! });
    const other = encodeLine({ ...head, hash: '0'.repeat(64) }, { record: two! });
    expect((await verifyText(text + other.text)).misfit).toMatchObject({
      line: 2,
      found: `"${'0'.repeat(64)}"`,
    });
  });

  test('when its bytes are not the text that was hashed, though they read like it', async () => {
    const record = resealed(confirmed().records[0]!, { detail: { note: '\ufffd' } });
    const text = encodeLine(emptyHead, { record: record }).text;
    expect((await verifyText(text)).misfit).toBeNull();
    const bytes = Buffer.from(text.replace('\ufffd', '\xff'), 'latin1');
    expect((await verifyText(bytes)).misfit).toMatchObject({ line: 1, expected: 'a line of UTF-8 text' });
    expect((await verifyText(`\ufeff${text}`)).misfit).toMatchObject({ line: 1 });
  });

  test('when a record is written twice', async () => {
    const [record] = confirmed().records;
    expect((await verifyRecords([record!, record!])).misfit).toMatchObject({ line: 2, seq: 1 });
  });
});

describe('the clock of the store may be set back at any time', () => {
  test.each([11, 1000, 3_600_000, 3 * 24 * 3_600_000])(
    'by %d ms: the evidence fits, and says so',
    async (ms) => {
      const history = new History(1).recording();
      history.now -= ms;
      history.recording();
      history.now += 2 * ms;
      history.recording();
      const report = await verifyRecords(history.records);
      expect(report).toMatchObject({ misfit: null, calls: 1, begunAnew: 0 });
      expect(report.steps).toBeGreaterThan(0);
    },
  );

  test('while a closed call is forgotten: how long that took is not known', async () => {
    const closed = new History(1).recording();
    const other = new History(2, start - 3_600_000).recording();
    const again = new History(1, start + 3_600_000).recording();
    expect(await verifyRecords([...closed.records, ...again.records])).toMatchObject({ misfit: { line: 7 } });
    const stepped = await verifyRecords([...closed.records, ...other.records, ...again.records]);
    expect(stepped).toMatchObject({ misfit: null, begunAnew: 1 });
  });
});

describe('the history of a call that begins anew', () => {
  const day = 24 * 60 * 60 * 1000;
  const closed = new History(1).recording().records;
  const again = (now: number) => new History(1, now).recording().records;
  const verifyLost = async (records: readonly EvidenceRecord[]) =>
    verifyJournal([await put('evidence-2026-01-31.jsonl', journalOf(records).lines.join(''))], {
      storeLost: true,
    });

  test('is accepted once the store has forgotten the closed call, not earlier', async () => {
    const late = await verifyRecords([...closed, ...again(start + 2 * day + 60)]);
    expect(late).toMatchObject({ ok: true, begunAnew: 1, calls: 1 });
    const early = await verifyRecords([...closed, ...again(start + day)]);
    expect(early.misfit).toMatchObject({ line: 7, seq: 1 });
  });

  test('is never forgotten while the gate may be open', async () => {
    const open = closed.slice(0, 2);
    expect((await verifyRecords([...open, ...again(start + 9 * day)])).misfit).toMatchObject({ line: 3 });
  });

  test('is accepted when the store is said to have lost its data', async () => {
    const open = closed.slice(0, 2);
    expect(await verifyLost([...open, ...again(start + 60)])).toMatchObject({
      ok: true,
      begunAnew: 1,
      intervals: 2,
      openIntervals: 1,
    });
  });

  test('is refused even then when it is the same history again, or one of an earlier epoch', async () => {
    const bound = (now: number) => new History(1, now).happens({ type: 'bound', binding: who });
    const [only] = bound(start).records;
    expect((await verifyLost([only!, only!])).misfit).toMatchObject({ line: 2 });
    const before = bound(start).recording();
    const after = bound(before.now + 10);
    const old = forged(after.state, { state: 'starting', epoch: 5 }, { event: 'startRequested' });
    const { misfit } = await verifyLost([...before.records, ...after.records, old]);
    expect(misfit).toMatchObject({ line: before.records.length + 2, found: '5' });
  });

  test('may take lower epochs where the clock went back when the store lost its data', async () => {
    const before = new History(1).recording().records;
    const other = (now: number) => new History(2, now).recording().records;
    const anew = new History(1, start - 3_600_000).recording().records;
    expect(await verifyLost([...before, ...other(start - 3_700_000), ...anew])).toMatchObject({
      misfit: null,
      begunAnew: 1,
    });
    expect(await verifyLost([...before, ...anew])).toMatchObject({ misfit: null });
  });
});

function openRecording(): readonly EvidenceRecord[] {
  const history = new History(99);
  return history
    .happens({ type: 'startRequested', hold: { token: 't', forMs: 1000 } })
    .happens({ type: 'startConfirmed', token: 't', epoch: history.state.epoch, binding: who }).records;
}

async function threeFiles(): Promise<[string, string, string]> {
  const { lines } = journalOf(interleaved(3, 2));
  const part = (n: number) =>
    put(`evidence-2026-02-0${n + 1}.jsonl`, lines.slice(n * 12, n * 12 + 12).join(''));
  return [await part(0), await part(1), await part(2)];
}

describe('behind a place that does not fit', () => {
  const lines = (): string[] => journalOf(interleaved(2, 2)).lines;

  test.each<[string, (all: string[]) => void, number[]]>([
    ['a line that is no JSON', (all) => (all[3] = 'x\n'), [4]],
    ['bytes that are no text', (all) => (all[3] = '\u0000\n'), [4]],
    ['a changed line', (all) => (all[3] = all[3]!.replace('session-1', 'session-2')), [4]],
    ['two changed lines', (all) => [2, 7].forEach((n) => (all[n] = all[n]!.replace('12.5', '12.6'))), [3, 8]],
    ['a line that is gone', (all) => all.splice(3, 1), [4]],
    ['two lines that changed places', (all) => all.splice(3, 2, all[4]!, all[3]!), [4, 5, 6]],
  ])('the verifier goes on: %s', async (_, change, where) => {
    const all = lines();
    change(all);
    const report = await verifyText(all.join(''));
    const found = [report.misfit!, ...report.otherMisfits].map(({ line }) => line);
    expect(found[0]).toBe(where[0]);
    expect(found).toEqual(expect.arrayContaining(where));
    // A record that is gone shows again where its call goes on, and nowhere else.
    expect(found.length).toBeLessThanOrEqual(2 * where.length);
    expect(report.head?.seq).toBe(lines().length);
  });

  test('it lists 100 places, and counts the others', async () => {
    const all = journalOf(interleaved(30, 1)).lines.map((line) => line.replace('12.5', '12.6'));
    const report = await verifyText(all.join(''));
    expect([report.otherMisfits.length, report.moreMisfits]).toEqual([99, 80]);
  });
});

describe('what is no regular file', () => {
  test.each<[string, (path: string) => string]>([
    ['leads nowhere', () => join(directory, 'gone')],
    ['leads back to itself', (path) => path],
  ])('a symbolic link that %s is named, and the other files are read', async (_, target) => {
    const own = await mkdtemp(join(directory, 'links-'));
    const path = join(own, 'evidence-2020-01-01.jsonl');
    await symlink(target(path), path);
    await writeFile(join(own, 'evidence-2026-01-31.jsonl'), journalOf(interleaved(1, 1)).lines.join(''));
    const report = await verifyJournal(await listJournalFiles(own));
    expect(report).toMatchObject({
      records: 6,
      misfit: { file: path, line: 0, found: 'a broken symbolic link' },
      otherMisfits: [],
    });
  });

  test.each(['fifo', 'directory'])('does not stop the verifier: %s', async (kind) => {
    const path = join(directory, `evidence-2020-01-0${kind.length}.jsonl`);
    if (kind === 'fifo') execFileSync('mkfifo', [path]);
    else await mkdir(path);
    const fine = await put('evidence-2026-01-31.jsonl', journalOf(interleaved(1, 1)).lines.join(''));
    const report = await verifyJournal([path, fine]);
    expect(report).toMatchObject({ records: 6, misfit: { file: path, line: 0 }, otherMisfits: [] });
  });
});
