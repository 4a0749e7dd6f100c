import type { ConsoleSettings } from '../../src/settings/settings.ts';
import { localConsole } from './console.ts';
import type { Claims, TestIssuer } from './issuer.ts';

export const operatorAudience = 'api://tallylight-console';

/** A console whose operators bring tokens of this issuer; `tenants` is the claim that limits them. */
export const consoleOf = ({ issuer, jwksUri }: TestIssuer): ConsoleSettings => ({
  ...localConsole,
  issuers: [{ issuer, audience: operatorAudience, jwksUri, tenantsClaim: 'tenants' }],
});

/** Headers with the token of an operator who may do everything for these tenants. */
export async function operator(
  issuer: TestIssuer,
  tenants: readonly string[],
  claims: Claims = {},
): Promise<{ authorization: string }> {
  const roles = ['Tallylight.View', 'Tallylight.Operate'];
  const token = await issuer.mint({ aud: operatorAudience, sub: 'ada', roles, tenants, ...claims });
  return { authorization: `Bearer ${token}` };
}
