import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import { parseCallKey } from '../../core/call/key.ts';
import { stateNames, transitions } from '../../core/call/state.ts';
import { messageOf } from '../../core/errors.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import type { JournalFeed, JournalListener, JournalPlace } from '../../core/ports/journal-feed.ts';
import type { Log } from '../../core/ports/log.ts';
import { ifPresent, openRegular, readAt } from './disk.ts';
import { fileNameFor } from './journal.ts';
import { journalFiles } from './tail.ts';

interface FollowOptions {
  readonly directory: string;
  readonly listener: JournalListener;
  readonly log: Log;
  /** Files of earlier UTC dates are left out. */
  readonly since: Date;
  /** How often to look for more, ms. */
  readonly everyMs?: number;
}

const newline = 0x0a;
const chunkBytes = 1024 * 1024;
/** Longer than any line that the writer makes; one that is longer is skipped. */
const longestLine = 16 * 1024 * 1024;

/**
 * Follows the journal of a directory that this process, or another one, writes to. A file that is shorter than it was, or
 * that is gone, begins everything anew: recovery has cut it, or somebody has restored it.
 */
export function followJournal(options: FollowOptions): JournalFeed {
  const follower = new Follower(options);
  follower.start();
  return follower;
}

class Follower implements JournalFeed {
  readonly #directory: string;
  readonly #listener: JournalListener;
  readonly #log: Log;
  readonly #first: string;
  readonly #everyMs: number;
  /** The file that is read, by its path, up to which of its bytes; undefined: none yet. */
  #at: { path: string; read: number } | undefined;
  /** The bytes of a line whose end is not there yet; `skip`: it is too long to be one of ours. */
  #rest: { bytes: Buffer; skip: boolean } = { bytes: Buffer.alloc(0), skip: false };
  #hash: string | undefined;
  /** The next line must follow the last one that was read in an earlier look. */
  #resumes = false;
  #behindSince: number | undefined = performance.now();
  #unreadable = 0;
  #failure = '';
  #closed = false;
  #wake: () => void = () => undefined;
  #loop = Promise.resolve();

  constructor({ directory, listener, log, since, everyMs = 250 }: FollowOptions) {
    this.#directory = directory;
    this.#listener = listener;
    this.#log = log;
    this.#first = fileNameFor(since);
    this.#everyMs = everyMs;
  }

  start(): void {
    this.#loop = this.#run();
  }

  behindMs(): number {
    return this.#behindSince === undefined ? 0 : performance.now() - this.#behindSince;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#loop;
  }

