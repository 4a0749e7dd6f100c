import { nextState, retentionMs, type StateName } from '../../core/call/state.ts';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import { shown, type Mismatch } from './format.ts';
import { sumOf } from './refusals.ts';

/** What the last record of a call leaves behind. */
interface Past {
  readonly call: string;
  readonly seq: number;
  readonly hash: string;
  /** Hash of the first record of this history of the call. */
  readonly first: string;
  readonly state: StateName;
  readonly epoch: number;
  /** The highest epoch of any history of the call. */
  readonly highestEpoch: number;
  readonly at: number;
  readonly open: boolean;
  /** How often a clock had been seen to go back by then. */
  readonly stepsBack: number;
  /** How often the evidence had come from another directory by then. */
  readonly moves: number;
}

interface CallsOptions {
  /** Earlier files are not at hand, so a call may appear in the middle of its life. */
  readonly partial: boolean;
  /** The store is known to have lost data: the history of a call may begin anew, or go on from an earlier record. */
  readonly storeLost: boolean;
}

/** By how much the clocks of the store's servers may differ without a step, ms. */
const apartMs = 1000;

const mustBe = (what: string, expected: unknown, found: unknown): Mismatch | undefined =>
  expected === found ? undefined : { expected: `${what} ${shown(expected)}`, found: shown(found) };

