import type { Session } from '../api.ts';
import type { Model } from '../model.ts';

/** What every part of the page may need. Times are ms since the epoch, by the server's clock. */
export interface Context {
  readonly model: Model;
  readonly session: Session;
  readonly now: number;
  /** Tells the operator what came of an act: shown, and announced to screen readers. */
  readonly tell: (message: string) => void;
  readonly signOut: () => void;
}

export const mayAct = ({ session }: Context): boolean => session.roles.includes('Tallylight.Operate');