  async read(places: readonly JournalPlace[]): Promise<readonly EvidenceRecord[]> {
    const found: EvidenceRecord[] = [];
    const open = new Map<string, FileHandle | undefined>();
    try {
      for (const { file, offset, bytes } of places) {
        if (!open.has(file)) open.set(file, await this.#open(join(this.#directory, basename(file))));
        const handle = open.get(file);
        const record =
          handle && recordIn(lineIn((await readAt(handle, offset, bytes)).toString('utf8')) ?? {});
        if (record !== undefined) found.push(record);
      }
    } finally {
      for (const handle of open.values()) await handle?.close();
    }
    return found;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const ok = await this.#look().then(
        () => true,
        (error: unknown) => this.#failed(error),
      );
      if (ok && this.#failure !== '') {
        this.#failure = '';
        this.#log.info({ directory: this.#directory }, 'the console can read the journal again');
      }
      await this.#pause();
    }
  }

  #failed(error: unknown): false {
    this.#behindSince ??= performance.now();
    const why = messageOf(error);
    if (why !== this.#failure)
      this.#log.warn(
        { directory: this.#directory, error: why },
        'the console cannot read the journal; it shows what it has read so far',
      );
    this.#failure = why;
    return false;
  }

  #pause(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#everyMs).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Reads everything that is there. */
  async #look(): Promise<void> {
    for (;;) {
      const files = (await journalFiles(this.#directory)).filter((path) => basename(path) >= this.#first);
      const current = this.#at;
      if (current !== undefined && !files.includes(current.path)) this.#begin();
      const path = this.#at === undefined ? files[0] : this.#at.path;
      if (path === undefined) break;
      if (this.#at === undefined) {
        this.#listener.begin();
        this.#at = { path, read: 0 };
      }
      const whole = await this.#readFile(path);
      if (this.#closed) return;
      if (!whole) continue;
      const next = files[files.indexOf(path) + 1];
      if (next === undefined) break;
      this.#endLine();
      this.#at = { path: next, read: 0 };
    }
    this.#behindSince = undefined;
    this.#resumes = true;
  }

  #begin(): void {
    this.#at = undefined;
    this.#hash = undefined;
    this.#resumes = false;
    this.#endLine();
    this.#behindSince ??= performance.now();
  }

  /** What is at the end of a file without a newline was never a whole line. */
  #endLine(): void {
    this.#rest = { bytes: Buffer.alloc(0), skip: false };
  }

  /** False: everything begins anew. */
  async #readFile(path: string): Promise<boolean> {
    const handle = await this.#open(path);
    if (handle === undefined || this.#at === undefined) {
      this.#begin();
      return false;
    }
    try {
      const { size } = await handle.stat();
      if (size < this.#at.read) {
        this.#begin();
        return false;
      }
      if (size > this.#at.read) this.#behindSince ??= performance.now();
      for (;;) {
        const chunk = await readAt(handle, this.#at.read, chunkBytes);
        if (chunk.length === 0 || this.#closed) return true;
        if (!this.#take(path, this.#at.read, chunk)) {
          this.#begin();
          return false;
        }
        this.#at.read += chunk.length;
        // Calls are served by the same process.
        await breathe();
      }
    } finally {
      await handle.close();
    }
  }

  #open(path: string): Promise<FileHandle | undefined> {
    return openRegular(path, constants.O_RDONLY).catch(ifPresent);
  }

  /** False: a line does not follow the one read before, which is not in the journal any more. */
  #take(path: string, offset: number, chunk: Buffer): boolean {
    const bytes = Buffer.concat([this.#rest.bytes, chunk]);
    const start = offset - this.#rest.bytes.length;
    const file = basename(path);
    let begin = 0;
    for (let end; (end = bytes.indexOf(newline, begin)) !== -1; begin = end + 1) {
      const { skip } = this.#rest;
      this.#rest.skip = false;
      const place = { file, offset: start + begin, bytes: end - begin };
      if (!skip && !this.#takeLine(bytes.toString('utf8', begin, end), place)) return false;
    }
    const rest = bytes.subarray(begin);
    const skip = this.#rest.skip || rest.length > longestLine;
    this.#rest = { bytes: skip ? Buffer.alloc(0) : rest, skip };
    return true;
  }

  #takeLine(text: string, place: JournalPlace): boolean {
    const line = lineIn(text);
    if (line === undefined) {
      this.#unreadable += 1;
      if (this.#unreadable === 1)
        this.#log.warn(
          { ...place },
          'a line of the journal cannot be read by the console and is left out; verify the evidence',
        );
      return true;
    }
    const follows = this.#hash === undefined || line.journal.prev === this.#hash;
    if (this.#resumes && !follows) return false;
    this.#resumes = false;
    this.#hash = line.hash;
    const record = recordIn(line);
    if (record !== undefined) this.#listener.take(record, place);
    return true;
  }
}

interface Line {
  readonly journal: { readonly prev?: unknown };
  readonly hash: string;
  readonly record?: unknown;
}

function lineIn(text: string): Line | undefined {
  const line = parseJsonText(text);
  if (!isRecord(line) || !isRecord(line.journal) || typeof line.hash !== 'string') return undefined;
  return { journal: line.journal, hash: line.hash, record: line.record };
}

/** As far as whoever shows it relies on it. */
function recordIn({ record }: { readonly record?: unknown }): EvidenceRecord | undefined {
  if (!isRecord(record)) return undefined;
  const { call, event, to, from, at, seq, epoch, detail } = record;
  const isFit =
    typeof call === 'string' &&
    parseCallKey(call) === call &&
    typeof event === 'string' &&
    Object.hasOwn(transitions, event) &&
    [from, to].every((state) => stateNames.some((name) => name === state)) &&
    typeof at === 'string' &&
    !Number.isNaN(Date.parse(at)) &&
    Number.isSafeInteger(seq) &&
    Number.isSafeInteger(epoch) &&
    isRecord(detail);
  return isFit ? (record as unknown as EvidenceRecord) : undefined;
}
