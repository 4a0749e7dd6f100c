import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { CallRow, Head } from '../row.ts';
import { isVisible, type Changes, type Projection, type Scope } from '../projection/projection.ts';
import { eventMessage, keepAliveMessage } from './message.ts';

export interface HubOptions {
  readonly projection: Pick<Projection, 'changes' | 'revision'>;
  readonly headFor: (scope: Scope) => Head;
  readonly maxListeners: number;
  /** Names this process and its start: ids of events of another one mean nothing here. */
  readonly name: string;
  /** A listener that reads nothing of what waits for it for so long is cut, ms. */
  readonly stalledMs?: number;
  readonly keepAliveMs?: number;
  /** Calls in one event at most. */
  readonly page?: number;
  readonly report: {
    readonly listeners: (count: number) => void;
    /** One was cut: it did not keep up. */
    readonly cut: () => void;
  };
}

interface Listener {
  readonly res: ServerResponse;
  readonly scope: Scope;
  /** Names its events: what was left out of them for another scope is not known to have been told. */
  readonly name: string;
  /** Up to which revision it has been told. */
  revision: number;
  /** Up to which revision it needs no removals. */
  clearedUpTo: number;
  /** What was written last has not left yet: nothing more is written, since the next look has everything that is missed. */
  isBehind: boolean;
  stalled: NodeJS.Timeout | undefined;
  head: string;
}

/**
 * Tells listeners what changes. A listener that reads slowly misses what has changed twice, is never owed more than one
 * message, and is cut if it does not read at all.
 */
export class Hub {
  readonly #options: Required<HubOptions>;
  readonly #listeners = new Set<Listener>();
  readonly #keepAlive: NodeJS.Timeout;

  constructor(options: HubOptions) {
    this.#options = { stalledMs: 30_000, keepAliveMs: 15_000, page: 100, ...options };
    this.#keepAlive = setInterval(() => this.#sendAll(() => keepAlive), this.#options.keepAliveMs).unref();
  }

  get size(): number {
    return this.#listeners.size;
  }

  get isFull(): boolean {
    return this.#listeners.size >= this.#options.maxListeners;
  }

