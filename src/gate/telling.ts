import type { CallKey } from '../core/call-key.ts';
import type { CallView, Holder, Revocation, SessionId } from '../core/ports.ts';
import type { GateDeps } from './context.ts';

/** How this instance takes a revocation of its own without a round trip. */
export interface OwnSession {
  readonly id: SessionId | undefined;
  readonly revoke: (revocations: readonly Revocation[]) => void;
}

/** The state of a call and who held it, as they were read. */
export type Held = Pick<CallView, 'state' | 'holders'>;

interface Missing {
  readonly holder: Holder;
  /** Local clock, ms. */
  readonly since: number;
}

/** So long after it was told a holder is told again, ms: its inbox keeps what it was told, unless its session is gone. */
const againMs = 50;

const nameOf = ({ session, epoch }: Holder): string => `${epoch} ${session}`;

/** Tells the holders of one call that is stopping, for as long as there are any, and knows whose session is missing. */
export class Telling {
  readonly #deps: GateDeps;
  readonly #own: OwnSession;
  readonly #call: CallKey;
  #told = new Map<string, { readonly at: number; readonly missingSince: number | undefined }>();

  constructor(deps: GateDeps, own: OwnSession, call: CallKey) {
    this.#deps = deps;
    this.#own = own;
    this.#call = call;
  }

  async tell({ state, holders }: Held): Promise<void> {
    const now = this.#deps.clock.now();
    const before = this.#told;
    this.#told = new Map();
    const due: Holder[] = [];
    for (const holder of holders) {
      const name = nameOf(holder);
      const told = before.get(name);
      if (told !== undefined && now - told.at < againMs) this.#told.set(name, told);
      else due.push(holder);
    }
    const missing = await revokeAll(this.#deps, this.#own, { state, holders: due }, this.#call);
    for (const holder of due) {
      const name = nameOf(holder);
      const since = before.get(name)?.missingSince ?? this.#deps.clock.now();
      this.#told.set(name, { at: now, missingSince: missing.includes(holder) ? since : undefined });
    }
  }

  /** Those among the holders whose session was missing when they were told last. */
  missing(holders: readonly Holder[]): readonly Missing[] {
    return holders.flatMap((holder) => {
      const since = this.#told.get(nameOf(holder))?.missingSince;
      return since === undefined ? [] : [{ holder, since }];
    });
  }
}

/** Pushes a revocation to every holder, and returns those whose session is missing. */
export async function revokeAll(
  { sessions }: GateDeps,
  own: OwnSession,
  { state, holders }: Held,
  call: CallKey,
): Promise<readonly Holder[]> {
  if (state?.state !== 'stopping') return [];
  const push = async (holder: Holder): Promise<boolean> => {
    const revocation = { call, epoch: holder.epoch };
    if (holder.session !== own.id) return sessions.revoke(holder.session, revocation);
    own.revoke([revocation]);
    return true;
  };
  const pushed = await Promise.all(holders.map(push));
  return holders.filter((_, index) => pushed[index] === false);
}
