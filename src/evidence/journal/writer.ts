import { type HoldLine, lineKinds } from '../../core/call/evidence-lines.ts';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import { Fault, isFault, messageOf } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Meter } from '../../core/ports/meter.ts';
import type { Outbox, OutboxEntry } from '../../core/ports/outbox.ts';
import type { FileSink } from './file-sink.ts';
import { contentOf, nameOf } from './journal.ts';
import { FlushWaiters } from './waiters.ts';

export interface EvidenceWriterDeps {
  readonly outbox: Outbox;
  readonly sink: FileSink;
  /** Names this process to the lease, and in the lines that say what it repaired. */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Pick<Meter, 'evidence'>;
  /** How long the one lease lasts without renewal, ms. */
  readonly leaseMs?: number;
  /** How long to wait when nothing is pending, ms. */
  readonly idleMs?: number;
  /** How often the numbers are reported at most, ms; what waits, if anything does, is counted for each report. */
  readonly reportMs?: number;
  /** Records per write; 1000 at most, since the sink must recognise a whole batch after a crash. */
  readonly batch?: number;
  /** The id of the directory that the store's evidence went to before, if it is to go on in this one. */
  readonly movedFrom?: string | undefined;
  /** Whether this process may write into the store at all; otherwise the evidence waits for another. */
  readonly mayLead?: () => boolean;
  /** The holds that stand, as lines: a journal that goes on in another directory begins with them. */
  readonly standingHolds?: () => readonly HoldLine[];
  /** Hears of every record of the store once it is durable, whichever instance made it. */
  readonly onDurable?: (record: EvidenceRecord) => void;
}

export interface EvidenceWriter {
  /** Resolves when everything pending at the call is durable; rejects with the fault that is in the way. */
  flush(): Promise<void>;
  /** Ends after the write under way, gives back lease and directory. Does not flush. */
  stop(): Promise<void>;
  readonly state: EvidenceWriterState;
  /** What is in the way of writing, for an operator; undefined: nothing, or another instance writes. */
  obstacle(): string | undefined;
}

/**
 * - `waiting`   another instance drains the outbox
 * - `writing`   this one does
 * - `foreign`   the store's evidence belongs to another directory
 * - `failing`   store or disk is in the way; it is tried again
 * - `stopped`
 */
type EvidenceWriterState = 'waiting' | 'writing' | 'foreign' | 'failing' | 'stopped';

const longestBackOffMs = 5000;
/** Failures of the sink in a row after which another instance may try. */
const handOverAfter = 4;
/** So many obstacles of one episode are logged. */
const maxLogged = 20;

/** Drains the store's outbox to the sink, as long as this instance holds the lease. Never throws, never gives up. */
export function startEvidenceWriter(deps: EvidenceWriterDeps): EvidenceWriter {
  const batch = deps.batch ?? 500;
  if (!Number.isInteger(batch) || batch < 1 || batch > 1000)
    throw new Fault('ConfigurationInvalid', `an evidence batch must have 1 to 1000 records, not ${batch}`);
  const writer = new Writer({
    leaseMs: 10_000,
    idleMs: 250,
    reportMs: 5000,
    onDurable: () => undefined,
    standingHolds: () => [],
    mayLead: () => true,
    movedFrom: undefined,
    ...deps,
    batch,
  });
  writer.start();
  return writer;
}

class Writer implements EvidenceWriter {
  readonly #deps: Required<EvidenceWriterDeps>;
  readonly #flushes = new FlushWaiters();
  #state: EvidenceWriterState = 'waiting';
  /** Local clock: from then on another process may hold the lease. Counts from before the lease was asked for. */
  #leaseUntil = -Infinity;
  #recovered = false;
  #written = 0;
  /** The last turn found nothing. */
  #nothingWaits = false;
  /** Local clock: when what waits was last counted. */
  #reportedAt = -Infinity;
  /** What has been in the way since when, and what of it was logged: each obstacle once. */
  #episode:
    { obstacle: string; readonly logged: Set<string>; readonly since: number; failures: number } | undefined;
  #stopping = false;
  /** There is a reason not to pause. */
  #nudged = false;
  #endPause: () => void = () => undefined;
  #loop = Promise.resolve();

  constructor(deps: Required<EvidenceWriterDeps>) {
    this.#deps = deps;
  }

  get state(): EvidenceWriterState {
    return this.#state;
  }

