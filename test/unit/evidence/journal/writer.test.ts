import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EvidenceRecord } from '../../../../src/core/call/evidence.ts';
import { Fault } from '../../../../src/core/errors.ts';
import type { Clock } from '../../../../src/core/ports/clock.ts';
import { type FileSink, openFileSink } from '../../../../src/evidence/journal/file-sink.ts';
import {
  type EvidenceWriter,
  type EvidenceWriterDeps,
  startEvidenceWriter,
} from '../../../../src/evidence/journal/writer.ts';
import { listJournalFiles, verifyJournal } from '../../../../src/evidence/verify/verify.ts';
import { eventually } from '../../../support/eventually.ts';
import { contents, History, interleaved, memoryLog } from '../../../support/evidence/history.ts';
import { MemoryOutbox, realClock } from '../../../support/evidence/outbox.ts';

/** Real time, with jumps: what a paused process sees. */
let skippedMs: number;
const clock: Clock = { now: () => realClock.now() + skippedMs, after: (ms, run) => realClock.after(ms, run) };

const records = interleaved(4, 1);
const leaseMs = 60_000;
const today = () => new Date('2026-01-31T12:00:00Z');
const down = () => Promise.reject(new Fault('StoreUnavailable', 'down'));

let directory: string;
let outbox: MemoryOutbox;
let log: ReturnType<typeof memoryLog>;
let reports: Parameters<EvidenceWriterDeps['meter']['evidence']>[0][];
let writers: EvidenceWriter[];
let sinks: FileSink[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-writer-'));
  skippedMs = 0;
  outbox = new MemoryOutbox(clock);
  log = memoryLog();
  reports = [];
  writers = [];
  sinks = [];
});
afterEach(async () => {
  for (const writer of writers) await writer.stop();
  for (const sink of sinks) await sink.close();
  await rm(directory, { recursive: true });
});

async function openSink(path = directory): Promise<FileSink> {
  const sink = await openFileSink(path, { log, today });
  sinks.push(sink);
  return sink;
}

async function startWriter(more: Partial<EvidenceWriterDeps> = {}): Promise<EvidenceWriter> {
  const writer = startEvidenceWriter({
    reportMs: 0,
    outbox,
    sink: more.sink ?? (await openSink()),
    owner: 'me',
    clock,
    log,
    meter: { evidence: (facts) => void reports.push(facts) },
    leaseMs,
    idleMs: 2,
    ...more,
  });
  writers.push(writer);
  return writer;
}

const journal = async () => verifyJournal(await listJournalFiles(directory));
const expectAllWritten = async (expected: readonly EvidenceRecord[] = records) =>
  expect(await journal()).toMatchObject({ ok: true, records: expected.length });
const errors = () => log.lines.filter(({ level }) => level === 'error');

describe('a writer that holds the lease', () => {
  test('makes everything pending durable, in batches, and then takes it out of the outbox', async () => {
    outbox.add(records);
    const writer = await startWriter({ batch: 5 });
    await writer.flush();
    await expectAllWritten();
    expect(outbox.entries).toEqual([]);
    expect(writer.state).toBe('writing');
  });

  test('goes on with what comes later, and reports what waits and what was written', async () => {
    outbox.add(records.slice(0, 6));
    const writer = await startWriter();
    await writer.flush();
    outbox.add(records.slice(6));
    await eventually(() => reports.reduce((sum, { written }) => sum + written, 0) === records.length);
    await eventually(() => reports.at(-1)?.waiting === 0);
    await expectAllWritten();
  });

  test('skips what the sink has already, when a crash came before the removal', async () => {
    const sink = await openSink();
    await sink.recover('other');
    await sink.append(contents(records.slice(0, 10)));
    await sink.close();
    outbox.add(records);
    await (await startWriter()).flush();
    await expectAllWritten();
  });

  test('writes an entry once that the outbox offers twice', async () => {
    outbox.add([...records, ...records.slice(-3)]);
    await (await startWriter()).flush();
    await expectAllWritten();
    expect(outbox.entries).toEqual([]);
  });

  test('gives back lease and directory when it stops, and flushes no more', async () => {
    const writer = await startWriter();
    await eventually(() => writer.state === 'writing');
    await writer.stop();
    expect([writer.state, outbox.holder]).toEqual(['stopped', undefined]);
    outbox.add(records);
    await expect(writer.flush()).rejects.toBeFault('EvidenceUnwritable');
    await (await openSink()).recover('other');
  });

  test('flushes at once, however long it would pause', async () => {
    const pending = outbox.pending.bind(outbox);
    let reading = false;
    let finishReading: () => void = () => undefined;
    outbox.pending = async () => {
      outbox.pending = pending;
      reading = true;
      await new Promise<void>((resolve) => (finishReading = resolve));
      return [];
    };
    const writer = await startWriter({ idleMs: 3_600_000 });
    await eventually(() => reading);
    outbox.add(records.slice(0, 6));
    const duringTurn = writer.flush();
    // The flush has read the outbox and waits when its own reading is over.
    await new Promise((resolve) => setImmediate(resolve));
    finishReading();
    await duringTurn;
    await expectAllWritten(records.slice(0, 6));
    await eventually(() => reports.at(-1)?.waiting === 0);
    outbox.add(records.slice(6));
    await writer.flush();
    await expectAllWritten();
  });

  test('renews the lease while it writes', async () => {
    const writer = await startWriter();
    await eventually(() => writer.state === 'writing');
    const until = outbox.holder!.until;
    skippedMs += leaseMs * 0.6;
    await eventually(() => outbox.holder!.until > until);
    expect(outbox.holder!.owner).toBe('me');
  });
});

