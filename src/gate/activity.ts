import type { CallKey } from '../core/call/key.ts';
import { messageOf } from '../core/errors.ts';
import { type ActivityFeed, type CallActivity, watchedForMs } from '../core/ports/activity.ts';
import type { ReasonCode } from '../core/reasons.ts';
import type { GateParts } from './context.ts';
import type { Grant } from './write.ts';

const everyMs = 1000;
const callsPerBatch = 1000;
/** Refused writes of so many calls are counted between two batches. */
const maxRefused = 10_000;

interface ActivityDeps extends Pick<GateParts, 'clock' | 'log' | 'newId'> {
  readonly feed: ActivityFeed;
}

type Counts = Pick<CallActivity, 'writes' | 'bytes'>;
type Refused = Pick<CallActivity, 'refused' | 'lastRefusal'>;

const nothing: Counts = { writes: 0, bytes: 0 };
const noneRefused: Refused = { refused: 0, lastRefusal: null };

/** Publishes what moves on this instance, while somebody looks. */
export class Activity {
  readonly #deps: ActivityDeps;
  readonly #grants: () => Iterable<Grant>;
  /** Names this instance in its batches. */
  readonly #name: string;
  /** What was published of each grant; undefined: nobody has looked so far, so that the first look is given the totals. */
  #published: Map<Grant, Counts> | undefined;
  #refused = new Map<CallKey, Refused>();
  /** Local clock, ms. */
  #watchedUntil = -Infinity;
  #cancel: (() => void) | undefined;
  #stopListening: () => void = () => undefined;
  #closed = false;

  constructor(deps: ActivityDeps, grants: () => Iterable<Grant>) {
    this.#deps = deps;
    this.#grants = grants;
    this.#name = deps.newId();
  }

  async open(): Promise<void> {
    const { feed, log } = this.#deps;
    try {
      const stop = await feed.onWatch(() => this.#watch());
      if (this.#closed) stop();
      else this.#stopListening = stop;
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'could not subscribe to requests for live activity');
    }
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#cancel?.();
  }

  /** A write was refused. */
  refused(call: CallKey, reason: ReasonCode): void {
    if (this.#cancel === undefined) return;
    const { refused } = this.#refused.get(call) ?? noneRefused;
    if (refused > 0 || this.#refused.size < maxRefused)
      this.#refused.set(call, { refused: refused + 1, lastRefusal: reason });
  }

  #watch(): void {
    if (this.#closed) return;
    this.#watchedUntil = this.#deps.clock.now() + watchedForMs;
    this.#cancel ??= this.#deps.clock.after(0, () => this.#turn());
  }

  #turn(): void {
    const { clock } = this.#deps;
    if (clock.now() >= this.#watchedUntil) {
      this.#cancel = undefined;
      this.#published = undefined;
      this.#refused = new Map();
      return;
    }
    this.#cancel = clock.after(everyMs, () => this.#turn());
    this.#publish();
  }

  #publish(): void {
    const { feed, log } = this.#deps;
    const moved = this.#moved();
    for (let from = 0; from < moved.length; from += callsPerBatch) {
      const batch = { instance: this.#name, calls: moved.slice(from, from + callsPerBatch) };
      feed.publish(batch).catch((error: unknown) => {
        log.debug({ error: messageOf(error) }, 'live activity could not be published');
      });
    }
  }

  #moved(): CallActivity[] {
    const refused = this.#refused;
    this.#refused = new Map();
    const before = this.#published;
    const published = new Map<Grant, Counts>();
    this.#published = published;
    const moved = new Map<CallKey, CallActivity>();
    for (const grant of this.#grants()) {
      const now: Counts = { writes: grant.admitted, bytes: grant.bytes };
      published.set(grant, now);
      // Whoever has just begun to look needs the totals, and has seen nothing move.
      const { writes, bytes } = before === undefined ? now : (before.get(grant) ?? nothing);
      const added = { writes: now.writes - writes, bytes: now.bytes - bytes };
      const isNews = before === undefined ? now.writes > 0 : added.writes > 0 || added.bytes > 0;
      if (!isNews) continue;
      moved.set(grant.call, {
        call: grant.call,
        ...added,
        ...noneRefused,
        total: { epoch: grant.epoch, ...now },
      });
    }
    for (const [call, counts] of refused)
      moved.set(call, { ...(moved.get(call) ?? { call, ...nothing, total: null }), ...counts });
    return [...moved.values()];
  }
}
