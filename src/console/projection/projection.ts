import { isInScope, type StandingHold } from '../../core/call/hold.ts';
import { type CallKey, toGuid } from '../../core/call/key.ts';
import { retentionMs } from '../../core/call/state.ts';
import type { EvidenceRecord } from '../../core/call/evidence.ts';
import type { ActivityBatch } from '../../core/ports/activity.ts';
import type { JournalListener, JournalPlace } from '../../core/ports/journal-feed.ts';
import type { CallRow } from '../row.ts';
import { type AttentionKind, attentionOf } from './attention.ts';
import { CallStory } from './call-story.ts';
import { whyNotRecorded } from './why-not.ts';

export interface ProjectionOptions {
  /** Wall clock, ms since the epoch. */
  readonly now: () => number;
  readonly policyName: (digest: string) => string | undefined;
  /** Calls that are kept; those that ended first are dropped first. */
  readonly maxCalls?: number;
}

/** A call that may be seen, and when it last changed. */
interface Entry {
  readonly story: CallStory;
  row: CallRow;
  revision: number;
}

interface Removed {
  readonly revision: number;
  readonly call: CallKey;
  readonly tenant: string | null;
}

/** The tenants whose calls may be seen; null: all. */
export type Scope = readonly string[] | null;

/** What has changed since a revision; `whole`: nothing that came before it counts any more. */
export interface Changes {
  readonly whole: boolean;
  readonly changed: readonly CallRow[];
  readonly removed: readonly string[];
  readonly revision: number;
  /** What was removed up to this revision the reader does not have, or has been told of. */
  readonly clearedUpTo: number;
}

const maxRemoved = 10_000;

export const isVisible = (scope: Scope, tenant: string | null): boolean =>
  scope === null || (tenant !== null && scope.includes(tenant));

/** The calls of the journal, as they are now. It is in memory only, and begins anew with the journal. */
export class Projection implements JournalListener {
  readonly #options: Required<ProjectionOptions>;
  /** In the order of their last change. */
  #calls = new Map<CallKey, Entry>();
  #revision = 1;
  /** Before this revision everything was another journal. */
  #begunAt = 1;
  #removed: Removed[] = [];
  /** The latest removal that is not remembered. */
  #forgotten = 0;
  #holds: readonly StandingHold[] = [];
  #idle: ReadonlySet<CallKey> = new Set();
  #watchedSince: number | undefined;
  #lastRecordAt = 0;

  constructor({ maxCalls = 50_000, ...options }: ProjectionOptions) {
    this.#options = { maxCalls, ...options };
  }

  get revision(): number {
    return this.#revision;
  }

  /** When the last record that was read was made; 0: none was. */
  get lastRecordAt(): number {
    return this.#lastRecordAt;
  }

  begin(): void {
    this.#calls = new Map();
    this.#removed = [];
    this.#revision += 1;
    this.#begunAt = this.#revision;
    this.#lastRecordAt = 0;
  }

