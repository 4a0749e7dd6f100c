import type { Operator } from '../call/hold.ts';
import type { Decision } from '../decision.ts';

/** What an operator may do at the console. */
export const operatorRoles = ['Tallylight.View', 'Tallylight.Operate'] as const;
export type OperatorRole = (typeof operatorRoles)[number];

/** Identity of an operator, from a verified token. */
export interface OperatorIdentity extends Operator {
  /** As the token gives it, for display only; absent: it gives none. */
  readonly name?: string;
  readonly roles: readonly OperatorRole[];
  /** The tenants (lower-case GUIDs) whose calls it may see and act on; null: all. */
  readonly tenants: readonly string[] | null;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Distinguishes an invalid token from one that cannot be verified. */
export interface OperatorVerifier {
  verify(token: string): Promise<Decision<OperatorIdentity>>;
}
