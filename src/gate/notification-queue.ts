import type { CallKey } from '../core/call/key.ts';
import { messageOf } from '../core/errors.ts';
import { sleep } from './context.ts';
import { take, type Lesson, type Taken, type Teaching } from './apply-notification.ts';

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

const weightOf = ({ notice }: Lesson): number => (notice.kind === 'roster' ? 1 + notice.entries.length : 1);

/**
 * What Graph's notifications teach, taken in behind the bot's back: in order per call, tried again for as long as the
 * store is away, bounded. Nobody waits for it.
 */
export class Learner {
  readonly #teaching: Teaching;
  readonly #waiting = new Map<CallKey, Lesson[]>();
  readonly #ready: CallKey[] = [];
  #weight = 0;
  /** Wakes lessons that are to be tried again. */
  readonly #resting = new Set<() => void>();
  #busy = 0;
  #isDue = false;
  #closing = false;
  #closed = false;
  #whenIdle: () => void = () => undefined;

  constructor(teaching: Teaching) {
    this.#teaching = teaching;
  }

  /** Returns at once: whoever needs to know whose a call is before it is learned finds it among the bindings. */
  learn(lessons: readonly Lesson[]): void {
    for (const lesson of lessons) this.#add(lesson);
    this.#attend();
  }

  /** Takes in what can be taken in within `withinMs`; for the rest there is silence. */
  async close(withinMs: number): Promise<void> {
    this.#closing = true;
    for (const wake of [...this.#resting]) wake();
    if (this.#waiting.size === 0) return;
    const idle = new Promise<void>((resolve) => (this.#whenIdle = resolve));
    await Promise.race([idle, sleep(this.#teaching.clock, withinMs)]);
    this.#closed = true;
  }

  #add(lesson: Lesson): void {
    const { meter, log, sizes } = this.#teaching;
    const { maxWaitingNotices = defaultMaxWaiting } = sizes ?? {};
    const weight = weightOf(lesson);
    const { call, kind } = lesson.notice;
    if (this.#closing || this.#weight + weight > maxWaitingNotices) {
      meter.notice(kind, 'dropped', 1);
      log.error({ call, kind }, 'a notification reached the bot, but there was no room to learn from it');
      return;
    }
    this.#weight += weight;
    this.#teaching.bindings.expect(call, lesson.by);
    const queue = this.#waiting.get(call);
    if (queue !== undefined) {
      queue.push(lesson);
      return;
    }
    this.#waiting.set(call, [lesson]);
    this.#ready.push(call);
  }

  /** A few at a time: a batch of thousands must not keep the process from its bots. */
  #attend(): void {
    for (let begun = 0; this.#busy < maxBusy && begun < perTurn; begun += 1) {
      const call = this.#ready.shift();
      if (call === undefined) return;
      this.#busy += 1;
      void this.#teach(call);
    }
    this.#attendLater();
  }

  #attendLater(): void {
    if (this.#isDue || this.#ready.length === 0 || this.#busy >= maxBusy) return;
    this.#isDue = true;
    this.#teaching.clock.after(0, () => {
      this.#isDue = false;
      this.#attend();
    });
  }

  /** The lessons of one call, in order; one that cannot be taken now keeps the later ones waiting. */
  async #teach(call: CallKey): Promise<void> {
    const queue = this.#waiting.get(call) ?? [];
    let taught = 0;
    for (let retryMs = firstRetryMs; queue[0] !== undefined;) {
      const [lesson] = queue;
      const taken = await this.#inSlot(() => this.#take(lesson));
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
      if (taken === 'ended' || taken === 'stranger') lesson.heard?.drop();
      if ((taught += 1) % perTurn === 0) await sleep(this.#teaching.clock, 0);
      this.#weight -= weightOf(lesson);
      this.#teaching.meter.notice(lesson.notice.kind, taken === 'again' ? 'dropped' : taken, 1);
    }
    this.#waiting.delete(call);
    this.#teaching.bindings.learned(call);
    this.#busy -= 1;
    this.#attendLater();
    if (this.#waiting.size === 0) this.#whenIdle();
  }

  /** A call that drains, or waits for the store, keeps nobody else waiting. */
  async #inSlot<T>(run: () => Promise<T>): Promise<T> {
    const slot = { isGiven: false };
    const cancel = this.#teaching.clock.after(slowMs, () => {
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
    if (this.#closing) return sleep(this.#teaching.clock, firstRetryMs);
    return new Promise((resolve) => {
      const over = (): void => {
        cancel();
        this.#resting.delete(over);
        resolve();
      };
      const cancel = this.#teaching.clock.after(ms, over);
      this.#resting.add(over);
    });
  }

  async #take(lesson: Lesson): Promise<Taken> {
    try {
      return await take(this.#teaching, lesson);
    } catch (error) {
      const { call, kind } = lesson.notice;
      this.#teaching.log.error(
        { call, kind, error: messageOf(error) },
        'a notification could not be learned',
      );
      return 'dropped';
    }
  }
}
