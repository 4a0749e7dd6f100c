import type { Binding } from './state.ts';

/** Who acts by hand. Evidence holds these two values and no others. */
export interface Operator {
  /** Issuer of the verified token; `local` on a loopback console without issuers. */
  readonly issuer: string;
  /** The subject that the issuer names. */
  readonly subject: string;
}

/** Which calls a hold is for. Tenant and app are lower-case GUIDs. */
export type HoldScope = { readonly all: true } | { readonly tenant: string } | { readonly app: string };

/** While it stands, no gate of a matching call opens, on any instance. */
export interface StandingHold {
  /** A UUID. */
  readonly id: string;
  /** Revision of the store's holds with which it was set: each hold and each release has the next number, from 1. */
  readonly number: number;
  readonly scope: HoldScope;
  readonly reason: string;
  readonly by: Operator;
  /** Store's clock, RFC 3339 in UTC with milliseconds. */
  readonly at: string;
}

/** Whether a call may be among those of the scope: one that is bound to nobody may be anybody's. */
export function isInScope(scope: HoldScope, binding: Binding | null): boolean {
  if ('all' in scope || binding === null) return true;
  return 'tenant' in scope ? scope.tenant === binding.tenant : scope.app === binding.app;
}
