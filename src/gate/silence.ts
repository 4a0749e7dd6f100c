import type { CallEnd } from '../core/call-ends.ts';
import type { CallKey } from '../core/call-key.ts';
import type { Decision } from '../core/decision.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { GateDeps } from './context.ts';

const longestRoundMs = 60_000;
const shortestRoundMs = 100;
const maxHeard = 100_000;
/** How many silent calls are looked at in one round. */
const maxPerRound = 200;

export interface Listening extends GateDeps {
  /** Calls whose media moved on this instance since this was asked last. */
  readonly moved: () => readonly CallKey[];
  /** Whether this instance may speak for the calls. */
  readonly isLive: () => boolean;
  readonly end: (call: CallKey, cause: CallEnd) => Promise<Decision<unknown>>;
}

/**
 * Ends calls of which nothing was heard for too long: a bot that died, a notification that never came. What is heard is
 * told to the store once a round for all calls, so that no keepAlive and no media waits for it or costs a command.
 */
export class Silence {
  readonly #deps: Listening;
  readonly #silenceMs: number;
  readonly #roundMs: number;
  #heard = new Set<CallKey>();
  #cancel: () => void = () => undefined;
  #closed = false;

  constructor(deps: Listening, silenceMs: number) {
    this.#deps = deps;
    this.#silenceMs = silenceMs;
    this.#roundMs = Math.min(longestRoundMs, Math.max(shortestRoundMs, silenceMs / 10));
    this.#later();
  }

  heard(call: CallKey): void {
    if (this.#heard.size < maxHeard) this.#heard.add(call);
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #later(): void {
    if (!this.#closed) this.#cancel = this.#deps.clock.after(this.#roundMs, () => void this.#round());
  }

  async #round(): Promise<void> {
    try {
      if (this.#deps.isLive()) {
        await this.#tell();
        await this.#sweep();
      }
    } catch (error) {
      const { log } = this.#deps;
      if (isFault(error, 'StoreUnavailable'))
        log.debug({ error: messageOf(error) }, 'silence is not watched');
      else log.error({ error: messageOf(error) }, 'the watch for silent calls failed');
    }
    this.#later();
  }

  async #tell(): Promise<void> {
    const heard = this.#heard;
    this.#heard = new Set();
    for (const call of this.#deps.moved()) heard.add(call);
    if (heard.size === 0) return;
    try {
      await this.#deps.calls.heard([...heard]);
    } catch (error) {
      for (const call of heard) this.heard(call);
      throw error;
    }
  }

  async #sweep(): Promise<void> {
    // What another instance heard may reach the store a round later.
    const calls = await this.#deps.calls.silent(this.#silenceMs + this.#roundMs, maxPerRound);
    for (const call of calls) if (!this.#closed) await this.#judge(call);
  }

  async #judge(call: CallKey): Promise<void> {
    const { calls, probe, end, log } = this.#deps;
    const { state } = await calls.read(call);
    if (state === null) return calls.forget(call);
    const { binding } = state;
    // Nobody's call, and nothing of it is open: it expires by itself.
    if (binding === null && state.state === 'idle') return calls.heard([call]);
    const found = binding === null || probe === undefined ? 'noCredential' : await probe(call, binding);
    if (found === 'found') {
      log.info({ call }, 'nothing was heard of a call for long, but Graph still knows it');
      return calls.heard([call]);
    }
    if (found === 'unknown') {
      log.warn({ call }, 'nothing was heard of a call for long, and Graph does not say whether it is there');
      return;
    }
    // Asking Graph took time in which something may have been heard.
    if (this.#heard.has(call)) return;
    const ended = await end(call, found === 'gone' ? 'silence' : 'silenceUnconfirmed');
    if (!ended.ok && ended.reason !== 'CallEnded')
      log.warn({ call, reason: ended.reason }, 'a silent call could not be ended yet');
  }
}
