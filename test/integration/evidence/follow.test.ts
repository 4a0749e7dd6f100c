import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../../src/core/call/evidence.ts';
import type { JournalFeed, JournalPlace } from '../../../src/core/ports/journal-feed.ts';
import { openFileSink } from '../../../src/evidence/journal/file-sink.ts';
import { followJournal } from '../../../src/evidence/journal/follow.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { recordOf } from '../../support/console-records.ts';
import { eventually } from '../../support/eventually.ts';
import { silentLog } from '../../support/world.ts';

interface Heard {
  readonly feed: JournalFeed;
  /** The calls of the records, in order, since it began anew last. */
  readonly calls: () => readonly string[];
  readonly places: () => readonly JournalPlace[];
  readonly begun: () => number;
}

let directory: string;
const open: JournalFeed[] = [];
const log = collectedLog();
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-follow-'));
});
afterEach(async () => {
  for (const feed of open.splice(0)) await feed.close();
  await rm(directory, { recursive: true });
});

function follow(since = new Date(0)): Heard {
  let heard: { record: EvidenceRecord; place: JournalPlace }[] = [];
  let begun = 0;
  const feed = followJournal({
    directory,
    since,
    log,
    everyMs: 5,
    listener: {
      begin: () => {
        heard = [];
        begun += 1;
      },
      take: (record, place) => void heard.push({ record, place }),
    },
  });
  open.push(feed);
  return {
    feed,
    calls: () => heard.map(({ record }) => record.call),
    places: () => heard.map(({ place }) => place),
    begun: () => begun,
  };
}

const record = (call: number): EvidenceRecord => recordOf(call, 'bound')[0];
const nameOf = (call: number): string => record(call).call;

/** Writes records as the writer of the evidence does. */
async function write(calls: readonly number[], day: string): Promise<void> {
  const sink = await openFileSink(directory, { log: silentLog, today: () => new Date(day) });
  await sink.recover('test');
  await sink.append(calls.map((call) => ({ record: record(call) })));
  await sink.close();
}

const fileOf = async (index: number): Promise<string> => {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.jsonl')).sort();
  return join(directory, names[index] ?? '');
};

test('what was written before, and what is written later, is heard once and in order, over several days', async () => {
  await write([1, 2], '2026-01-30');
  const heard = follow();
  await eventually(() => heard.calls().length === 2);
  await write([3], '2026-01-30');
  await write([4, 5], '2026-01-31');
  await eventually(() => heard.calls().length === 5);
  expect(heard.calls()).toEqual([1, 2, 3, 4, 5].map(nameOf));
  expect(heard.begun()).toBe(1);
  await eventually(() => heard.feed.behindMs() === 0);
  const read = await heard.feed.read([...heard.places()].reverse());
  expect(read.map(({ call }) => call)).toEqual([5, 4, 3, 2, 1].map(nameOf));
});

test('files of earlier days are left out', async () => {
  await write([1], '2026-01-20');
  await write([2], '2026-01-30');
  const heard = follow(new Date('2026-01-25'));
  await eventually(() => heard.calls().length > 0);
  expect(heard.calls()).toEqual([nameOf(2)]);
});

test('a line is heard once it is whole', async () => {
  await write([1], '2026-01-30');
  const path = await fileOf(0);
  const line = await readFile(path, 'utf8');
  const heard = follow();
  await eventually(() => heard.calls().length === 1);
  await appendFile(path, line.slice(0, 100));
  await eventually(() => heard.feed.behindMs() === 0);
  expect(heard.calls()).toHaveLength(1);
});

test('a file that was cut begins everything anew', async () => {
  await write([1, 2, 3], '2026-01-30');
  const heard = follow();
  await eventually(() => heard.calls().length === 3);
  const path = await fileOf(0);
  const [first = ''] = (await readFile(path, 'utf8')).split('\n');
  await truncate(path, Buffer.byteLength(first) + 1);
  await eventually(() => heard.begun() === 2 && heard.calls().length === 1);
  expect(heard.calls()).toEqual([nameOf(1)]);
});

test('a file that was replaced by a longer one begins everything anew', async () => {
  await write([1], '2026-01-30');
  const path = await fileOf(0);
  const heard = follow();
  await eventually(() => heard.calls().length === 1);
  await rm(directory, { recursive: true });
  await write([7, 8, 9], '2026-01-30');
  expect(await fileOf(0)).toBe(path);
  await eventually(() => heard.calls().length === 3);
  expect(heard.calls()).toEqual([7, 8, 9].map(nameOf));
});

test('what is no line is left out and told once; lines that are missing keep nothing from being heard', async () => {
  await write([1, 2, 3], '2026-01-30');
  const path = await fileOf(0);
  const [first, , third] = (await readFile(path, 'utf8')).split('\n');
  await writeFile(path, `${first}\nno line\n{"journal":{},"hash":7}\n${third}\n`);
  const heard = follow();
  await eventually(() => heard.calls().length === 2);
  expect(heard.calls()).toEqual([nameOf(1), nameOf(3)]);
  expect(log.lines.filter(({ text }) => text.includes('cannot be read by the console'))).toHaveLength(1);
});

test('a directory that cannot be read is told of, and read once it can be', async () => {
  await rm(directory, { recursive: true });
  const heard = follow();
  await eventually(() =>
    log.lines.some(({ text }) => text.startsWith('the console cannot read the journal')),
  );
  await write([1], '2026-01-30');
  await eventually(() => heard.calls().length === 1);
  await eventually(() => log.lines.some(({ text }) => text === 'the console can read the journal again'));
});
