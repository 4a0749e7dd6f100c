import type { EvidenceRecord } from '../../core/call/evidence.ts';
import { type GraphCallState, graphCallStates } from '../../core/call/graph-state.ts';
import { toGuid } from '../../core/call/key.ts';
import type { EventName } from '../../core/call/state.ts';
import { fieldsOf, readCount, readId, readLabel, readList, readText } from '../../core/notices/values.ts';
import {
  type Fact,
  type FactList,
  factNames,
  factReaders,
  type CallSummary,
  type CallFlag,
  callFlags,
  listNames,
  listReaders,
  type RecordedInterval,
} from './call.ts';

const maxIntervals = 256;
const maxKinds = 32;
/** Codes of Graph that no repetition cures. */
const permanentCodes = [
  ['8506', 'notPolicyCall'],
  ['7505', 'tenantMismatch'],
] as const;

/** How often what happened, and when first; bounded, whatever the records say. */
class Counts {
  readonly #kinds = new Map<string, { first: string; count: number }>();

  add(kind: string | null, at: string, count = 1): void {
    const named = kind ?? 'unknown';
    const key = this.#kinds.has(named) || this.#kinds.size < maxKinds ? named : 'other';
    const known = this.#kinds.get(key);
    if (known === undefined) this.#kinds.set(key, { first: at, count });
    else known.count += count;
  }

  get list(): { kind: string; first: string; count: number }[] {
    return [...this.#kinds].map(([kind, entry]) => ({ kind, ...entry }));
  }

  get totals(): Record<string, number> {
    return Object.fromEntries(this.list.map(({ kind, count }) => [kind, count]));
  }
}

/** The records of one call, in their order, in bounded memory. */
export class CallHistory {
  readonly #call: string;
  readonly #first: string;
  readonly #facts: Record<Fact, string | null>;
  readonly #lists: Record<FactList, readonly string[]>;
  readonly #states: GraphCallState[] = [];
  readonly #recorded: RecordedInterval[] = [];
  readonly #failedStarts = new Counts();
  readonly #refusedWrites = new Counts();
  readonly #observedWrites = new Counts();
  readonly #contradictions = new Counts();
  readonly #flags = new Set<CallFlag>();
  #last: string;
  #moreRecorded = 0;
  /** The recording that is open now. */
  #open: RecordedInterval | null = null;
  #proven: EvidenceRecord['by'] = null;
  #claimed: EvidenceRecord['by'] = null;
  #begun = false;
  #state: EvidenceRecord['to'];
  #ended: CallSummary['ended'] = null;
  #result: CallSummary['result'] = null;

  constructor(record: EvidenceRecord) {
    this.#call = toGuid(record.call);
    this.#first = record.at;
    this.#last = record.at;
    this.#state = record.from;
    this.#facts = Object.fromEntries(factNames.map((name) => [name, null])) as Record<Fact, null>;
    this.#lists = Object.fromEntries(listNames.map((name) => [name, []])) as unknown as Record<FactList, []>;
    if (record.seq > 1) this.#flags.add('beginningMissing');
    if (record.from === 'recording') this.#open = { opened: null, closed: null, writes: null };
  }

