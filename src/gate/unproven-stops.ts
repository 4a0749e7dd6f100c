import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import { grant, type Decision } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { KnownBinding } from './bindings.ts';
import { change, isSameBinding, stateOf } from './change.ts';
import { sleep, type GateDeps } from './context.ts';
import type { StopCause } from './stop.ts';

/** How many stops that Graph has not confirmed one client address may have held at a time. */
const maxPerAddress = 50;
/** And all of them. */
const maxHeld = 1000;
const firstPauseMs = 500;
const longestPauseMs = 10_000;

/** A stop whose token Graph has not accepted or refused yet. */
export interface UnprovenStop {
  readonly call: CallKey;
  /** Whom the unverified token names. */
  readonly by: Binding;
  readonly cause: StopCause;
  /** The client's address. */
  readonly from: string;
  /** Names the token, without being one. */
  readonly name: string;
  readonly detail: JsonObject;
  /** Asks Graph about the token, for this call. */
  readonly ask: () => Promise<'accepted' | 'refused' | 'unanswered'>;
  /** The stop itself, once Graph has accepted the token. */
  readonly stop: () => Promise<Decision<unknown>>;
}

/** A gate that is kept closed while the request that asked for it is being verified. */
export interface Hold {
  /** Graph has not answered that request: it is asked again until it does. */
  keepAsking(): void;
  /** The request is over. What is not asked about any further opens again, unless it was stopped. */
  release(): void;
}

/** What the gate does for it. */
interface Closing {
  readonly ownerOf: (call: CallKey) => Promise<KnownBinding>;
  /** Admits nothing more of the call here, and ends what is in flight. */
  readonly suspend: (call: CallKey) => void;
  /** Lets in again what is still recorded. */
  readonly resume: (call: CallKey) => void;
  /** Gives up what is held here of recordings up to this epoch. */
  readonly shut: (call: CallKey, epoch: number) => void;
  readonly instance: () => string;
}

interface Held {
  readonly stop: UnprovenStop;
  /** Of the recording that was meant; undefined: the store has not said yet. */
  epoch: number | undefined;
  isNoted: boolean;
  isOver: boolean;
  /** Requests that are still being judged. */
  requests: number;
  /** Whether Graph is to be asked from here. */
  keepsAsking: boolean;
  /** Resolves once it is, or once it is over. */
  readonly left: Promise<void>;
  readonly leave: () => void;
}

/**
 * Stops that arrived while Graph did not answer, so their tokens cannot be verified. Meanwhile the gates stay closed
 * on this instance, bounded per client address. When Graph answers, either a normal stop follows, or the same
 * recording is admitted again.
 */
export class UnprovenStops {
  readonly #deps: GateDeps;
  readonly #closing: Closing;
  readonly #held = new Map<string, Held>();
  #closed = false;

  constructor(deps: GateDeps, closing: Closing) {
    this.#deps = deps;
    this.#closing = closing;
  }

