import { Fault } from '../../src/core/errors.ts';
import { sha256, type EvidenceRecord } from '../../src/core/call/evidence.ts';
import type { HoldLine, LineContent } from '../../src/core/call/evidence-lines.ts';
import type { FileSink } from '../../src/evidence/journal/file-sink.ts';
import { decodeLine, emptyHead, encodeLine, nameOf } from '../../src/evidence/journal/journal.ts';
import { Calls } from '../../src/evidence/verify/chains.ts';
import { isMalformed, readLine } from '../../src/evidence/verify/format.ts';
import { HoldLines } from '../../src/evidence/verify/holds.ts';
import type { Weather } from './chance.ts';
import type { Engine, Process } from './engine.ts';
import type { Setting } from './plan.ts';

const unwritable = (why: string): Fault => new Fault('EvidenceUnwritable', why);

/** One directory with one journal file that all instances share, as `file-sink` uses it; a crash loses what was not yet written. */
export class EvidenceDisk {
  text = '';
  isFull = false;
  /** How a process dies in the middle of a write. */
  crash: (process: Process) => void = () => undefined;
  /** Hashes of the records that some instance was told are durable. */
  readonly acknowledged = new Set<string>();
  readonly #engine: Engine;
  readonly #weather: Weather;
  readonly #setting: Setting;
  #writer: Process | undefined;

  constructor(engine: Engine, weather: Weather, setting: Setting) {
    this.#engine = engine;
    this.#weather = weather;
    this.#setting = setting;
  }

  readonly #now = (): string => new Date(this.#engine.now).toISOString();

  /** One call to the operating system. */
  #call(process: Process, name: string): Promise<void> {
    const slow = this.#weather.fault(`${process.slot} disk ${name}`, this.#setting.odds.disk, (chance) =>
      // Longer than a lease lasts, at worst.
      chance.between(0, chance.pick([100, 1.2 * this.#setting.leaseMs])),
    );
    return new Promise((resolve) => {
      const ms = slow ?? this.#weather.delay(`${process.slot} disk`);
      this.#engine.schedule(ms, `${process.name} disk ${name}`, resolve, process);
    });
  }

  sinkFor(process: Process): FileSink {
    let head = emptyHead;
    let size = 0;
    let isRecovered = false;
    const known = new Set<string>();
    return {
      id: 'the-directory',
      get head() {
        return head;
      },
      has: (content) => known.has(nameOf(content)),
      recover: async (instance) => {
        isRecovered = false;
        await this.#call(process, 'lock');
        const owner = this.#writer;
        if (this.#setting.oneHost && owner !== undefined && owner !== process && !owner.isDead)
          throw unwritable('another process on this host is writing');
        this.#writer = process;
        await this.#call(process, 'read');
        const whole = this.text.lastIndexOf('\n') + 1;
        const torn = this.text.slice(whole);
        known.clear();
        head = emptyHead;
        for (const text of this.text.slice(0, whole).split('\n').slice(0, -1)) {
          const line = decodeLine(text);
          if (line === undefined) throw unwritable('damaged');
          head = line.head;
          if (line.content !== null) known.add(line.content);
        }
        if (torn !== '') {
          this.#engine.note(`${process.name} cuts ${torn.length} torn bytes off the evidence`);
          const cut = { bytes: torn.length, sha256: sha256(torn) };
          const repair = encodeLine(head, { repair: { version: 1, at: this.#now(), instance, cut } });
          this.text = this.text.slice(0, whole) + repair.text;
          head = repair.head;
        }
        size = this.text.length;
        isRecovered = true;
      },
      append: async (contents: readonly LineContent[], mayWrite = () => true) => {
        if (!isRecovered) throw unwritable('must be recovered');
        let next = head;
        let bytes = '';
        for (const content of contents) {
          const line = encodeLine(next, content);
          next = line.head;
          bytes += line.text;
        }
        isRecovered = false;
        await this.#call(process, 'stat');
        if (this.text.length !== size) throw unwritable('another process wrote');
        if (!mayWrite()) return false;
        if (this.isFull) throw unwritable('the disk is full');
        const torn = this.#weather.fault(`${process.slot} torn`, this.#setting.odds.crash * 10, (chance) =>
          chance.below(bytes.length),
        );
        this.text += bytes.slice(0, torn);
        if (torn !== undefined) this.crash(process);
        await this.#call(process, 'sync');
        if (this.#weather.fault(`${process.slot} sync`, this.#setting.odds.disk, () => true) === true) {
          // What the sink would undo, unless somebody else has written since.
          if (this.text.length === size + bytes.length) this.text = this.text.slice(0, size);
          throw unwritable('fdatasync failed');
        }
        size += bytes.length;
        head = next;
        for (const content of contents) {
          if (!('record' in content) && !('refusedWrites' in content) && !('hold' in content)) continue;
          known.add(nameOf(content));
          if (content.record !== undefined) this.acknowledged.add(content.record.hash);
        }
        this.#engine.note(`${process.name} has made ${contents.length} lines durable`);
        isRecovered = true;
        return true;
      },
      close: async () => {
        isRecovered = false;
        await this.#call(process, 'unlock');
        if (this.#writer === process) this.#writer = undefined;
      },
    };
  }

  /** All lines about holds, once what waits in the store is durable. */
  async readHolds(process: Process, flush: () => Promise<void>): Promise<readonly HoldLine[]> {
    await flush();
    await this.#call(process, 'read');
    return this.text
      .split('\n')
      .slice(0, -1)
      .flatMap((text) => {
        const line = readLine(text);
        return isMalformed(line) || line.kind !== 'hold' ? [] : [line.hold];
      });
  }

  /** The journal, read with the verifier's own code; a text says what does not fit. */
  verify(storeLost: boolean): EvidenceRecord[] | string {
    const calls = new Calls({ partial: false, storeLost });
    const holds = new HoldLines({ partial: false, storeLost });
    const records: EvidenceRecord[] = [];
    let before: { readonly seq: number; readonly hash: string | null } = emptyHead;
    for (const text of this.text.split('\n').slice(0, -1)) {
      const line = readLine(text);
      if (isMalformed(line))
        return `line ${before.seq + 1}: ${line.mismatch.expected}, found ${line.mismatch.found}`;
      const { journal, hash } = line;
      if (journal.seq !== before.seq + 1 || journal.prev !== before.hash)
        return `line ${before.seq + 1} does not continue the journal`;
      before = { seq: journal.seq, hash };
      const unfit = line.kind === 'hold' ? holds.take(line.hold) : undefined;
      if (unfit !== undefined) return `line ${journal.seq}: ${unfit.expected}, found ${unfit.found}`;
      if (line.kind !== 'record') continue;
      const { record } = line;
      const mismatch = calls.take(record);
      if (mismatch !== undefined) {
        const { expected, found } = mismatch;
        return `record ${record.seq} of ${record.call}: ${expected}, found ${found}`;
      }
      records.push(record);
    }
    return records;
  }
}
