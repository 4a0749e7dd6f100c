import { toGuid } from '../core/call-key.ts';
import type { Binding } from '../core/call-state.ts';
import type { Decision } from '../core/decision.ts';
import type { CallProbe } from '../core/ports.ts';
import type { GraphPort } from './ports.ts';

/** Asks Graph for a call with a credential of our own. */
export const callProbe =
  (graph: GraphPort, tokenFor: (who: Binding) => Promise<Decision<string>>): CallProbe =>
  async (call, who) => {
    const token = await tokenFor(who);
    if (!token.ok) return token.reason === 'GraphCredentialMissing' ? 'noCredential' : 'unknown';
    const sent = await graph.exchange({
      method: 'GET',
      path: `/v1.0/communications/calls/${toGuid(call)}`,
      headers: {},
      authorization: `Bearer ${token.value}`,
      body: null,
    });
    if (sent.kind !== 'answered') return 'unknown';
    const { status } = sent.answer;
    if (status === 404) return 'gone';
    return status >= 200 && status < 300 ? 'found' : 'unknown';
  };