/** Replays the records of all calls through the transition table. */
export class Calls {
  readonly #pasts = new Map<string, Past>();
  /** What each record left behind, by its hash; only where a history may go on from it. */
  readonly #earlier = new Map<string, Past>();
  readonly #options: CallsOptions;
  /** Confirmed recordings, and those whose end is not among the records. */
  intervals = 0;
  openIntervals = 0;
  /** Histories that began anew, or went on from an earlier record, for a call that was known before. */
  begunAnew = 0;
  /** Records that note that the store's clock was behind the record before. */
  steps = 0;
  /** Calls of which a record, or a line of observed writes, does not claim that the laws were enforced. */
  readonly notEnforced = new Set<string>();
  /** Writes that the records of calls count as observed. */
  observedWrites = 0;
  /** Raw clock of the records, ms, since it was last seen to go back, and how often it was. */
  #rawAt = -Infinity;
  #stepsBack = 0;
  /** How often the evidence came from another directory, where histories may have gone on meanwhile. */
  moves = 0;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#pasts.size;
  }

  /** After a mismatch the history goes on from this record. */
  take(record: EvidenceRecord): Mismatch | undefined {
    const past = this.#pastOf(record);
    const at = Date.parse(record.at);
    this.#watchClock(at - (record.step ?? 0));
    const anew = past !== undefined && this.#mayBeginAnew(past, record, at);
    const highestEpoch = anew && this.#mayRepeatEpochs(past) ? 0 : (past?.highestEpoch ?? 0);
    const mismatch =
      (past === undefined || anew ? this.#first(record, past, highestEpoch) : this.#next(record, past, at)) ??
      transitionOf(record);
    if (mismatch === undefined && anew) this.begunAnew += 1;
    if (record.step !== null) this.steps += 1;
    if (!record.enforced) this.notEnforced.add(record.call);
    this.observedWrites += sumOf(record.detail.observed);
    this.#keep(record, at, anew ? undefined : past, highestEpoch);
    return mismatch;
  }

  /** The record that this one follows: the last of its call, or an earlier one where the store lost the last changes. */
  #pastOf(record: EvidenceRecord): Past | undefined {
    const known = this.#pasts.get(record.call);
    const elsewhere = known !== undefined && known.moves < this.moves && record.prev !== known.hash;
    const last = elsewhere ? undefined : known;
    const earlier = record.prev === last?.hash ? undefined : this.#earlier.get(record.prev ?? '');
    if (last === undefined || earlier?.call !== record.call) return last;
    this.begunAnew += 1;
    this.openIntervals += Number(earlier.open) - Number(last.open);
    const highestEpoch = this.#mayRepeatEpochs(last) ? earlier.highestEpoch : last.highestEpoch;
    return { ...earlier, highestEpoch };
  }

  /** Epochs follow the store's clock, and only the store and its instances, all of them gone perhaps, knew that it went back. */
  #mayRepeatEpochs(past: Past): boolean {
    return this.#options.storeLost && this.#stepsBack > past.stepsBack;
  }

  #watchClock(raw: number): void {
    const wentBack = raw < this.#rawAt - apartMs;
    if (wentBack) this.#stepsBack += 1;
    this.#rawAt = wentBack ? raw : Math.max(raw, this.#rawAt);
  }

  /**
   * The store forgets a closed call after its retention time; should its id come again, its history begins anew. Where a
   * clock went back meanwhile, times do not show how long that was.
   */
  #mayBeginAnew(past: Past, record: EvidenceRecord, at: number): boolean {
    if (record.seq !== 1 || record.hash === past.first) return false;
    if (this.#options.storeLost) return true;
    const kept = retentionMs(past.state);
    if (kept === undefined) return false;
    return at - past.at >= kept - apartMs || this.#stepsBack > past.stepsBack;
  }

  #first(record: EvidenceRecord, past: Past | undefined, highestEpoch: number): Mismatch | undefined {
    if ((this.#options.partial || this.moves > 0) && past === undefined && record.seq > 1)
      return record.prev === null
        ? { expected: 'the hash of the previous record of the call', found: 'null' }
        : undefined;
    return (
      mustBe('the first record of the call, seq', 1, record.seq) ??
      mustBe('no previous record of the call, prev', null, record.prev) ??
      mustBe('no previous record of the call, step', null, record.step) ??
      mustBe('the initial state,', 'idle', record.from) ??
      epochOf(record, 0, highestEpoch)
    );
  }

  #next(record: EvidenceRecord, past: Past, at: number): Mismatch | undefined {
    return (
      (record.seq === 1
        ? {
            expected: `the next record of the call, seq ${past.seq + 1}`,
            found: '1, as after a data loss of the store (see --store-lost)',
          }
        : mustBe('the next record of the call, seq', past.seq + 1, record.seq)) ??
      mustBe('the hash of the previous record of the call, prev', past.hash, record.prev) ??
      mustBe('the state after the previous record,', past.state, record.from) ??
      epochOf(record, past.epoch, past.highestEpoch) ??
      timeAfter(past.at, at, record)
    );
  }

  #keep(record: EvidenceRecord, at: number, past: Past | undefined, highestEpoch: number): void {
    const wasOpen = past?.open ?? false;
    const opens = record.event === 'startConfirmed';
    const open = opens || (wasOpen && record.event !== 'drained');
    if (opens) this.intervals += 1;
    this.openIntervals += Number(open) - Number(wasOpen);
    const next: Past = {
      call: record.call,
      seq: record.seq,
      hash: record.hash,
      first: past?.first ?? record.hash,
      state: record.to,
      epoch: record.epoch,
      highestEpoch: Math.max(record.epoch, highestEpoch),
      at,
      open,
      stepsBack: this.#stepsBack,
      moves: this.moves,
    };
    this.#pasts.set(record.call, next);
    if (this.#options.storeLost) this.#earlier.set(record.hash, next);
  }
}

function transitionOf({ from, event, to }: EvidenceRecord): Mismatch | undefined {
  const next = nextState(from, event);
  return next === undefined
    ? { expected: `an event that is allowed in state ${from}`, found: shown(event) }
    : mustBe(`the state after ${event},`, next, to);
}

/** Evidence time never goes back, and stands still while the clock is behind it. */
function timeAfter(before: number, at: number, { at: text, step }: EvidenceRecord): Mismatch | undefined {
  if (step === null ? at >= before : at === before) return undefined;
  const what =
    step === null
      ? 'a time not earlier than'
      : 'the time of the previous record, because the clock was behind,';
  return { expected: `${what} ${new Date(before).toISOString()}`, found: text };
}

/** The epoch grows with a start and stays as it is otherwise. */
function epochOf(record: EvidenceRecord, before: number, highest: number): Mismatch | undefined {
  if (record.event !== 'startRequested') return mustBe('the epoch', before, record.epoch);
  return record.epoch > highest
    ? undefined
    : { expected: `an epoch above ${highest} for a new start`, found: shown(record.epoch) };
}
