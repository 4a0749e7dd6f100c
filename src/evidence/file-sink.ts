import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { Fault, isFault, messageOf } from '../core/errors.ts';
import type { EvidenceRecord } from '../core/evidence.ts';
import type { Log } from '../core/ports.ts';
import { takeExclusively } from './exclusive.ts';
import { emptyHead, encodeLine, fileNameFor, type Head } from './journal.ts';
import { journalFiles, readTail, type Tail } from './tail.ts';

/** A directory of journal files. Every method but `has` throws `EvidenceUnwritable`. */
export interface FileSink {
  /** Identifies the directory to `Outbox.claimSink`. */
  readonly id: string;
  /** The last line that is known to be durable, as of the last `recover` or `append`. */
  readonly head: Head;
  /**
   * Takes the directory, cuts off a torn last line, and finds out what the files hold. Only whoever holds the lease
   * may call it, and must do so after every gap in holding it and after every failed `append`.
   */
  recover(): Promise<void>;
  /**
   * Makes the records durable: one write and one fdatasync. `mayWrite` is asked immediately before the write;
   * false: nothing was written. After a throw the records may or may not be in the file; `recover` finds out.
   */
  append(records: readonly EvidenceRecord[], mayWrite?: () => boolean): Promise<boolean>;
  /** Whether it is among the last lines that were recovered or appended (2000 at least). */
  has(record: EvidenceRecord): boolean;
  /** Gives the directory back, for another process to write to; `recover` takes it again. */
  close(): Promise<void>;
}

interface FileSinkOptions {
  readonly log: Log;
  /** Its UTC date names the file. */
  readonly today?: () => Date;
}

const tailLines = 2000;
const knownRecords = 5 * tailLines;

const unwritable = (what: string, cause: unknown): Fault =>
  isFault(cause) ? cause : new Fault('EvidenceUnwritable', `${what}: ${messageOf(cause)}`, { cause });

/** Creates the directory (0750) and its id if need be; reads and writes no journal yet. */
export async function openFileSink(directory: string, options: FileSinkOptions): Promise<FileSink> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    return new DirectorySink(directory, await sinkId(directory), options);
  } catch (error) {
    throw unwritable(`the evidence directory ${directory} cannot be used`, error);
  }
}

class DirectorySink implements FileSink {
  readonly id: string;
  readonly #directory: string;
  readonly #log: Log;
  readonly #today: () => Date;
  /** Hashes, since a store that lost its data numbers a call's records from 1 again. */
  readonly #known = new LRUCache<string, true>({ max: knownRecords });
  #head = emptyHead;
  /** The file that was written to last, or found to be the newest; its bytes are durable up to `size`. */
  #newest = { name: '', size: 0 };
  /** Open on the newest file. */
  #handle: FileHandle | undefined;
  #giveBack: (() => Promise<void>) | undefined;
  #recovered = false;
  /** A write that failed after `size` bytes were durable; at `end` its bytes would end. */
  #failed: { readonly path: string; readonly size: number; readonly end: number } | undefined;

  constructor(directory: string, id: string, { log, today = () => new Date() }: FileSinkOptions) {
    this.id = id;
    this.#directory = directory;
    this.#log = log;
    this.#today = today;
  }

  get head(): Head {
    return this.#head;
  }

  has(record: EvidenceRecord): boolean {
    return this.#known.has(record.hash);
  }

