import type { CallKey } from '../core/call/key.ts';
import type { TimedHolder, Holder, SessionId } from '../core/call/session.ts';
import type { CallView } from '../core/ports/call-store.ts';
import type { Revocation } from '../core/ports/session-store.ts';
import type { GateDeps } from './context.ts';

/** How this instance applies a revocation of its own session without a round trip. */
export interface OwnSession {
  readonly id: SessionId | undefined;
  readonly revoke: (revocations: readonly Revocation[]) => void;
}

/** The state of a call and its holders, as read from the store. */
export type Held = Pick<CallView, 'state' | 'holders'>;

/** How long after a revocation it is sent to a holder again, ms: its inbox keeps it, unless its session is gone. */
const againMs = 50;

const nameOf = ({ session, epoch }: Holder): string => `${epoch} ${session}`;

/**
 * Sends revocations to the holders of a stopping call until there are none left, and tracks which sessions have
 * stalled.
 */
export class HolderRevocations {
  readonly #deps: GateDeps;
  readonly #own: OwnSession;
  readonly #call: CallKey;
  /** When each holder was last sent a revocation, local clock, and for how long its session had stood still by then, ms. */
  #sent = new Map<string, { readonly at: number; readonly stillMs: number }>();

  constructor(deps: GateDeps, own: OwnSession, call: CallKey) {
    this.#deps = deps;
    this.#own = own;
    this.#call = call;
  }

  async revoke({ state, holders }: Held): Promise<void> {
    const at = this.#deps.clock.now();
    const before = this.#sent;
    this.#sent = new Map();
    const due: TimedHolder[] = [];
    for (const holder of holders) {
      const last = before.get(nameOf(holder));
      if (last !== undefined && at - last.at < againMs) this.#sent.set(nameOf(holder), last);
      else due.push(holder);
    }
    const still = await revokeAll(this.#deps, this.#own, { state, holders: due }, this.#call);
    due.forEach((holder, index) => this.#sent.set(nameOf(holder), { at, stillMs: still[index] ?? 0 }));
  }

  /**
   * Those whose session has stood still for its whole TTL: whatever heartbeat of it took effect was sent before we saw its
   * counter first, so its deadline had passed when we looked last, and none that is on its way counts any more.
   */
  lost(holders: readonly TimedHolder[]): readonly TimedHolder[] {
    return holders.filter((holder) => this.#stillMs(holder) >= holder.ttlMs);
  }

  /** Whether no holder is left from which a heartbeat can be expected: it would have come long before. */
  areIdle(holders: readonly TimedHolder[]): boolean {
    return holders.every((holder) => this.#stillMs(holder) >= holder.ttlMs / 2);
  }

  #stillMs(holder: Holder): number {
    return this.#sent.get(nameOf(holder))?.stillMs ?? 0;
  }
}

/** Sends a revocation to every holder; returns for how long each session had stalled before, ms. */
export async function revokeAll(
  { sessions, clock, watch }: GateDeps,
  own: OwnSession,
  { state, holders }: Held,
  call: CallKey,
): Promise<readonly number[]> {
  if (state?.state !== 'stopping') return [];
  const asked = clock.now();
  const push = async ({ session, epoch }: Holder): Promise<number> => {
    const revocation = { call, epoch };
    if (session === own.id) {
      own.revoke([revocation]);
      return 0;
    }
    const counter = await sessions.revoke(session, revocation);
    return watch.elapsedMs(`${session} ${counter}`, asked);
  };
  return Promise.all(holders.map(push));
}
