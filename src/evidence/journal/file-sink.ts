import { constants } from 'node:fs';
import { type FileHandle, mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { LineContent, OutboxContent } from '../../core/call/evidence-lines.ts';
import { Fault, isFault, messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import { Acknowledged } from './acknowledged.ts';
import { assertInPlace, ifPresent, openRegular, syncDirectory } from './disk.ts';
import { takeExclusively } from './exclusive.ts';
import { emptyHead, encodeLine, fileNameFor, type Head, nameOf } from './journal.ts';
import { readJournal } from './recovery.ts';
import { repairJournal } from './repair.ts';
import { assertSinkId, sinkId } from './sink-id.ts';
import { assertWritable } from './writable.ts';

/** A directory of journal files. Every method but `has` throws `EvidenceUnwritable`. */
export interface FileSink {
  /** Identifies the directory to `Outbox.claimSink`. */
  readonly id: string;
  /** The last line that is known to be durable, as of the last `recover` or `append`. */
  readonly head: Head;
  /**
   * Takes the directory and finds out what the files hold. What a crash left behind the last whole line is cut off, and
   * a line in the name of `instance` says so (`Repair`). That acknowledged lines are missing is logged and shows in the
   * journal for ever. Only whoever holds the lease may call it, and must do so after every gap in holding it and after
   * every failed `append`.
   */
  recover(instance: string): Promise<void>;
  /**
   * Makes the lines durable and notes that they are acknowledged; nothing is, unless the names of the files still lead to
   * the files that are open. `mayWrite` is asked immediately before the write; false: nothing was written. After a throw
   * the lines may or may not be in the file; `recover` finds out. What the write of this very process left there is taken
   * back without a line that says so.
   */
  append(contents: readonly LineContent[], mayWrite?: () => boolean): Promise<boolean>;
  /** Whether it is among the last lines that were recovered or appended (2000 at least). */
  has(content: OutboxContent): boolean;
  /** Gives the directory back, for another process to write to; `recover` takes it again. */
  close(): Promise<void>;
}

interface FileSinkOptions {
  readonly log: Log;
  /** Its UTC date names the file. */
  readonly today?: () => Date;
}

const goesOnBeside =
  'evidence that is not acknowledged stays in the store. Restore the file under its name. Until then evidence continues in a new file, and the verifier shows what is missing';

const tailLines = 2000;
const knownRecords = 5 * tailLines;

const unwritable = (what: string, cause: unknown): Fault =>
  isFault(cause) ? cause : new Fault('EvidenceUnwritable', `${what}: ${messageOf(cause)}`, { cause });

/** Creates the directory (0750) and its id if need be; reads and writes no journal yet. */
export async function openFileSink(directory: string, options: FileSinkOptions): Promise<FileSink> {
  try {
    await createDirectory(resolve(directory));
    const id = await sinkId(directory);
    await assertWritable(directory);
    return new DirectorySink(directory, id, options);
  } catch (error) {
    throw isFault(error)
      ? error
      : new Fault(
          'EvidenceUnwritable',
          `the evidence directory ${directory} cannot be used: ${messageOf(error)}; name one that this process can create and write to`,
          { cause: error },
        );
  }
}

class DirectorySink implements FileSink {
  readonly id: string;
  readonly #directory: string;
  readonly #log: Log;
  readonly #today: () => Date;
  /** Names of what came through the outbox. */
  readonly #known = new LRUCache<string, true>({ max: knownRecords });
  #head = emptyHead;
  /** The file that was written to last, or found to be the newest; its bytes are durable up to `size`. */
  #newest = { name: '', size: 0 };
  /** Open on the newest file. */
  #handle: FileHandle | undefined;
  #acknowledged: Acknowledged | undefined;
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

  has(content: OutboxContent): boolean {
    return this.#known.has(nameOf(content));
  }

  async recover(instance: string): Promise<void> {
    this.#recovered = false;
    try {
      await this.#closeFiles();
      if (this.#giveBack === undefined) {
        this.#giveBack = await takeExclusively(this.#directory);
        if (this.#giveBack === undefined)
          this.#log.debug(
            { directory: this.#directory },
            'the evidence directory cannot be locked for exclusive use',
          );
      }
      await assertSinkId(this.#directory, this.id);
      await this.#undo();
      this.#acknowledged = await Acknowledged.open(this.#directory);
      await this.#takeStock(this.#acknowledged, instance);
      this.#recovered = true;
    } catch (error) {
      throw unwritable(`the evidence in ${this.#directory} cannot be recovered`, error);
    }
  }

  async append(contents: readonly LineContent[], mayWrite: () => boolean = () => true): Promise<boolean> {
    const acknowledged = this.#acknowledged;
    if (!this.#recovered || acknowledged === undefined)
      throw new Fault('EvidenceUnwritable', 'evidence must be recovered before it is written');
    const texts: string[] = [];
    let head = this.#head;
    for (const content of contents) {
      const line = encodeLine(head, content);
      texts.push(line.text);
      head = line.head;
    }
    const bytes = Buffer.from(texts.join(''));
    // Whatever throws from here on leaves the file in doubt.
    this.#recovered = false;
    try {
      await assertSinkId(this.#directory, this.id);
      const handle = await this.#openToday();
      const { name, size } = this.#newest;
      const path = join(this.#directory, name);
      await assertInPlace(path, handle, goesOnBeside);
      if ((await handle.stat()).size !== size)
        throw new Fault('EvidenceUnwritable', `another process wrote to ${name} in ${this.#directory}`);
      if (!mayWrite()) return false;
      const end = size + bytes.length;
      this.#failed = { path, size, end };
      await handle.writeFile(bytes);
      await handle.datasync();
      // From here on the lines are durable: if they cannot be acknowledged, they are found again.
      this.#failed = undefined;
      this.#newest = { name, size: end };
      // It may have been taken away meanwhile: then its lines are not where anybody will look for them.
      await assertInPlace(path, handle, goesOnBeside);
      await acknowledged.note(head);
    } catch (error) {
      await this.#undo().catch(() => undefined);
      throw unwritable(`evidence cannot be written to ${this.#directory}`, error);
    }
    this.#head = head;
    for (const content of contents)
      if ('record' in content || 'refusedWrites' in content || 'hold' in content)
        this.#known.set(nameOf(content), true);
    this.#recovered = true;
    return true;
  }

  async close(): Promise<void> {
    this.#recovered = false;
    this.#failed = undefined;
    try {
      await this.#closeFiles();
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
    await this.#closeJournal();
    const handle = await openRegular(path, constants.O_RDWR).catch(ifPresent);
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

  async #takeStock(acknowledged: Acknowledged, instance: string): Promise<void> {
    // Where the file is gone, what this process has acknowledged itself is known all the same.
    const known = acknowledged.head ?? (this.#head.seq > 0 ? this.#head : undefined);
    const found = await readJournal(this.#directory, known, tailLines);
    for (const { file, lines } of found.damaged)
      this.#log.error({ file, lines }, 'evidence is damaged: run the verifier');
    if (found.changed)
      this.#log.error(
        { directory: this.#directory },
        'the last line of the evidence was changed: run the verifier',
      );
    if (known === undefined && found.contents.length > 0)
      this.#log.warn(
        { directory: this.#directory },
        'the acknowledgement file is missing: lines missing at the end of the evidence cannot be detected',
      );
    const now = this.#today();
    const repaired = await repairJournal(this.#directory, found, { now, instance, log: this.#log });
    this.#head = repaired.head;
    this.#newest = repaired.newest;
    this.#known.clear();
    for (const name of found.contents) this.#known.set(name, true);
    await syncDirectory(this.#directory);
    await acknowledged.note(this.#head);
  }

  async #openToday(): Promise<FileHandle> {
    const today = fileNameFor(this.#today());
    // A clock that went back must not write to an older file: names sort in the order of writing.
    const isNew = today > this.#newest.name;
    if (isNew) {
      await this.#closeJournal();
      this.#newest = { name: today, size: 0 };
    }
    const append = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
    this.#handle ??= await openRegular(join(this.#directory, this.#newest.name), append, 0o640);
    if (isNew) await syncDirectory(this.#directory);
    return this.#handle;
  }

  async #closeFiles(): Promise<void> {
    const acknowledged = this.#acknowledged;
    this.#acknowledged = undefined;
    await acknowledged?.close();
    await this.#closeJournal();
  }

  async #closeJournal(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

/** Durably: each new directory is a name in its parent. */
async function createDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o750 });
  if (first === undefined) return;
  for (let path = directory; path.length >= first.length; path = dirname(path))
    await syncDirectory(dirname(path));
}
