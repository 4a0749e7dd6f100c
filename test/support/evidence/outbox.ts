import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EvidenceRecord } from '../../../src/core/call/evidence.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { Backlog, Outbox, OutboxEntry } from '../../../src/core/ports/outbox.ts';

export const realClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** By the times of the records, and the clock of the host. */
const backlogOf = ([oldest, ...others]: readonly OutboxEntry[]): Backlog => ({
  oldest:
    oldest?.record === undefined ? null : { id: oldest.id, ageMs: Date.now() - Date.parse(oldest.record.at) },
  bytes: oldest === undefined ? 0 : (others.length + 1) * JSON.stringify(oldest).length,
});

/** An outbox in memory; its lease runs on the clock it is given. */
export class MemoryOutbox implements Outbox {
  entries: OutboxEntry[] = [];
  sink: string | undefined;
  holder: { readonly owner: string; readonly until: number } | undefined;
  #ids = 0;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'> = realClock) {
    this.#clock = clock;
  }

  add(records: readonly EvidenceRecord[]): void {
    this.entries.push(...records.map((record) => ({ id: `${(this.#ids += 1)}`, record })));
  }

  lease(owner: string, forMs: number): Promise<boolean> {
    const now = this.#clock.now();
    const free = this.holder === undefined || this.holder.owner === owner || this.holder.until <= now;
    if (free) this.holder = { owner, until: now + forMs };
    return Promise.resolve(free);
  }

  release(owner: string): Promise<void> {
    if (this.holder?.owner === owner) this.holder = undefined;
    return Promise.resolve();
  }

  pending(limit: number): Promise<readonly OutboxEntry[]> {
    return Promise.resolve(this.entries.slice(0, limit));
  }

  remove(entries: readonly OutboxEntry[]): Promise<void> {
    const ids = new Set(entries.map(({ id }) => id));
    this.entries = this.entries.filter(({ id }) => !ids.has(id));
    return Promise.resolve();
  }

  depth(): Promise<number> {
    return Promise.resolve(this.entries.length);
  }

  backlog(): Promise<Backlog> {
    return Promise.resolve(backlogOf(this.entries));
  }

  report(): Promise<never> {
    return Promise.reject(new Error('nobody refuses writes here'));
  }

  claimSink(sink: string, insteadOf?: string): Promise<string> {
    return Promise.resolve(
      (this.sink = this.sink === undefined || this.sink === insteadOf ? sink : this.sink),
    );
  }
}

/**
 * An outbox in files: survives its processes and is shared by them. Its lease runs on the clock of the host; only one
 * process at a time may ask for one that has run out.
 */
export class FileOutbox implements Outbox {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  static create(directory: string, records: readonly EvidenceRecord[]): FileOutbox {
    mkdirSync(directory, { recursive: true });
    const outbox = new FileOutbox(directory);
    outbox.#write('records', records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    outbox.#write('removed', '');
    return outbox;
  }

  get entries(): OutboxEntry[] {
    const gone = new Set(this.#lines('removed'));
    return this.#lines('records')
      .map((line, n) => ({ id: String(n), record: JSON.parse(line) as EvidenceRecord }))
      .filter(({ id }) => !gone.has(id));
  }

  /** Time passes, and nobody holds the lease any more. */
  lapse(): void {
    this.#write('lease', '');
  }

  lease(owner: string, forMs: number): Promise<boolean> {
    const [holder, until] = this.#lines('lease');
    const free = holder === undefined || holder === owner || Number(until) <= Date.now();
    if (free) this.#write('lease', `${owner}\n${Date.now() + forMs}\n`);
    return Promise.resolve(free);
  }

  release(owner: string): Promise<void> {
    if (this.#lines('lease')[0] === owner) this.lapse();
    return Promise.resolve();
  }

  pending(limit: number): Promise<readonly OutboxEntry[]> {
    return Promise.resolve(this.entries.slice(0, limit));
  }

  remove(entries: readonly OutboxEntry[]): Promise<void> {
    appendFileSync(join(this.#directory, 'removed'), entries.map(({ id }) => `${id}\n`).join(''));
    return Promise.resolve();
  }

  depth(): Promise<number> {
    return Promise.resolve(this.entries.length);
  }

  backlog(): Promise<Backlog> {
    return Promise.resolve(backlogOf(this.entries));
  }

  report(): Promise<never> {
    return Promise.reject(new Error('nobody refuses writes here'));
  }

  claimSink(sink: string): Promise<string> {
    const [claimed] = this.#lines('sink');
    if (claimed === undefined) this.#write('sink', `${sink}\n`);
    return Promise.resolve(claimed ?? sink);
  }

  #lines(name: string): string[] {
    const path = join(this.#directory, name);
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return text.split('\n').filter((line) => line !== '');
  }

  /** At once, whoever reads or is killed meanwhile. */
  #write(name: string, text: string): void {
    const path = join(this.#directory, name);
    writeFileSync(`${path}.${process.pid}`, text);
    renameSync(`${path}.${process.pid}`, path);
  }
}
