import { Fault } from '../src/core/errors.ts';
import { collide, inForce, type Policy, type PolicyInForce } from '../src/core/call/policy.ts';

/** Policies given as objects; two that could not be told apart, by name or by a caller, are refused. */
export function policiesInForce(policies: readonly Policy[]): readonly PolicyInForce[] {
  for (const [index, one] of policies.entries()) {
    for (const other of policies.slice(index + 1)) {
      const what =
        one.name === other.name ? 'have the same name' : 'match the same callers equally specifically';
      if (one.name === other.name || collide(one, other))
        throw new Fault('ConfigurationInvalid', `policies: "${one.name}" and "${other.name}" ${what}`);
    }
  }
  return policies.map(inForce);
}
