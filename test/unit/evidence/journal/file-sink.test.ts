import { appendFile, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openFileSink, type FileSink } from '../../../../src/evidence/journal/file-sink.ts';
import { verifyJournal } from '../../../../src/evidence/verify/verify.ts';
import { contents, History, interleaved, memoryLog } from '../../../support/evidence/history.ts';

let directory: string;
let today: Date;
let log: ReturnType<typeof memoryLog>;
let open: FileSink[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-sink-'));
  today = new Date('2026-01-31T23:59:59Z');
  log = memoryLog();
  open = [];
});
afterEach(async () => {
  for (const sink of open) await sink.close();
  await rm(directory, { recursive: true });
});

async function openSink(path = directory): Promise<FileSink> {
  const sink = await openFileSink(path, { log, today: () => today });
  open.push(sink);
  return sink;
}

async function recoveredSink(path = directory): Promise<FileSink> {
  const sink = await openSink(path);
  await sink.recover('me');
  return sink;
}

const journals = async (): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.endsWith('.jsonl')).map((name) => join(directory, name));
const verified = async () => verifyJournal(await journals());
const january = () => join(directory, 'evidence-2026-01-31.jsonl');
const levels = () => log.lines.map(({ level }) => level);

describe('the directory', () => {
  test('is created for its owner and group only, and so are its files', async () => {
    const nested = join(directory, 'a', 'b');
    const sink = await recoveredSink(nested);
    await sink.append(contents(interleaved(1, 1)));
    expect((await stat(nested)).mode & 0o027).toBe(0);
    expect((await stat(join(nested, 'evidence-2026-01-31.jsonl'))).mode & 0o137).toBe(0);
  });

  test('keeps one id, also when instances open it at once', async () => {
    const sinks = await Promise.all(Array.from({ length: 10 }, () => openSink()));
    const ids = new Set(sinks.map(({ id }) => id));
    expect([...ids]).toEqual([(await openSink()).id]);
    expect((await readdir(directory)).sort()).toEqual(['sink-id']);
  });

  test('with a damaged id is refused', async () => {
    await writeFile(join(directory, 'sink-id'), 'x');
    await expect(openSink()).rejects.toBeFault('EvidenceUnwritable');
  });

  test('that cannot be created is a fault', async () => {
    await writeFile(join(directory, 'file'), '');
    await expect(openSink(join(directory, 'file', 'below'))).rejects.toBeFault('EvidenceUnwritable');
  });

  test('is written by one process at a time', async () => {
    const first = await recoveredSink();
    const second = await openSink();
    await expect(second.recover('me')).rejects.toBeFault('EvidenceUnwritable');
    await first.close();
    await second.recover('me');
    await expect(first.recover('me')).rejects.toBeFault('EvidenceUnwritable');
  });
});

describe('records', () => {
  test('are appended as an unbroken journal over several openings', async () => {
    const records = interleaved(2, 1);
    const first = await recoveredSink();
    await first.append(contents(records.slice(0, 5)));
    await first.close();
    const second = await recoveredSink();
    expect(second.head).toEqual(first.head);
    await second.append(contents(records.slice(5)));
    expect(await verified()).toMatchObject({ misfit: null, records: 12, head: second.head });
  });

  test('go to a new file from midnight UTC on', async () => {
    const records = interleaved(2, 1);
    const sink = await recoveredSink();
    await sink.append(contents(records.slice(0, 5)));
    today = new Date('2026-02-01T00:00:00Z');
    await sink.append(contents(records.slice(5)));
    expect((await journals()).map((path) => path.slice(-16)).sort()).toEqual([
      '2026-01-31.jsonl',
      '2026-02-01.jsonl',
    ]);
    expect(await verified()).toMatchObject({ misfit: null, records: 12 });
  });

  test('stay in the newest file when the clock goes back', async () => {
    const records = interleaved(2, 1);
    const first = await recoveredSink();
    await first.append(contents(records.slice(0, 5)));
    today = new Date('2026-01-30T12:00:00Z');
    await first.append(contents(records.slice(5, 7)));
    await first.close();
    const second = await recoveredSink();
    await second.append(contents(records.slice(7)));
    expect(await journals()).toEqual([january()]);
    expect(await verified()).toMatchObject({ misfit: null, records: 12 });
  });

  test('are not written without recovery, nor once writing is no longer allowed', async () => {
    const records = interleaved(1, 1);
    const sink = await openSink();
    await expect(sink.append(contents(records))).rejects.toBeFault('EvidenceUnwritable');
    await sink.recover('me');
    expect(await sink.append(contents(records), () => false)).toBe(false);
    expect((await stat(january())).size).toBe(0);
    await expect(sink.append(contents(records))).rejects.toBeFault('EvidenceUnwritable');
  });

  test('of the last 2000 lines are recognised, also over several files', async () => {
    const records = interleaved(84, 4);
    const first = await recoveredSink();
    await first.append(contents(records.slice(0, 1000)));
    today = new Date('2026-02-01T00:00:00Z');
    await first.append(contents(records.slice(1000)));
    expect(records.every((record) => first.has({ record }))).toBe(true);
    await first.close();
    const second = await recoveredSink();
    expect(records.slice(-2000).every((record) => second.has({ record }))).toBe(true);
    expect(second.has({ record: new History(999).recording().records[0]! })).toBe(false);
  });

  test('of a call that begins anew are not taken for those before', async () => {
    const sink = await recoveredSink();
    await sink.append(contents(new History(1).recording().records));
    expect(sink.has({ record: new History(1, 1e12).recording().records[0]! })).toBe(false);
  });
});

