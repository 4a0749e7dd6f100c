import type { CallKey } from '../core/call/key.ts';
import { messageOf } from '../core/errors.ts';
import { sleep } from './context.ts';
import {
  applyNotification,
  type ReceivedNotice,
  type ApplyResult,
  type NotificationDeps,
} from './apply-notification.ts';

/** How many calls are attended to at a time. */
const maxBusy = 128;
/** How much may wait for a store that does not answer: notifications, and participants named in them. */
const defaultMaxWaiting = 50_000;
/** How many are begun in one turn of the event loop. */
const perTurn = 8;
/** What takes longer is not counted among those that are attended to. */
const slowMs = 250;
const firstRetryMs = 100;
const longestRetryMs = 5000;

const weightOf = ({ notice }: ReceivedNotice): number =>
  notice.kind === 'roster' ? 1 + notice.entries.length : 1;

/**
 * Processes notifications independently of the bot: in order per call, retried while the store is unavailable, and
 * bounded. No request waits for it.
 */
export class NotificationQueue {
  readonly #deps: NotificationDeps;
  readonly #waiting = new Map<CallKey, ReceivedNotice[]>();
  readonly #ready: CallKey[] = [];
  #weight = 0;
  /** Wakes notifications that wait for a retry. */
  readonly #resting = new Set<() => void>();
  #busy = 0;
  #isDue = false;
  #closing = false;
  #closed = false;
  #whenIdle: () => void = () => undefined;

  constructor(deps: NotificationDeps) {
    this.#deps = deps;
  }

  /** Returns at once: whoever needs the owner of a call before that finds it among the bindings. */
  add(notices: readonly ReceivedNotice[]): void {
    for (const received of notices) this.#add(received);
    this.#attend();
  }

  /** Processes what it can within `withinMs`; the rest is not processed. */
  async close(withinMs: number): Promise<void> {
    this.#closing = true;
    for (const wake of [...this.#resting]) wake();
    if (this.#waiting.size === 0) return;
    const idle = new Promise<void>((resolve) => (this.#whenIdle = resolve));
    await Promise.race([idle, sleep(this.#deps.clock, withinMs)]);
    this.#closed = true;
  }

  #add(received: ReceivedNotice): void {
    const { meter, log, sizes } = this.#deps;
    const { maxWaitingNotices = defaultMaxWaiting } = sizes ?? {};
    const weight = weightOf(received);
    const { call, kind } = received.notice;
    if (this.#closing || this.#weight + weight > maxWaitingNotices) {
      meter.notice(kind, 'dropped', 1);
      if (this.#closing)
        log.warn(
          { call, kind },
          'a notification was forwarded to the bot but not processed: this instance is shutting down',
        );
      else
        log.error(
          { call, kind },
          'a notification was forwarded to the bot but not processed: the queue is full',
        );
      return;
    }
    this.#weight += weight;
    this.#deps.bindings.addPending(call, received.by);
    const queue = this.#waiting.get(call);
    if (queue !== undefined) {
      queue.push(received);
      return;
    }
    this.#waiting.set(call, [received]);
    this.#ready.push(call);
  }

  /** A few at a time: a batch of thousands must not keep the process from its bots. */
  #attend(): void {
    for (let begun = 0; this.#busy < maxBusy && begun < perTurn; begun += 1) {
      const call = this.#ready.shift();
      if (call === undefined) return;
      this.#busy += 1;
      void this.#apply(call);
    }
    this.#attendLater();
  }

  #attendLater(): void {
    if (this.#isDue || this.#ready.length === 0 || this.#busy >= maxBusy) return;
    this.#isDue = true;
    this.#deps.clock.after(0, () => {
      this.#isDue = false;
      this.#attend();
    });
  }

  /** The notices of one call, in order; one that cannot be taken now keeps the later ones waiting. */
  async #apply(call: CallKey): Promise<void> {
    const queue = this.#waiting.get(call) ?? [];
    let applied = 0;
    for (let retryMs = firstRetryMs; queue[0] !== undefined;) {
      const [received] = queue;
      const taken = await this.#inSlot(() => this.#take(received));
      if (taken === 'again' && !this.#closed) {
        // Meanwhile others are attended to.
        this.#busy -= 1;
        this.#attendLater();
        await this.#rest(retryMs);
        this.#busy += 1;
        retryMs = Math.min(longestRetryMs, 2 * retryMs);
        continue;
      }
      retryMs = firstRetryMs;
      queue.shift();
      // The store lets nobody in any more, or the call is somebody else's: nothing is left to close here.
      if (taken === 'ended' || taken === 'stranger') received.stopMark?.drop();
      if ((applied += 1) % perTurn === 0) await sleep(this.#deps.clock, 0);
      this.#weight -= weightOf(received);
      this.#deps.meter.notice(received.notice.kind, taken === 'again' ? 'dropped' : taken, 1);
    }
    this.#waiting.delete(call);
    this.#deps.bindings.removePending(call);
    this.#busy -= 1;
    this.#attendLater();
    if (this.#waiting.size === 0) this.#whenIdle();
  }

  /** A call that drains, or waits for the store, keeps nobody else waiting. */
  async #inSlot<T>(run: () => Promise<T>): Promise<T> {
    const slot = { isGiven: false };
    const cancel = this.#deps.clock.after(slowMs, () => {
      slot.isGiven = true;
      this.#busy -= 1;
      this.#attendLater();
    });
    try {
      return await run();
    } finally {
      cancel();
      if (slot.isGiven) this.#busy += 1;
    }
  }

  /** Until the time is over, or the end of this instance is near. */
  #rest(ms: number): Promise<void> {
    if (this.#closing) return sleep(this.#deps.clock, firstRetryMs);
    return new Promise((resolve) => {
      const over = (): void => {
        cancel();
        this.#resting.delete(over);
        resolve();
      };
      const cancel = this.#deps.clock.after(ms, over);
      this.#resting.add(over);
    });
  }

  async #take(received: ReceivedNotice): Promise<ApplyResult> {
    try {
      return await applyNotification(this.#deps, received);
    } catch (error) {
      const { call, kind } = received.notice;
      this.#deps.log.error({ call, kind, error: messageOf(error) }, 'a notification could not be processed');
      return 'dropped';
    }
  }
}
