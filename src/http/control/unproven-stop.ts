import { messageOf } from '../../core/errors.ts';
import type { RawAnswer } from '../../core/graph/exchange.ts';
import type { Effect } from '../../core/graph/action-table.ts';
import { judgeStatusBody } from '../../core/graph/bodies.ts';
import type { StopRequest } from '../../gate/stop.ts';
import type { Hold } from '../../gate/unproven-stops.ts';
import { graphAccepts } from './graph-proof.ts';
import { correlationFacts, type CallRequest } from './context.ts';
import { hangUpRequest } from './hang-up.ts';
import { stopRequest } from './recording-status.ts';

/**
 * `graph` mode, while Graph itself does not answer: a stop whose token names those the call belongs to closes the gate
 * here until Graph says whether it takes the token. The claims of an unverified token never do more.
 */
export class UnprovenRequest {
  readonly #request: CallRequest;
  readonly #effect: Effect;
  #held: Promise<Hold | undefined> | undefined;

  constructor(request: CallRequest, effect: Effect) {
    this.#request = request;
    this.#effect = effect;
  }

  /** Closes the gate for as long as the request is judged; nobody waits for it. */
  hold(): void {
    if (this.#held !== undefined) return;
    const { call, deps } = this.#request;
    this.#held = this.#begin().catch((error: unknown) => {
      deps.log.error({ call, error: messageOf(error) }, 'an unverified stop could not be held');
      return undefined;
    });
  }

  /** Graph has not answered: the gate stays closed until it does. */
  async keep(): Promise<void> {
    this.hold();
    (await this.#held)?.keepAsking();
  }

  /** The request is over. */
  release(): void {
    void this.#held?.then((held) => held?.release());
  }

  async #begin(): Promise<Hold | undefined> {
    const { deps, call, caller, req } = this.#request;
    if (caller.who === null) return undefined;
    const stop = await this.#stop();
    if (stop === undefined) return undefined;
    return deps.gate.holdClosed({
      call,
      by: caller.who,
      cause: stop.cause,
      from: deps.clientAddress(req),
      name: caller.tokenHash,
      detail: correlationFacts(this.#request),
      ask: () => graphAccepts(this.#request),
      // Whoever asked has long been answered: the bound of the stop begins anew.
      stop: () => deps.gate.stop({ ...stop, askedAt: deps.now() }),
    });
  }

  /** The stop that is asked for; undefined: it is none. */
  async #stop(): Promise<StopRequest<RawAnswer> | undefined> {
    const request = this.#request;
    if (this.#effect === 'hangUp') return hangUpRequest(request, request.call, request.caller.who);
    if (this.#effect !== 'recordingStatus') return undefined;
    const body = await request.json();
    const asked = body.ok ? judgeStatusBody(body.value.value) : body;
    if (!body.ok || !asked.ok || asked.value.status === 'recording') return undefined;
    return stopRequest(request, body.value, asked.value.status);
  }
}