  take(record: EvidenceRecord, place: JournalPlace): void {
    const { call } = record;
    const story = this.#calls.get(call)?.story ?? new CallStory(call);
    story.take(record, place);
    this.#lastRecordAt = Math.max(this.#lastRecordAt, Date.parse(record.at));
    this.#put(story, this.#rowOf(story));
    if (this.#calls.size > this.#options.maxCalls) this.#makeRoom();
  }

  /** Calls of which media moved, or was refused. */
  takeActivity(batches: readonly ActivityBatch[]): readonly CallRow[] {
    const now = this.#options.now();
    const moved = new Set<Entry>();
    for (const batch of batches)
      for (const activity of batch.calls) {
        const entry = this.#calls.get(activity.call);
        if (entry === undefined) continue;
        entry.story.takeActivity(batch, activity, now);
        moved.add(entry);
        if (activity.refused > 0) this.#refresh(entry);
      }
    return [...moved].map(({ story }) => this.#rowOf(story));
  }

  /** Whether live activity is heard from now on without a gap. */
  watched(isWatched: boolean): void {
    this.#watchedSince = isWatched ? (this.#watchedSince ?? this.#options.now()) : undefined;
  }

  setHolds(holds: readonly StandingHold[]): void {
    this.#holds = holds;
  }

  setIdle(calls: readonly CallKey[]): void {
    this.#idle = new Set(calls);
  }

  /** What comes of time alone: attention, and calls that need not be shown any more. */
  tick(): void {
    const now = this.#options.now();
    const today = new Date(now).toISOString().slice(0, 10);
    for (const entry of [...this.#calls.values()]) {
      if (isOver(entry.story, now, today)) this.#remove(entry);
      else if (this.#showsOtherwise(entry)) this.#refresh(entry);
    }
  }

  get(call: CallKey): { readonly row: CallRow; readonly places: readonly JournalPlace[] } | undefined {
    const entry = this.#calls.get(call);
    return entry && { row: this.#rowOf(entry.story), places: entry.story.places };
  }

  /** Every call that may be seen, the latest change of state first. */
  list(scope: Scope): CallRow[] {
    return [...this.#calls.values()]
      .filter(({ row }) => isVisible(scope, row.tenant))
      .map(({ story }) => this.#rowOf(story))
      .sort((a, b) => compare(b.since, a.since) || compare(a.id, b.id));
  }

  count(scope: Scope): { readonly onAir: number; readonly attention: number } {
    const counts = { onAir: 0, attention: 0 };
    for (const { row } of this.#calls.values()) {
      if (!isVisible(scope, row.tenant)) continue;
      if (row.state === 'recording') counts.onAir += 1;
      if (row.attention.length > 0) counts.attention += 1;
    }
    return counts;
  }

  /**
   * What has changed after a revision, at most `limit` calls, the earliest changes first. `since` 0: everything. `clearedUpTo`:
   * as it came with the changes before.
   */
  changes(since: number, scope: Scope, limit: number, clearedUpTo = since): Changes {
    const whole = clearedUpTo < this.#begunAt || clearedUpTo < this.#forgotten;
    const after = whole ? 0 : since;
    const changed: CallRow[] = [];
    let { revision } = this;
    for (const entry of this.#calls.values()) {
      if (entry.revision <= after || !isVisible(scope, entry.row.tenant)) continue;
      if (changed.length === limit) {
        revision = entry.revision - 1;
        break;
      }
      changed.push(this.#rowOf(entry.story));
    }
    const removed = whole
      ? []
      : this.#removed.filter(
          (one) =>
            one.revision > after &&
            one.revision <= revision &&
            isVisible(scope, one.tenant) &&
            !this.#calls.has(one.call),
        );
    return {
      ...{ whole, changed, revision: Math.max(revision, this.#begunAt) },
      clearedUpTo: whole ? this.revision : Math.max(clearedUpTo, revision),
      removed: removed.map(({ call }) => toGuid(call)),
    };
  }

  #put(story: CallStory, row: CallRow): void {
    this.#revision += 1;
    this.#calls.delete(story.call);
    this.#calls.set(story.call, { story, row, revision: this.#revision });
  }

  /** A change that no record has made counts only if it shows. */
  #refresh({ story, row }: Entry): void {
    const next = this.#rowOf(story);
    if (lastingOf(next) !== lastingOf(row)) this.#put(story, next);
  }

  /** Whether anything differs that no record and no activity changes; rows are costly to make. */
  #showsOtherwise({ story, row }: Entry): boolean {
    const { isHeld, attention } = this.#judge(story);
    return (
      isHeld !== row.held || attention.join() !== row.attention.join() || this.#policyOf(story) !== row.policy
    );
  }

  #judge(story: CallStory): { readonly isHeld: boolean; readonly attention: readonly AttentionKind[] } {
    const { state, binding, call } = story;
    const isHeld = state !== 'ended' && this.#holds.some(({ scope }) => isInScope(scope, binding));
    const attention = attentionOf(story, {
      now: this.#options.now(),
      isHeld,
      watchedSince: this.#watchedSince,
      isIdle: this.#idle.has(call),
    });
    return { isHeld, attention };
  }

  #policyOf({ policy }: CallStory): string | null {
    return policy === null ? null : (this.#options.policyName(policy) ?? policy);
  }

  #remove({ story: { call }, row: { tenant } }: Entry): void {
    this.#calls.delete(call);
    this.#revision += 1;
    this.#removed.push({ revision: this.#revision, call, tenant });
    if (this.#removed.length <= maxRemoved) return;
    this.#forgotten = this.#removed.shift()?.revision ?? 0;
  }

  /** Drops a tenth at a time: calls that have ended first, then those that are not recorded. */
  #makeRoom(): void {
    const wanted = Math.ceil(this.#options.maxCalls / 10);
    const rank = ({ row: { state } }: Entry): number => (state === 'ended' ? 0 : state === 'idle' ? 1 : 2);
    const dropped = [...this.#calls.values()].sort((a, b) => rank(a) - rank(b)).slice(0, wanted);
    for (const entry of dropped) this.#remove(entry);
  }

  #rowOf(story: CallStory): CallRow {
    const now = this.#options.now();
    const { binding, admitted } = story;
    const rate = story.rate(now);
    const { isHeld, attention } = this.#judge(story);
    return {
      id: toGuid(story.call),
      state: story.state,
      since: isoTime(story.since),
      tenant: binding?.tenant ?? null,
      app: binding?.app ?? null,
      policy: this.#policyOf(story),
      epoch: story.epoch,
      openedAt: story.openedAt,
      ...admitted,
      writesPerSecond: rate.writes,
      bytesPerSecond: rate.bytes,
      lastRefusal: story.lastRefusal,
      refused: story.refused,
      observed: story.observed,
      roster: story.roster,
      lastHeard: story.lastHeard === 0 ? null : isoTime(story.lastHeard),
      endedAt: story.endedAt,
      endCause: story.endCause,
      attention,
      notRecordedBecause: whyNotRecorded(story),
      held: isHeld,
      enforced: story.enforced,
    };
  }
}

const isoTime = (ms: number): string => new Date(ms).toISOString();
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** What a listener must hear of; how media moves is told by events of its own. */
const lastingOf = ({
  writes: _writes,
  bytes: _bytes,
  writesPerSecond: _writesPerSecond,
  bytesPerSecond: _bytesPerSecond,
  lastHeard: _lastHeard,
  ...row
}: CallRow): string => JSON.stringify(row);

/** Calls that ended are shown until the end of the day (UTC), others for as long as the store keeps them. */
function isOver({ state, endedAt, lastHeard, since }: CallStory, now: number, today: string): boolean {
  if (state === 'ended') return endedAt === null || endedAt.slice(0, 10) < today;
  const keptMs = retentionMs(state);
  return keptMs !== undefined && now - Math.max(lastHeard, since) > keptMs;
}
