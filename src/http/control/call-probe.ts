import { toGuid } from '../../core/call/key.ts';
import type { Binding } from '../../core/call/state.ts';
import type { Decision } from '../../core/decision.ts';
import type { CallProbe } from '../../core/ports/identity.ts';
import type { GraphPort } from '../ports.ts';

interface Credentials {
  tokenFor(who: Binding): Promise<Decision<string>>;
  replace(who: Binding, refused: string): Promise<string | undefined> | undefined;
}

/** Queries Graph for a call with a credential of the proxy. */
export const callProbe =
  (graph: GraphPort, credentials: Credentials): CallProbe =>
  async (call, who) => {
    const ask = async (token: string): Promise<number | undefined> => {
      const sent = await graph.exchange({
        method: 'GET',
        path: `/v1.0/communications/calls/${toGuid(call)}`,
        headers: {},
        authorization: `Bearer ${token}`,
        body: null,
      });
      return sent.kind === 'answered' ? sent.answer.status : undefined;
    };
    const token = await credentials.tokenFor(who);
    if (!token.ok) return token.reason === 'GraphCredentialMissing' ? 'noCredential' : 'unknown';
    let status = await ask(token.value);
    const other = status === 401 ? await credentials.replace(who, token.value) : undefined;
    if (other !== undefined) status = await ask(other);
    if (status === undefined) return 'unknown';
    if (status === 404) return 'gone';
    return status >= 200 && status < 300 ? 'found' : 'unknown';
  };