  /** The next record of the call, beginning with the one that was given to the constructor. */
  take(record: EvidenceRecord): void {
    if (record.seq === 1 && this.#begun) this.#beginAnew();
    this.#begun = true;
    if (record.at > this.#last) this.#last = record.at;
    this.#claimed = record.by ?? this.#claimed;
    this.#state = record.to;
    if (!record.enforced) this.#flags.add('notEnforced');
    takers[record.event]?.(this, record);
  }

  summary(): CallSummary {
    const by = this.#proven ?? this.#claimed;
    return {
      call: this.#call,
      tenant: readId(by?.tenant),
      app: readId(by?.app),
      firstRecord: this.#first,
      lastRecord: this.#last,
      ...this.#facts,
      ...this.#lists,
      states: this.#states,
      recorded: this.#open === null ? this.#recorded : [...this.#recorded, this.#open],
      moreRecorded: this.#moreRecorded,
      failedStarts: this.#failedStarts.totals,
      refusedWrites: this.#refusedWrites.totals,
      observedWrites: this.#observedWrites.totals,
      enforced: !this.#flags.has('notEnforced'),
      contradictions: this.#contradictions.list,
      ended: this.#ended,
      result: this.#result,
      flags: (Object.keys(callFlags) as CallFlag[]).filter((flag) => this.#isFlagged(flag)),
    };
  }

  prove(by: EvidenceRecord['by']): void {
    this.#proven ??= by;
  }

  open({ at }: EvidenceRecord): void {
    this.#open = { opened: at, closed: null, writes: null };
  }

  close({ at, detail }: EvidenceRecord): void {
    const opened = readTime(fieldsOf(detail.interval).openedAt);
    if (this.#open === null && (opened === null || !this.#flags.has('beginningMissing'))) return;
    this.#keep({ opened: this.#open?.opened ?? opened, closed: at, writes: writesOf(detail.writes) });
  }

  startFailed(code: string | null, at: string): void {
    this.#failedStarts.add(code, at);
    const codes = code?.split('/') ?? [];
    for (const [permanent, flag] of permanentCodes) if (codes.includes(permanent)) this.flag(flag);
  }

  refuseWrites({ at, detail }: EvidenceRecord): void {
    for (const [counts, found] of [
      [this.#refusedWrites, detail.refused],
      [this.#observedWrites, detail.observed],
    ] as const)
      for (const [reason, count] of Object.entries(fieldsOf(found)))
        counts.add(readLabel(reason), at, readCount(count) ?? 1);
  }

  contradict({ at, detail }: EvidenceRecord): void {
    this.#contradictions.add(readLabel(detail.kind), at);
  }

  notified({ detail, by }: EvidenceRecord): void {
    this.prove(by);
    const state = graphCallStates.find((name) => name === detail.state);
    if (state !== undefined && !this.#states.includes(state)) this.#states.push(state);
    const { code, subcode } = fieldsOf(detail.result);
    if (detail.result !== null && detail.result !== undefined)
      this.#result = { code: readCount(code), subcode: readCount(subcode) };
    const facts = fieldsOf(detail.facts);
    for (const name of factNames) this.#facts[name] ??= factReaders[name](facts[name]);
    for (const name of listNames)
      if (this.#lists[name].length === 0) this.#lists[name] = readList(facts[name], listReaders[name]);
  }

  flag(flag: CallFlag): void {
    this.#flags.add(flag);
  }

  end({ at, detail }: EvidenceRecord): void {
    this.#ended = { at, cause: readLabel(detail.cause) };
  }

  /** The end of what was open is lost. */
  #beginAnew(): void {
    this.#flags.add('begunAnew');
    if (this.#open === null) return;
    this.#flags.add('stillOpen');
    this.#keep(this.#open);
  }

  #keep(interval: RecordedInterval): void {
    this.#open = null;
    if (this.#recorded.length < maxIntervals) this.#recorded.push(interval);
    else this.#moreRecorded += 1;
  }

  #isFlagged(flag: CallFlag): boolean {
    switch (flag) {
      case 'unbound':
        return this.#proven === null && !this.#flags.has('beginningMissing');
      case 'nothingTold':
        return factNames.every((name) => this.#facts[name] === null);
      case 'neverConfirmed':
        return this.#recorded.length === 0 && this.#open === null && !this.#flags.has('beginningMissing');
      case 'stillOpen':
        return this.#open !== null || this.#flags.has(flag);
      case 'stopUnconfirmed':
        return this.#state === 'unconfirmed';
      case 'notEnded':
        return this.#ended === null;
      case 'beginningMissing':
      case 'begunAnew':
      case 'callbackBypassed':
      case 'notPolicyCall':
      case 'tenantMismatch':
      case 'notEnforced':
        return this.#flags.has(flag);
    }
  }
}

const takers: Readonly<Partial<Record<EventName, (history: CallHistory, record: EvidenceRecord) => void>>> = {
  bound: (history, { by }) => history.prove(by),
  startConfirmed: (history, record) => {
    history.prove(record.by);
    history.open(record);
  },
  startRefused: (history, { at, detail }) => history.startFailed(readText(detail.code), at),
  startUnknown: (history, { at }) => history.startFailed(null, at),
  stopRequested: (history, { detail }) => {
    for (const [, flag] of permanentCodes) if (detail.cause === flag) history.flag(flag);
  },
  drained: (history, record) => history.close(record),
  writesRefused: (history, record) => history.refuseWrites(record),
  notified: (history, record) => history.notified(record),
  contradicted: (history, record) => history.contradict(record),
  callbackBypassed: (history) => history.flag('callbackBypassed'),
  ended: (history, record) => history.end(record),
};

function writesOf(value: unknown): RecordedInterval['writes'] {
  const fields = fieldsOf(value);
  const admitted = readCount(fields.admitted);
  const aborted = readCount(fields.aborted);
  const unanswered = readCount(fields.unanswered);
  const bytes = readCount(fields.bytes);
  if (admitted === null || aborted === null || unanswered === null || bytes === null) return null;
  const [discarded, notDiscarded] = [readCount(fields.discarded), readCount(fields.notDiscarded)];
  return {
    ...{ admitted, aborted, unanswered, bytes },
    ...(discarded === null || notDiscarded === null ? {} : { discarded, notDiscarded }),
  };
}

const readTime = (value: unknown): string | null =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) ? value : null;
