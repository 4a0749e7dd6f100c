import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { HoldLine, LineContent } from '../../../../src/core/call/evidence-lines.ts';
import type { ReadHolds } from '../../../../src/core/ports/hold-store.ts';
import { type FileSink, openFileSink } from '../../../../src/evidence/journal/file-sink.ts';
import { readHoldsFrom } from '../../../../src/evidence/journal/read-holds.ts';
import { silentLog } from '../../../support/world.ts';

const line = (number: number, changes: Partial<HoldLine> = {}): HoldLine => ({
  ...{ version: 1, act: 'set', id: `id-${number}`, number, scope: { all: true }, closedUpTo: null },
  ...{ by: { issuer: 'local', subject: 'local' }, at: '2026-01-31T12:00:00.000Z', instance: 'one' },
  // A text cannot pass for a line.
  reason: 'because of "hold":{"number":7} and "moved":{',
  ...changes,
});

let directory: string;
let sink: FileSink;
let today: Date;
let flushed: number;
let read: ReadHolds;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-'));
  today = new Date('2026-01-31T12:00:00Z');
  sink = await openFileSink(directory, { log: silentLog, today: () => today });
  await sink.recover('one');
  flushed = 0;
  const writer = {
    flush: () => {
      flushed += 1;
      return Promise.resolve();
    },
  };
  read = readHoldsFrom({
    ...{ directory, sink: sink.id, writer },
    outbox: { claimSink: (wanted) => Promise.resolve(wanted) },
  });
});
afterEach(async () => {
  await sink.close();
  await rm(directory, { recursive: true });
});

const append = async (...contents: LineContent[]): Promise<void> => {
  expect(await sink.append(contents)).toBe(true);
};

describe('the holds of a journal', () => {
  test('are all its lines about holds, of every file, once what waits is durable', async () => {
    const moved = { version: 1, at: '2026-01-31T12:00:00.000Z', instance: 'one', from: 'sink-1' } as const;
    expect(await read()).toEqual([]);
    await append({ hold: line(1) }, { hold: line(2) });
    today = new Date('2026-02-01T12:00:00Z');
    const released = line(3, { act: 'released', id: 'id-1', closedUpTo: 9 });
    await append({ hold: released });
    expect(await read()).toEqual([line(1), line(2), released]);
    expect(flushed).toBe(2);
    // What stood is written again.
    await append({ moved }, { hold: line(12) });
    expect(await read()).toHaveLength(4);
  });

  test('are not read from a journal that lacks some of them', async () => {
    await append({ hold: line(1) });
    today = new Date('2026-02-01T12:00:00Z');
    await append({ hold: line(2) });
    const [first, elsewhere] = ['evidence-2026-01-31.jsonl', 'elsewhere'].map((name) =>
      join(directory, name),
    );
    await rename(first!, elsewhere!);
    await expect(read()).rejects.toThrow('has hold 2 instead of 1: put the missing files back');
    await rename(elsewhere!, first!);
    expect(await read()).toHaveLength(2);
  });

  test('are not read from the directory of another store', async () => {
    const readForeign = readHoldsFrom({
      ...{ directory, sink: sink.id, writer: { flush: () => Promise.resolve() } },
      outbox: { claimSink: () => Promise.resolve('another') },
    });
    await expect(readForeign()).rejects.toThrow('in another directory (sink another)');
  });

  test('are not read past a line that is damaged; a last one that is torn was never acknowledged', async () => {
    const path = join(directory, 'evidence-2026-01-31.jsonl');
    await append({ hold: line(1) });
    await appendFile(path, '{"hash":"0","hold":{"act":"se');
    expect(await read()).toEqual([line(1)]);
    const text = await readFile(path, 'utf8');
    await writeFile(path, `${text}\n{"a":1}\n`);
    await expect(read()).rejects.toThrow('has a damaged line about a hold');
  });

  test('are not read where a later version has written them', async () => {
    await append({ hold: { ...line(1), version: 2 as never } });
    await expect(read()).rejects.toThrow('a hold of version 2, which this build cannot read');
  });
});