describe('the lease', () => {
  test('of another instance keeps a writer waiting, and its flush waits for the other', async () => {
    await outbox.lease('other', leaseMs);
    outbox.add(records);
    const writer = await startWriter();
    let flushed = false;
    const flush = writer.flush().then(() => (flushed = true));
    await eventually(() => reports.length > 2);
    expect([flushed, writer.state, (await journal()).records]).toEqual([false, 'waiting', 0]);
    // Whoever writes tells what waits.
    expect(reports.at(-1)).toEqual({ written: 0 });
    outbox.entries = [];
    await flush;
  });

  test('that runs out between reading and writing lets nothing be written', async () => {
    outbox.add(records);
    const pending = outbox.pending.bind(outbox);
    outbox.pending = async (limit) => {
      const entries = await pending(limit);
      // The process is paused here, and another one takes over.
      if (outbox.holder?.owner === 'me') {
        skippedMs += leaseMs + 1;
        await outbox.lease('other', leaseMs);
      }
      return entries;
    };
    const writer = await startWriter();
    await eventually(() => outbox.holder?.owner === 'other' && reports.length >= 2);
    expect(await journal()).toMatchObject({ ok: true, records: 0 });
    expect(outbox.entries).toHaveLength(records.length);
    outbox.pending = pending;
    await outbox.release('other');
    await writer.flush();
    await expectAllWritten();
  });

  test('that lapsed makes the writer read the files again, even if nobody else took it', async () => {
    const sink = await openSink();
    let recoveries = 0;
    const counting: FileSink = {
      id: sink.id,
      head: sink.head,
      recover: (instance) => ((recoveries += 1), sink.recover(instance)),
      append: (batch, mayWrite) => sink.append(batch, mayWrite),
      has: (content) => sink.has(content),
      close: () => sink.close(),
    };
    const writer = await startWriter({ sink: counting });
    await eventually(() => writer.state === 'writing');
    skippedMs += leaseMs + 1;
    outbox.add(records);
    await writer.flush();
    expect(recoveries).toBe(2);
    await expectAllWritten();
  });

  test('that comes back makes the writer read again what another has written meanwhile', async () => {
    outbox.add(records.slice(0, 4));
    const writer = await startWriter();
    await writer.flush();
    skippedMs += leaseMs + 1;
    await outbox.lease('other', leaseMs);
    await eventually(() => writer.state === 'waiting');
    const other = await openSink();
    await eventually(() =>
      other.recover('other').then(
        () => true,
        () => false,
      ),
    );
    await other.append(contents(records.slice(4, 12)));
    await other.close();
    outbox.add(records.slice(8));
    await outbox.release('other');
    await writer.flush();
    await expectAllWritten();
    expect(errors()).toEqual([]);
  });
});

