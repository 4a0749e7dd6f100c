import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EvidenceRecord } from '../../src/core/evidence.ts';
import type { Clock, Outbox, OutboxEntry } from '../../src/core/ports.ts';

export const realClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

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

  claimSink(sink: string): Promise<string> {
    return Promise.resolve((this.sink ??= sink));
  }
}

/** An outbox in files: survives the kill of the process that drains it. One process at a time. */
export class FileOutbox extends MemoryOutbox {
  readonly #removed: string;

  constructor(directory: string) {
    super();
    this.#removed = join(directory, 'removed');
    const lines = (name: string): string[] =>
      readFileSync(join(directory, name), 'utf8')
        .split('\n')
        .filter((line) => line !== '');
    this.add(lines('records').map((line) => JSON.parse(line) as EvidenceRecord));
    const gone = new Set(lines('removed'));
    this.entries = this.entries.filter(({ id }) => !gone.has(id));
  }

  static fill(directory: string, records: readonly EvidenceRecord[]): void {
    writeFileSync(
      join(directory, 'records'),
      records.map((record) => `${JSON.stringify(record)}\n`).join(''),
    );
    writeFileSync(join(directory, 'removed'), '');
  }

  override remove(entries: readonly OutboxEntry[]): Promise<void> {
    appendFileSync(this.#removed, entries.map(({ id }) => `${id}\n`).join(''));
    return super.remove(entries);
  }
}
