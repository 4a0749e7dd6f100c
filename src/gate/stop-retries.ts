import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import type { Decision } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import type { GraphAnswer } from '../core/graph/outcome.ts';
import type { ReasonCode } from '../core/reasons.ts';
import type { GateDeps } from './context.ts';
import type { StopMark } from './stop-marks.ts';
import type { StopCause, Stopped, StopRequest } from './stop.ts';

/** How many stops one instance repeats at a time, each of another call. */
const maxCarried = 1000;
/** For how long a stop is repeated once it is known which recording is meant, ms. Its gate stays closed here even then. */
const carriedForMs = 10 * 60_000;
/** How many others, asked for differently, may wait until the one of their call is over. */
const maxBehind = 8;
const firstPauseMs = 100;
const longestPauseMs = 5000;

/** What may be otherwise when it is tried again; anything else is an answer. */
const passing: readonly ReasonCode[] = ['StoreUnavailable', 'StatusInProgress', 'DrainTimeout', 'StoreFresh'];

/** Whether a stop that was refused for this reason may succeed later. */
export const isPassing = (reason: ReasonCode): boolean => passing.includes(reason);

/** Those that nobody outside has asked for, and that whoever asked asks for again where it is still to be done. */
const repeatedElsewhere: readonly StopCause[] = ['silence', 'silenceUnconfirmed', 'confirmation'];

/** Whether the stop comes from the idle-call check, or from a start that needs a confirmation. */
export const isAskedAgain = (cause: StopCause): boolean => repeatedElsewhere.includes(cause);

type Attempt = (request: StopRequest<GraphAnswer>, mark: StopMark) => Promise<Decision<Stopped<GraphAnswer>>>;

interface Unfinished {
  readonly request: StopRequest<GraphAnswer>;
  readonly mark: StopMark;
  /** Local clock. */
  readonly since: number;
  /** Local clock: nobody tries any more after this, once it is known which recording is meant. */
  readonly until: number;
}

interface Carried extends Unfinished {
  /** What was asked for differently meanwhile: the store has to say what it meant as well. */
  readonly behind: Unfinished[];
  /** The attempt under way. */
  attempt: Promise<Decision<Stopped<GraphAnswer>>> | undefined;
  isOver: boolean;
  wake: () => void;
}

/**
 * Rule R6: the instance that received a stop retries it until it completes, so that a bot that gives up leaves no
 * gate open on other instances and no recording banner on. The retries are bounded and end with the process; the
 * client was asked to send the stop again.
 */
export class StopRetries {
  readonly #deps: GateDeps;
  readonly #attempt: Attempt;
  readonly #carried = new Map<CallKey, Carried>();
  #closed = false;

  constructor(deps: GateDeps, attempt: Attempt) {
    this.#deps = deps;
    this.#attempt = attempt;
  }

  /**
   * The attempt under way for the very thing that is asked for now, so that it is not sent to Graph twice. Whatever waits for
   * its next turn is left to who asks now.
   */
  join(request: Pick<StopRequest<GraphAnswer>, 'call' | 'by' | 'cause'>): Carried['attempt'] {
    const carried = this.#carried.get(request.call);
    if (carried === undefined || !covers(request, carried.request)) return undefined;
    const { attempt } = carried;
    if (attempt === undefined) this.#finish(carried);
    // One that is for less leaves undone what is asked for now, such as the end of the call.
    return request.cause === carried.request.cause ? attempt : undefined;
  }