  /** undefined: the gate is not held closed for it. */
  async hold(stop: UnprovenStop): Promise<Hold | undefined> {
    const { call, by, cause, from } = stop;
    const owner = await this.#closing.ownerOf(call);
    if (owner === null || owner === undefined || !isSameBinding(owner, by)) return undefined;
    const key = `${call} ${stop.name} ${cause}`;
    const before = this.#held.get(key);
    if (before !== undefined) return this.#handle(key, before);
    const { log } = this.#deps;
    const ofAddress = [...this.#held.values()].filter((one) => one.stop.from === from).length;
    if (this.#closed || ofAddress >= maxPerAddress || this.#held.size >= maxHeld) {
      log.warn(
        { call, from, held: ofAddress },
        'Graph does not answer, and too many unverified stops are held; this one is not held',
      );
      return undefined;
    }
    let leave = (): void => undefined;
    const left = new Promise<void>((resolve) => (leave = resolve));
    const held: Held = {
      ...{ stop, epoch: undefined, isNoted: false, isOver: false },
      ...{ requests: 0, keepsAsking: false, left, leave },
    };
    this.#held.set(key, held);
    this.#closing.suspend(call);
    log.warn(
      { call, from, cause },
      'Graph does not answer, so the token of a stop is unverified: the gate of the call is closed on this instance until Graph answers',
    );
    const handle = this.#handle(key, held);
    void this.#settle(key, held);
    return handle;
  }

  /** A stop of the call that is proven has come: it closes for itself. */
  over(call: CallKey): void {
    for (const [key, held] of this.#held) if (held.stop.call === call) this.#release(key, held);
  }

  close(): void {
    this.#closed = true;
  }

  #handle(key: string, held: Held): Hold {
    let isOver = false;
    held.requests += 1;
    return {
      keepAsking: () => {
        held.keepsAsking = true;
        held.leave();
      },
      release: () => {
        if (isOver) return;
        isOver = true;
        held.requests -= 1;
        if (held.requests === 0 && !held.keepsAsking && !held.isOver) this.#release(key, held);
      },
    };
  }

  /** Until Graph answers, or the recording that was meant is over. */
  async #settle(key: string, held: Held): Promise<void> {
    const { clock, log } = this.#deps;
    const { call } = held.stop;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, 2 * pauseMs)) {
      try {
        if (!(await this.#isMeant(held))) {
          // It was stopped by somebody else, whose announcement may not have arrived yet.
          if (held.epoch !== undefined) this.#closing.shut(call, held.epoch);
          break;
        }
        await this.#note(held);
        await held.left;
        if (!held.isOver) await sleep(clock, pauseMs);
        if (held.isOver || this.#closed) return;
        const verdict = await held.stop.ask();
        if (verdict === 'unanswered') continue;
        log.info({ call, verdict }, 'Graph has answered for an unverified stop');
        // It closes before this one is released.
        if (verdict === 'accepted') void this.#stop(held);
        break;
      } catch (error) {
        log.error({ call, error: messageOf(error) }, 'an unverified stop could not be checked with Graph');
        await sleep(clock, longestPauseMs);
      }
    }
    this.#release(key, held);
  }

  async #stop({ stop }: Held): Promise<void> {
    const { log } = this.#deps;
    const { call } = stop;
    try {
      const stopped = await stop.stop();
      if (!stopped.ok)
        log.warn(
          { call, reason: stopped.reason },
          'a stop whose token Graph has accepted meanwhile is not complete yet',
        );
    } catch (error) {
      log.error(
        { call, error: messageOf(error) },
        'a stop whose token Graph has accepted meanwhile failed with an internal error',
      );
    }
  }

  #release(key: string, held: Held): void {
    held.isOver = true;
    held.leave();
    if (this.#held.get(key) === held) this.#held.delete(key);
    const { call } = held.stop;
    if (![...this.#held.values()].some((one) => one.stop.call === call)) this.#closing.resume(call);
  }

  /** Whether the recording that was to be stopped may still be one; unknown: it may. */
  async #isMeant(held: Held): Promise<boolean> {
    try {
      const { state, epoch } = stateOf(await this.#deps.calls.read(held.stop.call));
      held.epoch ??= epoch;
      return epoch <= held.epoch && (state === 'recording' || state === 'starting');
    } catch (error) {
      if (!isFault(error)) throw error;
      return true;
    }
  }

  /** Puts it into the evidence once, as soon as the store takes it. */
  async #note(held: Held): Promise<void> {
    if (held.isNoted) return;
    const { call, by, cause, detail } = held.stop;
    const claimed = { tenant: by.tenant, app: by.app };
    try {
      const noted = await change(this.#deps, call, { by: null, instance: this.#closing.instance() }, () =>
        grant({ event: { type: 'stopUnproven' }, detail: { cause, claimed, ...detail } }),
      );
      // Refused: the call has ended.
      held.isNoted = true;
      if (!noted.ok)
        this.#deps.log.debug(
          { call, reason: noted.reason },
          'an unverified stop arrived after the call had ended',
        );
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#deps.log.debug(
        { call, error: messageOf(error) },
        'an unverified stop could not be recorded: the store does not answer',
      );
    }
  }
}
