import { monotonic } from '../../src/sandbox/loopback.ts';

/** What a fault is upon, for as long as it lasts. */
export interface Scope {
  /** The proxies that stand still, are gone, or cannot be reached. */
  readonly instances?: readonly number[];
  /** The store does not answer, or another one answers in its place. */
  readonly store?: boolean;
  /** The store has reached the limit of its memory: it takes stops, and nothing that leads to open gates. */
  readonly full?: boolean;
  /** The proxies to which the store does not answer, though it does to others. */
  readonly storeOf?: readonly number[];
  /** The store may have forgotten what it had acknowledged. */
  readonly forgets?: boolean;
  /** A replica takes over, which has what was acknowledged, and may lack what was not. */
  readonly takeover?: boolean;
}

export interface Trouble extends Scope {
  readonly fault: string;
  /** Monotonic, ms. */
  readonly from: number;
  until: number;
}

/** What was troubled when. */
export class Troubles {
  readonly list: Trouble[] = [];

  /** Returns the way to end it. */
  begin(fault: string, scope: Scope): () => void {
    const trouble: Trouble = { ...scope, fault, from: monotonic(), until: Infinity };
    this.list.push(trouble);
    return () => {
      trouble.until = monotonic();
    };
  }
}

export const during = (troubles: readonly Trouble[], from: number, until: number): Trouble[] =>
  troubles.filter((trouble) => trouble.from <= until && from <= trouble.until);