  /** Whether the stop is repeated from now on. */
  add(request: StopRequest<GraphAnswer>, mark: StopMark, reason: ReasonCode): boolean {
    const { call, cause } = request;
    if (this.#closed || !isPassing(reason) || isAskedAgain(cause)) return false;
    const since = this.#deps.clock.now();
    const until = since + carriedForMs;
    const before = this.#carried.get(call);
    if (before !== undefined && !covers(request, before.request))
      return wait(before.behind, { request, mark, since, until });
    if (before !== undefined) this.#end(before);
    const unfinished = {
      ...{ request, until },
      mark: outstanding(before === undefined ? [] : [before], mark),
      // Whatever is asked for besides, the recording should have ended when it was asked for first.
      since: before?.since ?? since,
    };
    if (this.#carried.size >= maxCarried) {
      this.#deps.log.error(
        { call, cause, reason },
        'too many stops are being retried; this one is not retried',
      );
      return false;
    }
    this.#deps.log.warn(
      { call, cause, reason },
      'a stop could not be completed: the gate of the call is closed on this instance, and the stop is retried',
    );
    this.#begin(unfinished, before?.behind ?? []);
    return true;
  }

  /** Since when the oldest is retried, local clock; undefined: none is. */
  oldest(): number | undefined {
    const all = [...this.#carried.values()].map(({ since }) => since);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  close(): void {
    this.#closed = true;
    for (const carried of [...this.#carried.values()]) this.#end(carried);
  }

  #begin(unfinished: Unfinished, behind: Unfinished[]): void {
    const carried = { ...unfinished, behind, attempt: undefined, isOver: false, wake: () => undefined };
    this.#carried.set(unfinished.request.call, carried);
    void this.#repeat(carried);
  }

  #end(carried: Carried): void {
    carried.isOver = true;
    const { call } = carried.request;
    if (this.#carried.get(call) === carried) this.#carried.delete(call);
    carried.wake();
  }

  async #repeat(carried: Carried): Promise<void> {
    const { clock, log } = this.#deps;
    const { call, cause } = carried.request;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, 2 * pauseMs)) {
      await this.#pause(carried, pauseMs);
      if (carried.isOver) return;
      // As long as the store has not said which recording is meant, every later one would be closed here as well.
      if (clock.now() >= carried.until && carried.mark.epoch !== undefined) {
        log.error(
          { call, cause },
          'a stop could not be completed for too long and is no longer retried; the gate stays closed on this instance',
        );
        break;
      }
      carried.attempt = this.#attempt(carried.request, carried.mark);
      const stopped = await carried.attempt.catch((error: unknown) => {
        log.error({ call, cause, error: messageOf(error) }, 'a retried stop failed with an internal error');
        return undefined;
      });
      carried.attempt = undefined;
      if (stopped === undefined || (!stopped.ok && isPassing(stopped.reason))) continue;
      log.info({ call, cause, reason: stopped.ok ? null : stopped.reason }, 'a retried stop has finished');
      break;
    }
    this.#finish(carried);
  }

  /** What was asked for differently meanwhile comes next. */
  #finish(carried: Carried): void {
    if (carried.isOver) return;
    this.#end(carried);
    const [next, ...behind] = carried.behind;
    if (next !== undefined && !this.#closed) this.#begin(next, behind);
  }

  #pause(carried: Carried, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.after(ms, resolve);
      carried.wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Whether it waits from now on, in place of what it does as well. */
function wait(behind: Unfinished[], unfinished: Unfinished): boolean {
  const isReplaced = ({ request }: Unfinished): boolean => covers(unfinished.request, request);
  const others = behind.filter((one) => !isReplaced(one));
  if (others.length >= maxBehind) return false;
  const mark = outstanding(behind.filter(isReplaced), unfinished.mark);
  behind.splice(0, Infinity, ...others, { ...unfinished, mark });
  return true;
}

/**
 * What is carried on in place of others: one of which it is not known yet which recording is meant, if there is one. Left
 * behind, it would close every later recording.
 */
const outstanding = (replaced: readonly Unfinished[], mark: StopMark): StopMark =>
  replaced.find((one) => one.mark.epoch === undefined)?.mark ?? mark;

type Asked = Pick<StopRequest<GraphAnswer>, 'by' | 'cause'>;

/** Whether what is asked for does all that the other would do, for the same who. */
function covers(asked: Asked, other: Asked): boolean {
  if (nameOf(asked.by) !== nameOf(other.by)) return false;
  return statusOnly.includes(other.cause) || asked.cause === other.cause;
}

/** Causes that concern only the recording; causes that end the call imply them. */
export const statusOnly: readonly StopCause[] = ['notRecording', 'failed', 'notPolicyCall', 'operator'];

const nameOf = (by: Binding | null): string => (by === null ? '' : `${by.tenant} ${by.app}`);