describe('a store whose evidence belongs to another directory', () => {
  test('is not drained, and the log says what to do', async () => {
    outbox.sink = 'another';
    outbox.add(records);
    const writer = await startWriter();
    await eventually(() => writer.state === 'foreign');
    await expect(writer.flush()).rejects.toBeFault('EvidenceUnwritable');
    await expect(writer.flush()).rejects.toThrow('share one evidence directory');
    expect([(await journal()).records, outbox.entries.length]).toEqual([0, records.length]);
    expect(errors()).toHaveLength(1);
    expect(writer.obstacle()).toContain(`TALLYLIGHT_EVIDENCE_MOVED_FROM=${outbox.sink}`);
  });

  test('is taken over by a directory that names it, and the journal there says so', async () => {
    const before = '00000000-0000-4000-8000-00000000000a';
    outbox.sink = before;
    outbox.add(records);
    const sink = await openSink();
    const writer = await startWriter({ sink, movedFrom: before });
    await eventually(() => writer.state === 'writing');
    await writer.flush();
    expect(outbox.sink).toBe(sink.id);
    expect(await journal()).toMatchObject({ ok: true, moves: 1, records: records.length });
    expect([errors(), writer.obstacle()]).toEqual([[], undefined]);
    await writer.stop();
    // The setting may stay.
    outbox.add(new History(99).recording().records);
    await (await startWriter({ sink, movedFrom: before })).flush();
    expect(await journal()).toMatchObject({ ok: true, moves: 1, records: records.length + 6 });
  });

  test('is not taken over while somebody else writes there', async () => {
    outbox.sink = '00000000-0000-4000-8000-00000000000a';
    await outbox.lease('other', leaseMs);
    outbox.add(records);
    const writer = await startWriter({ movedFrom: outbox.sink });
    await eventually(() => writer.state === 'waiting');
    expect(outbox.sink).toBe('00000000-0000-4000-8000-00000000000a');
    skippedMs += leaseMs + 1;
    await writer.flush();
    await expectAllWritten();
  });
});

describe('while the store does not answer', () => {
  test.each(['claimSink', 'lease', 'pending', 'remove'] as const)(
    'to %s, it tries again, logs once, and loses nothing',
    async (method) => {
      outbox.add(records);
      const working = outbox[method].bind(outbox);
      let attempts = 0;
      Object.assign(outbox, { [method]: () => ((attempts += 1), down()) });
      const writer = await startWriter({ batch: 5 });
      await eventually(() => attempts > 3 && writer.state === 'failing');
      expect(outbox.entries).toHaveLength(records.length);
      Object.assign(outbox, { [method]: working });
      await eventually(() =>
        writer.flush().then(
          () => true,
          () => false,
        ),
      );
      await expectAllWritten();
      expect(errors()).toHaveLength(1);
      expect(log.lines.filter(({ level }) => level === 'info')).toHaveLength(1);
    },
  );

  test('a flush is rejected with the fault', async () => {
    outbox.add(records);
    outbox.remove = down;
    const writer = await startWriter();
    await expect(writer.flush()).rejects.toBeFault('StoreUnavailable');
    outbox.depth = down;
    await expect(writer.flush()).rejects.toBeFault('StoreUnavailable');
  });
});

const onLinux = process.platform === 'linux' ? describe : describe.skip;
onLinux('while the disk is full', () => {
  const file = () => join(directory, 'evidence-2026-01-31.jsonl');

  /** A writer that finds a full disk once it has recovered an empty directory. */
  async function startOnFullDisk(): Promise<EvidenceWriter> {
    const writer = await startWriter();
    await eventually(() => writer.state === 'writing');
    await symlink('/dev/full', file());
    outbox.add(records);
    await eventually(() => writer.state === 'failing');
    return writer;
  }

  test('nothing leaves the outbox, the log says so once, and all is written afterwards', async () => {
    const writer = await startOnFullDisk();
    await eventually(() => reports.at(-1)?.waiting === records.length);
    expect(reports.at(-1)!.oldestSeconds).toBeGreaterThan(0);
    await expect(writer.flush()).rejects.toBeFault('EvidenceUnwritable');
    await expect(writer.flush()).rejects.toBeFault('EvidenceUnwritable');
    expect(outbox.entries).toHaveLength(records.length);
    expect(errors()).toHaveLength(1);
    await rm(file());
    await eventually(() =>
      writer.flush().then(
        () => true,
        () => false,
      ),
    );
    await expectAllWritten();
    expect((await readFile(file(), 'utf8')).split('\n')).toHaveLength(records.length + 1);
  });

  test('the lease goes to another instance that asks for it', async () => {
    const writer = await startOnFullDisk();
    await eventually(() => outbox.lease('other', leaseMs));
    await eventually(() => writer.state === 'waiting');
  });
});

test('a batch that the sink could not recognise after a crash is refused', async () => {
  await expect(startWriter({ batch: 2001 })).rejects.toBeFault('ConfigurationInvalid');
});
