import type { CallKey } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import type { Decision } from '../core/decision.ts';
import { messageOf } from '../core/errors.ts';
import type { GraphAnswer } from '../core/graph-outcome.ts';
import type { ReasonCode } from '../core/reasons.ts';
import type { GateDeps } from './context.ts';
import type { HeardStop } from './heard-stops.ts';
import type { StopCause, Stopped, StopRequest } from './stop.ts';

/** How many stops one instance repeats at a time, each of another call. */
const maxCarried = 1000;
/** For how long a stop is repeated, ms. The gate stays closed here even after that. */
const carriedForMs = 10 * 60_000;
const firstPauseMs = 100;
const longestPauseMs = 5000;

/** What may be otherwise when it is tried again; anything else is an answer. */
const passing: readonly ReasonCode[] = ['StoreUnavailable', 'StatusInProgress', 'DrainTimeout', 'StoreFresh'];
/** Those that are asked for again by who asked: the watch for silent calls, and a start that needs a confirmation. */
const repeatedElsewhere: readonly StopCause[] = ['silence', 'silenceUnconfirmed', 'confirmation'];

type Attempt = (
  request: StopRequest<GraphAnswer>,
  heard: HeardStop,
) => Promise<Decision<Stopped<GraphAnswer>>>;

interface Carried {
  readonly request: StopRequest<GraphAnswer>;
  readonly heard: HeardStop;
  /** Local clock: nobody tries any more after this. */
  readonly until: number;
  /** The attempt under way. */
  attempt: Promise<Decision<Stopped<GraphAnswer>>> | undefined;
  isOver: boolean;
  wake: () => void;
}

/**
 * Rule R6: a stop that could not be completed is repeated by the instance that heard it, so that a bot that gives up
 * leaves no call open elsewhere and no banner on. Bounded, and it does not outlive the process: who asked was told to
 * ask again.
 */
export class CarriedStops {
  readonly #deps: GateDeps;
  readonly #attempt: Attempt;
  readonly #carried = new Map<CallKey, Carried>();
  #closed = false;

  constructor(deps: GateDeps, attempt: Attempt) {
    this.#deps = deps;
    this.#attempt = attempt;
  }

  /**
   * The attempt under way for the very thing that is asked for now, so that Graph is not told twice. Whatever waits for
   * its next turn is left to who asks now.
   */
  join(request: Pick<StopRequest<GraphAnswer>, 'call' | 'by' | 'cause'>): Carried['attempt'] {
    const carried = this.#carried.get(request.call);
    if (carried === undefined || !covers(request, carried.request)) return undefined;
    const { attempt } = carried;
    if (attempt === undefined) this.#end(carried);
    return attempt;
  }

  /** Whether the stop is repeated from now on. */
  carry(request: StopRequest<GraphAnswer>, heard: HeardStop, reason: ReasonCode): boolean {
    const { call, cause } = request;
    if (this.#closed || !passing.includes(reason) || repeatedElsewhere.includes(cause)) return false;
    const before = this.#carried.get(call);
    if (before !== undefined) {
      if (!covers(request, before.request)) return true;
      this.#end(before);
    }
    if (this.#carried.size >= maxCarried) {
      this.#deps.log.error({ call, cause, reason }, 'too many stops are being repeated; this one is not');
      return false;
    }
    const until = this.#deps.clock.now() + carriedForMs;
    const carried = { request, heard, until, attempt: undefined, isOver: false, wake: () => undefined };
    this.#carried.set(call, carried);
    this.#deps.log.warn(
      { call, cause, reason },
      'a stop could not be completed: the gate of the call is closed on this instance, and the stop is repeated',
    );
    void this.#repeat(carried);
    return true;
  }

  close(): void {
    this.#closed = true;
    for (const carried of [...this.#carried.values()]) this.#end(carried);
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
      if (clock.now() >= carried.until) {
        log.error(
          { call, cause },
          'a stop could not be completed for too long and is not repeated any more; the gate stays closed on this instance',
        );
        break;
      }
      carried.attempt = this.#attempt(carried.request, carried.heard);
      const stopped = await carried.attempt.catch((error: unknown) => {
        log.error({ call, cause, error: messageOf(error) }, 'a repeated stop failed inside the gate');
        return undefined;
      });
      carried.attempt = undefined;
      if (stopped === undefined || (!stopped.ok && passing.includes(stopped.reason))) continue;
      log.info({ call, cause, reason: stopped.ok ? null : stopped.reason }, 'a repeated stop is over');
      break;
    }
    this.#end(carried);
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

type Asked = Pick<StopRequest<GraphAnswer>, 'by' | 'cause'>;

/** Whether what is asked for does all that the other would do, for the same who. */
function covers(asked: Asked, other: Asked): boolean {
  if (nameOf(asked.by) !== nameOf(other.by)) return false;
  return statusOnly.includes(other.cause) || asked.cause === other.cause;
}

/** These say something of the recording alone; whatever ends the call says it as well. */
export const statusOnly: readonly StopCause[] = ['notRecording', 'failed', 'notPolicyCall'];

const nameOf = (by: Binding | null): string => (by === null ? '' : `${by.tenant} ${by.app}`);
