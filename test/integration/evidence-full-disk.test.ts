import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { openFileSink } from '../../src/evidence/file-sink.ts';
import { listJournalFiles, verifyJournal } from '../../src/evidence/verify.ts';
import { startEvidenceWriter } from '../../src/evidence/writer.ts';
import { eventually } from '../support/eventually.ts';
import { interleaved, memoryLog } from '../support/evidence-history.ts';
import { MemoryOutbox, realClock } from '../support/evidence-outbox.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallylight-full-'));
const mounted = mountSmallDisk();
afterAll(() => {
  if (mounted) execFileSync('umount', [directory]);
  rmSync(directory, { recursive: true });
});

/** Needs root and the right to mount; elsewhere /dev/full stands in, in the unit tests. */
function mountSmallDisk(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

(mounted ? test : test.skip)(
  'a batch that fits only in part is taken back and written once there is room',
  async () => {
    const records = interleaved(80, 1);
    const log = memoryLog();
    const outbox = new MemoryOutbox();
    const sink = await openFileSink(directory, { log });
    const writer = startEvidenceWriter({
      outbox,
      sink,
      owner: 'me',
      clock: realClock,
      log,
      meter: { evidence: () => undefined },
      idleMs: 2,
    });
    try {
      outbox.add(records.slice(0, 10));
      await writer.flush();
      const [file] = await listJournalFiles(directory);
      const { size } = statSync(file!);
      const filler = join(directory, 'filler');
      await writeFile(filler, Buffer.alloc(900 * 1024));
      outbox.add(records.slice(10));
      await expect(writer.flush()).rejects.toBeFault('EvidenceUnwritable');
      expect([statSync(file!).size, outbox.entries.length]).toEqual([size, records.length - 10]);
      await rm(filler);
      await eventually(() =>
        writer.flush().then(
          () => true,
          () => false,
        ),
      );
      expect(await verifyJournal([file!])).toMatchObject({ ok: true, records: records.length });
      expect(outbox.entries).toEqual([]);
      expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    } finally {
      await writer.stop();
      await sink.close();
    }
  },
);
