import type { CallEnd } from '../core/call/ends.ts';
import type { CallKey } from '../core/call/key.ts';
import type { Decision } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { GateDeps } from './context.ts';

const longestRoundMs = 60_000;
const shortestRoundMs = 100;
const maxTouched = 100_000;
/** How many idle calls are checked in one round. */
const maxPerRound = 200;
/** After an outage of the store every instance has reported activity before any call is judged. */
const roundsBeforeJudging = 3;
/** For how many rounds a call is not checked again when Graph gave no conclusive answer. */
const unsureRounds = 2;
const maxUnsure = 5000;

export interface IdleCallsOwner extends GateDeps {
  /** Calls whose media moved on this instance since this was asked last. */
  readonly moved: () => readonly CallKey[];
  /** Whether this instance may speak for the calls. */
  readonly isLive: () => boolean;
  readonly end: (call: CallKey, cause: CallEnd) => Promise<Decision<unknown>>;
}

/**
 * Ends calls that have been idle for too long, for example because a bot crashed or a notification was lost. Activity
 * is reported to the store once per round for all calls, so that no keepAlive or media request waits for it or costs
 * a command.
 */
export class IdleCalls {
  readonly #deps: IdleCallsOwner;
  readonly #silenceMs: number;
  readonly #roundMs: number;
  #touched = new Set<CallKey>();
  /** Calls for which Graph gave no conclusive answer, and the round in which they are checked again. */
  readonly #unsure = new Map<CallKey, number>();
  #round = 0;
  #goodRounds = 0;
  #isSweeping = false;
  #cancel: () => void = () => undefined;
  #closed = false;

  constructor(deps: IdleCallsOwner, silenceMs: number) {
    this.#deps = deps;
    this.#silenceMs = silenceMs;
    this.#roundMs = Math.min(longestRoundMs, Math.max(shortestRoundMs, silenceMs / 10));
    this.#later();
  }

  touch(call: CallKey): void {
    if (this.#touched.size < maxTouched) this.#touched.add(call);
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #later(): void {
    if (!this.#closed) this.#cancel = this.#deps.clock.after(this.#roundMs, () => void this.#turn());
  }

  /** Reporting never waits for judging: Graph may be slow, and drains take time. */
  async #turn(): Promise<void> {
    this.#round += 1;
    const reported = await this.#well(() => this.#report());
    this.#goodRounds = reported && this.#deps.isLive() ? this.#goodRounds + 1 : 0;
    if (this.#goodRounds >= roundsBeforeJudging && !this.#isSweeping) {
      this.#isSweeping = true;
      void this.#well(() => this.#sweep()).finally(() => (this.#isSweeping = false));
    }
    this.#later();
  }

  /** Whether it went well; a fault is logged. */
  async #well(run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      const { log } = this.#deps;
      if (isFault(error, 'StoreUnavailable'))
        log.debug({ error: messageOf(error) }, 'idle calls are not checked');
      else log.error({ error: messageOf(error) }, 'the check for idle calls failed');
      return false;
    }
  }

  async #report(): Promise<void> {
    const touched = this.#touched;
    this.#touched = new Set();
    for (const call of this.#deps.moved()) touched.add(call);
    if (touched.size === 0) return;
    try {
      await this.#deps.calls.touch([...touched]);
    } catch (error) {
      for (const call of touched) this.touch(call);
      throw error;
    }
  }

  /** Checks the idle calls first; activity in the meantime counts before any of them is ended. */
  async #sweep(): Promise<void> {
    const verdicts = new Map<CallKey, CallEnd>();
    for (const call of await this.#idle()) {
      if (this.#closed) return;
      const verdict = await this.#alone(call, () => this.#judge(call));
      if (verdict !== undefined) verdicts.set(call, verdict);
    }
    if (verdicts.size === 0) return;
    await this.#report();
    for (const call of await this.#idle()) {
      const verdict = verdicts.get(call);
      if (verdict !== undefined && !this.#closed) await this.#alone(call, () => this.#end(call, verdict));
    }
  }

  /** A call whose state cannot be read does not keep others from being judged. */
  async #alone<T>(call: CallKey, run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (isFault(error, 'StoreUnavailable')) throw error;
      this.#deps.log.error({ call, error: messageOf(error) }, 'an idle call could not be checked');
      this.#notSoon(call);
      return undefined;
    }
  }

  /** The calls that have been idle longest, without those that are to be checked later. */
  async #idle(): Promise<readonly CallKey[]> {
    for (const [call, until] of this.#unsure) if (until <= this.#round) this.#unsure.delete(call);
    // Activity on another instance may reach the store a round later.
    const forMs = this.#silenceMs + this.#roundMs;
    const calls = await this.#deps.calls.idle(forMs, maxPerRound + this.#unsure.size);
    return calls.filter((call) => !this.#unsure.has(call)).slice(0, maxPerRound);
  }

  /** How the call is to end; undefined: not now. */
  async #judge(call: CallKey): Promise<CallEnd | undefined> {
    const { calls, probe, log } = this.#deps;
    const { state } = await calls.read(call);
    // The store forgot it in the meantime.
    if (state === null) return undefined;
    const { binding } = state;
    const found = binding === null || probe === undefined ? 'noCredential' : await probe(call, binding);
    if (found === 'gone') return 'silence';
    if (found === 'noCredential') return 'silenceUnconfirmed';
    if (found === 'found') {
      log.info({ call }, 'a call is idle, but Graph confirms that it exists');
      await calls.touch([call]);
      return undefined;
    }
    log.warn({ call }, 'a call is idle, and Graph did not say whether it exists');
    this.#notSoon(call);
    return undefined;
  }

  #notSoon(call: CallKey): void {
    if (this.#unsure.size < maxUnsure) this.#unsure.set(call, this.#round + unsureRounds);
  }

  async #end(call: CallKey, cause: CallEnd): Promise<void> {
    const ended = await this.#deps.end(call, cause);
    if (!ended.ok && ended.reason !== 'CallEnded')
      this.#deps.log.warn({ call, reason: ended.reason }, 'an idle call could not be ended yet');
  }
}