  async recover(): Promise<void> {
    this.#recovered = false;
    try {
      await this.#closeFile();
      if (this.#giveBack === undefined) {
        this.#giveBack = await takeExclusively(this.#directory);
        if (this.#giveBack === undefined)
          this.#log.debug(
            { directory: this.#directory },
            'the evidence directory cannot be held exclusively',
          );
      }
      await this.#undo();
      await this.#read();
      this.#recovered = true;
    } catch (error) {
      throw unwritable(`the evidence in ${this.#directory} cannot be recovered`, error);
    }
  }

  async append(records: readonly EvidenceRecord[], mayWrite: () => boolean = () => true): Promise<boolean> {
    if (!this.#recovered)
      throw new Fault('EvidenceUnwritable', 'evidence must be recovered before it is written');
    const texts: string[] = [];
    let head = this.#head;
    for (const record of records) {
      const line = encodeLine(head, record);
      texts.push(line.text);
      head = line.head;
    }
    const bytes = Buffer.from(texts.join(''));
    // Whatever throws from here on leaves the file in doubt.
    this.#recovered = false;
    try {
      const handle = await this.#openToday();
      const { name, size } = this.#newest;
      if ((await handle.stat()).size !== size)
        throw new Fault('EvidenceUnwritable', `somebody else wrote to ${name} in ${this.#directory}`);
      if (!mayWrite()) return false;
      const end = size + bytes.length;
      this.#failed = { path: join(this.#directory, name), size, end };
      await handle.writeFile(bytes);
      await handle.datasync();
      this.#newest = { name, size: end };
    } catch (error) {
      await this.#undo().catch(() => undefined);
      throw unwritable(`evidence cannot be written to ${this.#directory}`, error);
    }
    this.#failed = undefined;
    this.#head = head;
    for (const record of records) this.#known.set(record.hash, true);
    this.#recovered = true;
    return true;
  }

  async close(): Promise<void> {
    this.#recovered = false;
    this.#failed = undefined;
    try {
      await this.#closeFile();
    } finally {
      const giveBack = this.#giveBack;
      this.#giveBack = undefined;
      await giveBack?.();
    }
  }

  /**
   * Cuts a failed write away. After a failed fdatasync the page cache may show lines that never reach the disk, so they
   * must not be recognised as written. Bytes beyond our own are somebody else's: then nothing is cut.
   */
  async #undo(): Promise<void> {
    if (this.#failed === undefined) return;
    const { path, size, end } = this.#failed;
    await this.#closeFile();
    const handle = await open(path, 'r+').catch(ifPresent);
    if (handle === undefined) return;
    try {
      const now = (await handle.stat()).size;
      if (now > size && now <= end) {
        await handle.truncate(size);
        await handle.datasync();
      }
    } finally {
      await handle.close();
    }
    this.#failed = undefined;
  }

  /** Reads the files backwards until enough lines are known, and repairs the newest end. */
  async #read(): Promise<void> {
    this.#known.clear();
    this.#head = emptyHead;
    const paths = await journalFiles(this.#directory);
    this.#newest = { name: '', size: 0 };
    let missing = tailLines;
    for (const path of paths.reverse()) {
      if (missing <= 0) return;
      const tail = await readTail(path, missing);
      if (this.#head.hash === null) await this.#repair(path, tail);
      if (this.#newest.name === '') this.#newest = { name: basename(path), size: tail.wholeSize };
      if (tail.unreadable > 0)
        this.#log.error({ file: path, lines: tail.unreadable }, 'evidence is damaged: run the verifier');
      const last = tail.lines.at(-1);
      if (last !== undefined && this.#head.hash === null) {
        this.#head = last.head;
        if (!last.intact)
          this.#log.error({ file: path }, 'the last line of the evidence was changed: run the verifier');
      }
      for (const line of tail.lines) this.#known.set(line.record, true);
      missing -= tail.lines.length;
    }
  }

  /** What the process before wrote counts only once it is certainly on the disk. */
  async #repair(path: string, { size, wholeSize, lines }: Tail): Promise<void> {
    const handle = await open(path, 'r+');
    try {
      if (wholeSize < size) {
        if (lines.length === 0 && wholeSize > 0)
          throw new Fault(
            'EvidenceUnwritable',
            `the end of ${path} is damaged; restore the file or move it away`,
          );
        await handle.truncate(wholeSize);
        this.#log.warn(
          { file: path, bytes: size - wholeSize },
          'a torn last line of the evidence was cut off',
        );
      }
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await syncDirectory(this.#directory);
  }

  async #openToday(): Promise<FileHandle> {
    const today = fileNameFor(this.#today());
    // A clock that went back must not write to an older file: names sort in the order of writing.
    const isNew = today > this.#newest.name;
    if (isNew) {
      await this.#closeFile();
      this.#newest = { name: today, size: 0 };
    }
    this.#handle ??= await open(join(this.#directory, this.#newest.name), 'a', 0o640);
    if (isNew) await syncDirectory(this.#directory);
    return this.#handle;
  }

  async #closeFile(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Instances that start at once agree on one id: whoever links the file first. */
async function sinkId(directory: string): Promise<string> {
  const path = join(directory, 'sink-id');
  const mine = `${path}.${randomUUID()}`;
  let text = await readFile(path, 'utf8').catch(ifPresent);
  if (text === undefined) {
    try {
      const handle = await open(mine, 'wx', 0o640);
      try {
        await handle.writeFile(`${randomUUID()}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await link(mine, path).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(mine, { force: true });
    }
    await syncDirectory(directory);
    text = await readFile(path, 'utf8');
  }
  const id = text.trim();
  if (!uuid.test(id)) throw new Fault('EvidenceUnwritable', `${path} does not hold a UUID; restore it`);
  return id;
}

function ifPresent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
