import { type HoldLine, lineKinds } from '../core/call/evidence-lines.ts';
import type { HoldScope, StandingHold } from '../core/call/hold.ts';
import type { CallKey } from '../core/call/key.ts';
import type { Binding } from '../core/call/state.ts';
import { type Decision, grant, refuse } from '../core/decision.ts';
import type { Sent } from '../core/graph/exchange.ts';
import type { GraphAnswer } from '../core/graph/outcome.ts';
import { type Act, type ByHand, type ClosedByHand, type HoldChange, isReason } from './by-hand.ts';
import type { KnownBinding } from './bindings.ts';
import type { StatusDeps } from './context.ts';
import { HeldRecordings } from './held-recordings.ts';
import { HoldActs } from './hold-acts.ts';
import { Holds } from './holds.ts';
import type { OwnSession } from './revoke-holders.ts';
import { stop, type Stopped, type StopRequest } from './stop.ts';
import type { Grant } from './write.ts';

/** What the gate lends them. */
interface OperatorsDeps {
  readonly deps: StatusDeps;
  readonly instance: () => string;
  readonly own: () => OwnSession;
  /** As soon as possible: it tells the store what this instance acts on. */
  readonly heartbeat: () => void;
  readonly grants: () => readonly Pick<Grant, 'call' | 'epoch' | 'binding'>[];
  /** Stops admitting what is held of a call up to an epoch, before it returns. */
  readonly shut: (call: CallKey, epoch: number) => void;
  /** Who a call belongs to, as far as that is known; undefined: the store has to be asked. */
  readonly ownerOf: (call: CallKey) => Binding | null | undefined;
  readonly readOwner: (call: CallKey) => Promise<KnownBinding>;
  readonly stop: (request: StopRequest<GraphAnswer>) => Promise<Decision<Stopped<GraphAnswer>>>;
}

interface AskedStart {
  readonly call: CallKey;
  readonly by: Binding | null;
}

type Unsent = Extract<Sent, { readonly kind: 'notSent' }>;

/** What operators do by hand, and what this instance does about it. */
export class Operators implements ByHand {
  readonly acting: Holds;
  readonly #gate: OperatorsDeps;
  readonly #acts: HoldActs;
  readonly #recordings: HeldRecordings;
  /** Starts whose end is not known. */
  readonly #starting = new Set<AskedStart>();

  constructor(gate: OperatorsDeps) {
    this.#gate = gate;
    this.acting = new Holds(gate.deps, { changed: () => this.#close(), known: gate.heartbeat });
    const shared = { gate: gate.deps, holds: this.acting };
    this.#recordings = new HeldRecordings({ ...shared, stop: (call, owner) => this.#stopHeld(call, owner) });
    this.#acts = new HoldActs({
      ...shared,
      instance: gate.instance,
      heartbeat: gate.heartbeat,
      sweep: () => void this.#recordings.sweep(),
    });
  }

  close(): void {
    this.#acts.close();
    this.#recordings.close();
    this.acting.close();
  }

  /** A hold that comes while a start is under way shuts it out. */
  async duringStart<T>(start: AskedStart, run: () => Promise<T>): Promise<T> {
    this.#starting.add(start);
    try {
      return await run();
    } finally {
      this.#starting.delete(start);
    }
  }

  async closeByHand(call: CallKey, { by, reason }: Act): Promise<Decision<ClosedByHand>> {
    if (!isReason(reason)) return refuse('HoldInvalid');
    const asked = [...this.#starting].find((one) => one.call === call);
    const stopped = await this.#gate.stop({
      ...{ call, by: null, cause: 'operator', graph: this.#tellingGraph(call, asked?.by ?? null) },
      detail: { operator: { issuer: by.issuer, subject: by.subject }, operatorReason: reason },
      // A made-up id must not leave a state, nor close a call that is yet to come.
      meant: ({ seq }) => (seq === 0 ? 'stranger' : undefined),
    });
    if (!stopped.ok) return stopped;
    const { sent } = stopped.value;
    const told = sent === undefined || sent.kind === 'notSent' ? 'nobody' : 'graph';
    return grant({ ...stopped.value, told });
  }

  hold(request: Act & { readonly scope: HoldScope }): Promise<Decision<HoldChange>> {
    return this.#acts.hold(request);
  }

  release(id: string, act: Act): Promise<Decision<HoldChange>> {
    return this.#acts.release(id, act);
  }

  holds(): readonly StandingHold[] {
    return this.acting.standing;
  }

  holdsObstacle(): string | undefined {
    return this.acting.obstacle;
  }

  /** The holds that stand in the store, as lines of the journal. */
  standingLines(): readonly HoldLine[] {
    const instance = this.#gate.instance();
    return this.acting.standing
      .filter(({ number }) => number > 0)
      .map((hold) => ({
        ...hold,
        ...{ version: lineKinds.hold.version, act: 'set', closedUpTo: null, instance },
      }));
  }

  /** Closes what a hold closes now before it returns, and has its recording stopped. */
  #close(): void {
    for (const { call, epoch, binding } of this.#gate.grants()) {
      if (!this.acting.closes({ epoch, binding })) continue;
      this.#gate.shut(call, epoch);
      this.#recordings.add(call, binding);
    }
    for (const { call, by } of this.#starting)
      if (this.acting.closes({ epoch: Infinity, binding: by })) this.#recordings.add(call, by);
  }

  #stopHeld(call: CallKey, owner: Binding | null): Promise<Decision<unknown>> {
    const request: StopRequest<GraphAnswer> = {
      ...{ call, by: null, cause: 'hold', graph: this.#tellingGraph(call, owner) },
      detail: { holds: this.acting.standing.map(({ id }) => id) },
    };
    // The hold itself keeps the gate closed, on every instance: there is nothing to remember, nor to announce.
    return stop(this.#gate.deps, this.#gate.own(), request, {
      judge: (state) => {
        if (['idle', 'ended'].includes(state.state)) return 'lapsed';
        const isOpen = state.state === 'recording' || state.state === 'starting';
        return isOpen && !this.acting.closes(state) ? 'lapsed' : 'own';
      },
      stored: () => undefined,
    });
  }

  /**
   * How Graph is told of a stop that no bot asked for; undefined: there is no credential for it. `asked`: who asked for a start
   * that may not have bound the call.
   */
  #tellingGraph(call: CallKey, asked: Binding | null): StopRequest<GraphAnswer>['graph'] {
    const { deps, ownerOf, readOwner } = this.#gate;
    const { stopSender } = deps;
    if (stopSender === undefined) return undefined;
    const asOwner = async <Sent>(send: (owner: Binding) => Promise<Sent>): Promise<Sent | Unsent> => {
      const owner = ownerOf(call) ?? (await readOwner(call)) ?? asked;
      if (owner !== null) return send(owner);
      return { kind: 'notSent', refusal: refuse('GraphCredentialMissing') };
    };
    return {
      send: (mayStill) => asOwner((owner) => stopSender(call, owner).send(mayStill)),
      poll: (operation) => asOwner((owner) => stopSender(call, owner).poll(operation)),
    };
  }
}