  obstacle(): string | undefined {
    return this.#episode?.obstacle;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async flush(): Promise<void> {
    const { outbox } = this.#deps;
    const entries = await outbox.pending(await outbox.depth());
    if (this.#stopping) throw stopped();
    if (entries.length === 0) return;
    const durable = this.#flushes.add(entries.map(({ id }) => id));
    this.#nudge();
    await durable;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#nudge();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#nudged = false;
      let pauseMs: number;
      try {
        pauseMs = await this.#turn();
      } catch (error) {
        pauseMs = await this.#failed(error);
      }
      await this.#report();
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
    this.#state = 'stopped';
    this.#flushes.rejectAll(stopped());
    await this.#handOver();
  }

  /** Takes one batch from the outbox to the sink; returns how long to wait before the next, ms. */
  async #turn(): Promise<number> {
    const { outbox, sink, owner, clock, idleMs, leaseMs, batch, mayLead } = this.#deps;
    if (!mayLead()) {
      this.#succeeded('waiting');
      this.#flushes.rejectAll(notLeading());
      await this.#stepDown();
      return idleMs;
    }
    if (!(await this.#lead())) {
      await this.#stepDown();
      return (await this.#othersFlush()) ? idleMs : Math.max(idleMs, leaseMs / 4);
    }
    if (!this.#recovered) {
      await sink.recover(owner);
      this.#recovered = true;
    }
    const flushes = this.#flushes.current();
    const entries = await outbox.pending(batch);
    this.#nothingWaits = entries.length === 0;
    const fresh = this.#unwritten(entries);
    if (fresh.length > 0) {
      // A write takes time too, so the last tenth of the lease is left unused.
      const mayWrite = (): boolean => clock.now() < this.#leaseUntil - leaseMs / 10;
      if (!(await sink.append(fresh.map(contentOf), mayWrite))) {
        await this.#stepDown();
        return 0;
      }
      this.#written += fresh.length;
      for (const { record } of fresh) if (record !== undefined) this.#deps.onDurable(record);
    }
    if (entries.length === 0) {
      this.#succeeded('writing');
      this.#flushes.settle(flushes, () => false);
      return idleMs;
    }
    await outbox.remove(entries);
    this.#succeeded('writing');
    const durable = new Set(entries.map(({ id }) => id));
    this.#flushes.settle(this.#flushes.current(), (id) => !durable.has(id));
    return 0;
  }

  /** Takes or renews the lease, unless the store's evidence belongs to another directory. */
  async #lead(): Promise<boolean> {
    const { outbox, sink, owner, clock, leaseMs, movedFrom } = this.#deps;
    const asked = clock.now();
    if (asked < this.#leaseUntil - leaseMs / 2) return true;
    const claimed = await outbox.claimSink(sink.id);
    if (claimed !== sink.id && claimed !== movedFrom) {
      this.#foreign(claimed);
      return false;
    }
    const before = clock.now();
    if (!(await outbox.lease(owner, leaseMs))) {
      this.#leaseUntil = -Infinity;
      this.#succeeded('waiting');
      return false;
    }
    // Another process may have written in the gap.
    if (clock.now() >= this.#leaseUntil) this.#recovered = false;
    this.#leaseUntil = before + leaseMs;
    return claimed === sink.id || (await this.#move(claimed));
  }

  /** Goes on in this directory: first its journal says where the evidence was before, then the store says that it is here. */
  async #move(from: string): Promise<boolean> {
    const { outbox, sink, owner, log, standingHolds } = this.#deps;
    await sink.recover(owner);
    const at = new Date().toISOString();
    const moved = { version: lineKinds.moved.version, at, instance: owner, from };
    await sink.append([{ moved }, ...standingHolds().map((hold) => ({ hold }))]);
    this.#recovered = true;
    if ((await outbox.claimSink(sink.id, from)) !== sink.id) return false;
    log.info({ from, to: sink.id }, 'the evidence of this store continues in this directory');
    return true;
  }

  /** What the sink does not have yet: after a crash between append and remove, the outbox still offers it. */
  #unwritten(entries: readonly OutboxEntry[]): OutboxEntry[] {
    const seen = new Set<string>();
    return entries.filter((entry) => {
      const name = nameOf(entry);
      const known = this.#deps.sink.has(entry) || seen.has(name);
      seen.add(name);
      return !known;
    });
  }

  /** Another process may write from now on. */
  async #stepDown(): Promise<void> {
    this.#leaseUntil = -Infinity;
    this.#recovered = false;
    await this.#deps.sink.close().catch((error: unknown) => {
      this.#deps.log.warn({ error: messageOf(error) }, 'the evidence directory could not be closed');
    });
  }

  /** Steps down, and lets the next process in at once. */
  async #handOver(): Promise<void> {
    await this.#stepDown();
    await this.#deps.outbox.release(this.#deps.owner).catch((error: unknown) => {
      this.#deps.log.debug({ error: messageOf(error) }, 'the evidence lease will expire by itself');
    });
  }

  #foreign(claimed: string): void {
    const { sink } = this.#deps;
    const text =
      `the evidence of this store is written to another directory (sink ${claimed}, not ${sink.id}): ` +
      'all instances must share one evidence directory, so this instance writes nothing. ' +
      `If this directory shall replace it, set TALLYLIGHT_EVIDENCE_MOVED_FROM=${claimed}`;
    this.#count(text, { sink: sink.id, claimed }, text);
    this.#state = 'foreign';
    this.#flushes.rejectAll(new Fault('EvidenceUnwritable', text));
  }

  /** Returns how long to wait before the next attempt, ms. */
  async #failed(error: unknown): Promise<number> {
    const fault = isFault(error) ? error : new Fault('Internal', messageOf(error), { cause: error });
    const failures = this.#count(
      `evidence cannot be written: ${fault.message}`,
      { code: fault.code, error: fault.message },
      'evidence cannot be written; it stays in the store, and writing is retried',
    );
    this.#state = 'failing';
    this.#nothingWaits = false;
    this.#flushes.rejectAll(fault);
    if (fault.code !== 'StoreUnavailable') {
      this.#recovered = false;
      // Another instance may have the better disk.
      if (failures >= handOverAfter) await this.#handOver();
    }
    return Math.min(longestBackOffMs, this.#deps.idleMs * 2 ** Math.min(failures - 1, 10));
  }

  /** How often anything has been in the way without a success in between. */
  #count(obstacle: string, facts: JsonObject, text: string): number {
    this.#episode ??= { obstacle, logged: new Set(), since: this.#deps.clock.now(), failures: 0 };
    const { logged } = this.#episode;
    this.#episode.obstacle = obstacle;
    if (!logged.has(obstacle) && logged.size < maxLogged) {
      logged.add(obstacle);
      this.#deps.log.error(facts, text);
    }
    return (this.#episode.failures += 1);
  }

  #succeeded(state: EvidenceWriterState): void {
    this.#state = state;
    if (this.#episode === undefined) return;
    const { since, failures } = this.#episode;
    this.#episode = undefined;
    const seconds = (this.#deps.clock.now() - since) / 1000;
    this.#deps.log.info({ failures, seconds }, 'evidence writing has recovered');
  }

  /** Another instance drains: what left the outbox is durable. True: somebody still waits. */
  async #othersFlush(): Promise<boolean> {
    const { outbox } = this.#deps;
    const flushes = this.#flushes.current();
    if (flushes.length === 0) return false;
    const left = new Set((await outbox.pending(await outbox.depth())).map(({ id }) => id));
    this.#flushes.settle(flushes, (id) => left.has(id));
    return this.#flushes.current().length > 0;
  }

  async #report(): Promise<void> {
    const { meter, clock, reportMs } = this.#deps;
    if (clock.now() - this.#reportedAt < reportMs) return;
    this.#reportedAt = clock.now();
    try {
      const backlog = await this.#backlog();
      meter.evidence({ ...backlog, written: this.#written });
      this.#written = 0;
    } catch (error) {
      this.#deps.log.debug(
        { error: messageOf(error) },
        'the number of evidence records that wait is unknown',
      );
    }
  }

  /** Whoever writes knows what waits; nobody else asks. */
  async #backlog(): Promise<{ readonly waiting?: number; readonly oldestSeconds?: number }> {
    const { outbox } = this.#deps;
    if (this.#state === 'waiting') return {};
    if (this.#nothingWaits) return { waiting: 0, oldestSeconds: 0 };
    const [waiting, { oldest }] = await Promise.all([outbox.depth(), outbox.backlog()]);
    return { waiting, oldestSeconds: (oldest?.ageMs ?? 0) / 1000 };
  }

  #nudge(): void {
    this.#nudged = true;
    this.#endPause();
  }

  #pause(ms: number): Promise<void> {
    if (this.#nudged) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}

const notLeading = (): Fault =>
  new Fault(
    'EvidenceUnwritable',
    'this instance has not joined the store, so another instance must write the evidence that waits there',
  );
const stopped = (): Fault => new Fault('EvidenceUnwritable', 'the evidence writer is stopped');