describe('recovery', () => {
  test('finds the head in the file before when nothing whole is in the newest', async () => {
    const records = interleaved(1, 1);
    const first = await recoveredSink();
    await first.append(contents(records.slice(0, 3)));
    await first.close();
    await writeFile(join(directory, 'evidence-2026-02-01.jsonl'), '{"hash"');
    const second = await recoveredSink();
    await second.append(contents(records.slice(3)));
    expect(await verified()).toMatchObject({ misfit: null, records: 6 });
    expect((await stat(january())).size).toBeLessThan(
      (await stat(join(directory, 'evidence-2026-02-01.jsonl'))).size * 2,
    );
    expect(levels()).toEqual(['warn']);
  });

  test('goes on after damage further up, which it names and leaves to the verifier', async () => {
    const records = interleaved(1, 1);
    const first = await recoveredSink();
    await first.append(contents(records.slice(0, 3)));
    await first.close();
    const text = await readFile(january(), 'utf8');
    await writeFile(january(), text.replace('"call"', 'call"'));
    const second = await recoveredSink();
    expect(second.head.seq).toBe(3);
    expect(levels()).toEqual(['error']);
    await second.append(contents(records.slice(3)));
    expect((await verified()).misfit).toMatchObject({ line: 1 });
  });

  test('repairs the newest end only: a damaged older file is left as it is', async () => {
    const records = interleaved(1, 1);
    const first = await recoveredSink();
    await first.append(contents(records.slice(0, 3)));
    today = new Date('2026-02-01T00:00:00Z');
    await first.append(contents(records.slice(3)));
    await first.close();
    await appendFile(january(), '{"torn');
    await recoveredSink();
    expect(await readFile(january(), 'utf8')).toMatch(/\{"torn$/);
  });

  test('does not destroy a last line that was changed but is whole', async () => {
    const first = await recoveredSink();
    await first.append(contents(interleaved(1, 1)));
    await first.close();
    const text = await readFile(january(), 'utf8');
    const changed = text.slice(0, -300) + text.slice(-300).replace('"seq":6', '"seq":7');
    expect(changed).not.toBe(text);
    await writeFile(january(), changed);
    await recoveredSink();
    expect(await readFile(january(), 'utf8')).toBe(changed);
    expect(levels()).toEqual(['error']);
  });

  test('is asked for when somebody else wrote to the file', async () => {
    const records = interleaved(1, 1);
    const sink = await recoveredSink();
    await sink.append(contents(records.slice(0, 3)));
    await appendFile(january(), '{"torn');
    await expect(sink.append(contents(records.slice(3)))).rejects.toBeFault('EvidenceUnwritable');
    await sink.recover('me');
    await sink.append(contents(records.slice(3)));
    expect(await verified()).toMatchObject({ misfit: null, records: 6 });
  });

  test('reads lines longer than what it reads at once', async () => {
    const sink = await recoveredSink();
    const history = new History(1);
    await sink.append(contents(history.recording().records));
    await sink.close();
    const whole = await readFile(january(), 'utf8');
    await appendFile(january(), 'x'.repeat(3 * 1024 * 1024));
    const second = await recoveredSink();
    expect(second.head.seq).toBe(sink.head.seq + 1);
    expect((await readFile(january(), 'utf8')).split('"repair"')).toEqual([
      expect.stringMatching(whole.slice(-70, -3)),
      expect.stringContaining('"bytes":3145728'),
    ]);
    expect(await verified()).toMatchObject({ misfit: null, repairs: 1 });
  });
});

(process.platform === 'linux' ? test : test.skip)(
  'a full disk is a fault, and nothing counts as written',
  async () => {
    const records = interleaved(1, 1);
    const sink = await recoveredSink();
    await symlink('/dev/full', january());
    await expect(sink.append(contents(records))).rejects.toBeFault('EvidenceUnwritable');
    expect([sink.head.seq, sink.has({ record: records[0]! })]).toEqual([0, false]);
    await rm(january());
    await sink.recover('me');
    await sink.append(contents(records));
    expect(await verified()).toMatchObject({ misfit: null, records: 6 });
  },
);
