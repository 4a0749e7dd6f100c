import type { EvidenceRecord } from '../../core/call/evidence.ts';
import type { CallKey } from '../../core/call/key.ts';
import type { Binding, EventName, StateName } from '../../core/call/state.ts';
import { fieldsOf, readCount, readId, readLabel, readText } from '../../core/notices/values.ts';
import type { ActivityBatch, CallActivity } from '../../core/ports/activity.ts';
import type { JournalPlace } from '../../core/ports/journal-feed.ts';

export interface LastRefusal {
  /** A code of docs/reference/reasons.md. */
  readonly reason: string;
  readonly at: string;
}

/** What the participants show, as far as Graph has told. */
export type RosterView = 'shown' | 'notShown' | 'unknown';

/** So many records of one call can be shown. */
export const shownRecords = 200;
/** So many instances of one call are told apart. */
const maxInstances = 64;

type Counts = Pick<CallActivity, 'writes' | 'bytes'>;

/** Events that nobody outside has caused. */
const ownEvents: readonly EventName[] = ['holderLost', 'stopDeferred', 'stopTakenOver', 'ended'];

/** What the records of one call, and its live activity, come to. Times are ms since the epoch. */
export class CallStory {
  readonly call: CallKey;
  state: StateName = 'idle';
  since = 0;
  /** Whom Graph has accepted for the call. */
  binding: Binding | null = null;
  policy: string | null = null;
  epoch = 0;
  openedAt: string | null = null;
  refused = 0;
  observed = 0;
  lastRefusal: LastRefusal | null = null;
  roster: RosterView = 'unknown';
  lastHeard = 0;
  /** When media was last heard to move; undefined: never. */
  lastMedia: number | undefined;
  endedAt: string | null = null;
  endCause: string | null = null;
  enforced = true;
  contradictedIn: number | undefined;
  establishedAt: number | undefined;
  hasAsked = false;
  startFailed = false;
  /** What Graph answered to the start that failed; null: it is unknown. */
  startCode: string | null = null;
  stopCause: string | null = null;
  /** The latest records, oldest first. */
  readonly places: JournalPlace[] = [];
  /** Of the interval that was closed last, from its record; undefined: one is open. */
  #closed: Counts | undefined;
  /** Of the open interval, by instance. */
  #open = new Map<string, Counts & { readonly epoch: number }>();
  #rate: Counts & { readonly at: number } = { writes: 0, bytes: 0, at: 0 };

  constructor(call: CallKey) {
    this.call = call;
  }

  /** What was admitted in the open or the last interval, as far as told. */
  get admitted(): Counts {
    if (this.#closed !== undefined) return this.#closed;
    const sum = { writes: 0, bytes: 0 };
    for (const { epoch, writes, bytes } of this.#open.values()) {
      if (epoch !== this.epoch) continue;
      sum.writes += writes;
      sum.bytes += bytes;
    }
    return sum;
  }

  /** What was admitted in the second before, if that was lately. */
  rate(now: number): Counts {
    const { writes, bytes, at } = this.#rate;
    return now - at < 2500 ? { writes, bytes } : { writes: 0, bytes: 0 };
  }

  take(record: EvidenceRecord, place: JournalPlace): void {
    const { at, event, from, to, epoch, policy, seq } = record;
    const time = Date.parse(at);
    // The store has lost or forgotten the call: its history begins anew. The call of an id is always the same one's.
    if (seq === 1) Object.assign(this, { hasAsked: false, startFailed: false, stopCause: null });
    if (from !== to || this.places.length === 0) this.since = time;
    this.places.push(place);
    if (this.places.length > shownRecords) this.places.shift();
    this.state = to;
    this.epoch = epoch;
    this.policy = policy ?? this.policy;
    this.enforced = record.enforced;
    if (!ownEvents.includes(event)) this.lastHeard = Math.max(this.lastHeard, time);
    takers[event]?.(this, record);
  }

  /** `at`: when the batch was heard. */
  takeActivity({ instance }: ActivityBatch, activity: CallActivity, at: number): void {
    const { writes, bytes, refused, lastRefusal, total } = activity;
    if (writes > 0 || bytes > 0) {
      const before = this.#rate.at > at - 500 ? this.#rate : { writes: 0, bytes: 0 };
      this.#rate = { writes: before.writes + writes, bytes: before.bytes + bytes, at };
      this.lastMedia = at;
    }
    if (writes > 0 || bytes > 0 || refused > 0) this.lastHeard = Math.max(this.lastHeard, at);
    if (lastRefusal !== null) this.lastRefusal = { reason: lastRefusal, at: new Date(at).toISOString() };
    if (total !== null && (this.#open.has(instance) || this.#open.size < maxInstances))
      this.#open.set(instance, total);
  }

  prove({ tenant, app }: Binding): void {
    const [tenantId, appId] = [readId(tenant), readId(app)];
    if (this.binding === null && tenantId !== null && appId !== null)
      this.binding = { tenant: tenantId, app: appId };
  }

  open(at: string): void {
    this.openedAt = at;
    this.startFailed = false;
    this.stopCause = null;
    this.#closed = undefined;
  }

  close({ detail }: EvidenceRecord): void {
    const writes = fieldsOf(detail.writes);
    this.#open.clear();
    this.#closed = { writes: readCount(writes.admitted) ?? 0, bytes: readCount(writes.bytes) ?? 0 };
  }
}

const takers: Readonly<Partial<Record<EventName, (story: CallStory, record: EvidenceRecord) => void>>> = {
  bound: (story, { by }) => {
    if (by !== null) story.prove(by);
  },
  startRequested: (story) => {
    story.hasAsked = true;
    story.startFailed = false;
  },
  startConfirmed: (story, { at, by }) => {
    if (by !== null) story.prove(by);
    story.open(at);
  },
  startRefused: (story, { detail }) => {
    story.startFailed = true;
    story.startCode = readText(detail.code) ?? 'no error code';
  },
  startUnknown: (story) => {
    story.startFailed = true;
    story.startCode = null;
  },
  stopRequested: (story, { detail, from }) => {
    const isOwn = ['starting', 'recording'].includes(from);
    if (isOwn || story.stopCause === null) story.stopCause = readLabel(detail.cause);
  },
  drained: (story, record) => {
    if (fieldsOf(record.detail.interval).openedAt !== undefined) story.close(record);
  },
  ended: (story, { at, detail }) => {
    story.endedAt = at;
    story.endCause = readLabel(detail.cause);
  },
  writesRefused: (story, { at, detail }) => {
    for (const [reason, count] of Object.entries(fieldsOf(detail.refused))) {
      story.refused += readCount(count) ?? 0;
      story.lastRefusal = { reason: readLabel(reason) ?? 'unknown', at };
    }
    for (const count of Object.values(fieldsOf(detail.observed))) story.observed += readCount(count) ?? 0;
  },
  notified: (story, { at, by, detail }) => {
    if (by !== null) story.prove(by);
    if (detail.state === 'established') story.establishedAt ??= Date.parse(at);
  },
  rosterNotified: (story, { detail }) => {
    story.roster = shownIn(detail.showing);
  },
  contradicted: (story, { detail, epoch }) => {
    story.contradictedIn = epoch;
    story.roster = shownIn(detail.showing);
  },
};

const shownIn = (showing: unknown): RosterView =>
  Array.isArray(showing) && showing.length > 0 ? 'shown' : 'notShown';