  /** Begins a stream that ends at `endsAt` (wall clock, ms). `lastId`: the id of the last event that the client has seen. */
  add(res: ServerResponse, scope: Scope, endsAt: number, lastId: string | undefined): void {
    const name = `${this.#options.name}.${digestOf(scope)}`;
    const revision = this.#revisionOf(name, lastId);
    const listener: Listener = {
      ...{ res, scope, name, isBehind: false, stalled: undefined, head: '' },
      ...{ revision, clearedUpTo: revision },
    };
    this.#listeners.add(listener);
    this.#options.report.listeners(this.size);
    // The longest time that a timer takes: a token that lives longer is looked at again with the next stream.
    const endMs = Math.min(2 ** 31 - 1, Math.max(0, endsAt - Date.now()));
    const end = setTimeout(() => this.#end(listener), endMs).unref();
    res.on('drain', () => {
      clearTimeout(listener.stalled);
      listener.isBehind = false;
      this.#catchUp(listener);
    });
    res.once('close', () => {
      clearTimeout(end);
      clearTimeout(listener.stalled);
      this.#leave(listener);
    });
    this.#catchUp(listener);
  }

  /** Something may have changed. Listeners that have all been told the same are told the next with one text. */
  tell(): void {
    const made = new Map<string, Told>();
    for (const listener of this.#listeners) {
      if (listener.isBehind) continue;
      const key = `${listener.revision} ${listener.clearedUpTo} ${listener.name}`;
      const known = made.get(key) ?? this.#next(listener);
      made.set(key, known);
      this.#deliver(listener, known);
    }
    this.#tellHeads();
  }

  /** How media moves: a listener that is behind misses it. */
  tellActivity(rows: readonly CallRow[]): void {
    if (rows.length === 0) return;
    const made = new Map<string, Buffer>();
    this.#sendAll(({ scope }) => {
      const key = scopeKey(scope);
      const known = made.get(key) ?? Buffer.from(activityMessage(rows, scope));
      made.set(key, known);
      return known;
    });
  }

  close(): void {
    clearInterval(this.#keepAlive);
    for (const listener of [...this.#listeners]) this.#end(listener);
  }

  /** Nothing may be written after the end, which may have to wait for a client that does not read. */
  #end(listener: Listener): void {
    this.#leave(listener);
    clearTimeout(listener.stalled);
    listener.stalled = setTimeout(() => listener.res.destroy(), this.#options.stalledMs).unref();
    listener.res.end();
  }

  #leave(listener: Listener): void {
    if (this.#listeners.delete(listener)) this.#options.report.listeners(this.size);
  }

  #revisionOf(name: string, lastId: string | undefined): number {
    const [, told, revision] = /^(.{1,64})-(\d{1,15})$/.exec(lastId ?? '') ?? [];
    const known = told === name ? Number(revision) : 0;
    return known <= this.#options.projection.revision ? known : 0;
  }

  #catchUp(listener: Listener): void {
    if (!this.#listeners.has(listener)) return;
    if (this.#isTold(listener)) return;
    this.#deliver(listener, this.#next(listener));
    this.#tellHead(listener, new Map());
    // The next page at the next turn, so that one listener does not hold up the others.
    if (!listener.isBehind && !this.#isTold(listener)) setImmediate(() => this.#catchUp(listener));
  }

  #isTold({ revision }: Listener): boolean {
    return revision >= this.#options.projection.revision;
  }

  #next({ revision, clearedUpTo, scope, name }: Listener): Told {
    const { projection, page, headFor } = this.#options;
    const changes = projection.changes(revision, scope, page, clearedUpTo);
    const id = `${name}-${changes.revision}`;
    const { whole, changed, removed } = changes;
    if (whole) return told(changes, eventMessage('snapshot', { calls: changed, head: headFor(scope) }, id));
    const isNews = changed.length > 0 || removed.length > 0;
    return told(changes, isNews ? eventMessage('calls', { changed, removed }, id) : '');
  }

  #deliver(listener: Listener, { changes, bytes }: Told): void {
    listener.revision = changes.revision;
    listener.clearedUpTo = changes.clearedUpTo;
    this.#send(listener, bytes);
  }

  #tellHeads(): void {
    const made = new Map<string, HeadText>();
    for (const listener of this.#listeners) this.#tellHead(listener, made);
  }

  #tellHead(listener: Listener, made: Map<string, HeadText>): void {
    if (listener.isBehind) return;
    const key = scopeKey(listener.scope);
    const head = made.get(key) ?? headText(this.#options.headFor(listener.scope));
    made.set(key, head);
    if (head.news === listener.head) return;
    listener.head = head.news;
    this.#send(listener, head.bytes);
  }

  #sendAll(bytesFor: (listener: Listener) => Buffer): void {
    for (const listener of this.#listeners) if (!listener.isBehind) this.#send(listener, bytesFor(listener));
  }

  #send(listener: Listener, bytes: Buffer): void {
    if (bytes.length === 0 || listener.res.write(bytes)) return;
    listener.isBehind = true;
    clearTimeout(listener.stalled);
    listener.stalled = setTimeout(() => this.#cut(listener), this.#options.stalledMs).unref();
  }

  #cut({ res }: Listener): void {
    this.#options.report.cut();
    res.destroy();
  }
}

/** A message that several listeners get; empty: there is nothing to tell. */
interface Told {
  readonly changes: Changes;
  readonly bytes: Buffer;
}

const told = (changes: Changes, text: string): Told => ({ changes, bytes: Buffer.from(text) });

const keepAlive = Buffer.from(keepAliveMessage);

interface HeadText {
  readonly bytes: Buffer;
  /** The same for a head that says nothing new: how far the journal has been read is told every ten seconds. */
  readonly news: string;
}

const headText = (head: Head): HeadText => ({
  bytes: Buffer.from(eventMessage('head', head)),
  news: JSON.stringify({ ...head, asOf: head.asOf.slice(0, 18) }),
});

const scopeKey = (scope: Scope): string => (scope === null ? '*' : [...scope].sort().join());

const digestOf = (scope: Scope): string =>
  createHash('sha256').update(scopeKey(scope)).digest('hex').slice(0, 16);

/** Empty: nothing of it may be seen. */
function activityMessage(rows: readonly CallRow[], scope: Scope): string {
  const calls = rows
    .filter(({ tenant }) => isVisible(scope, tenant))
    .map(({ id, writesPerSecond, bytesPerSecond }) => ({ id, writesPerSecond, bytesPerSecond }));
  return calls.length === 0 ? '' : eventMessage('activity', { calls });
}
