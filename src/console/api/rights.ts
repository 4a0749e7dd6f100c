import type { HoldScope } from '../../core/call/hold.ts';
import { type Refusal, refuse } from '../../core/decision.ts';
import type { OperatorIdentity, OperatorRole } from '../../core/ports/operator.ts';

/** undefined: the operator has the role. */
export const lacksRole = ({ roles }: OperatorIdentity, role: OperatorRole): Refusal | undefined =>
  roles.includes(role) ? undefined : refuse('TokenNotAllowed', { detail: `the role ${role} is missing` });

/** Whoever is limited to tenants acts on these alone: an application may be in several. */
export function mayNotHold({ tenants }: OperatorIdentity, scope: HoldScope): Refusal | undefined {
  if (tenants === null || ('tenant' in scope && tenants.includes(scope.tenant))) return undefined;
  return refuse('TokenNotAllowed', {
    detail: 'the token is limited to tenants, so it may set and release holds of these tenants only',
  });
}
