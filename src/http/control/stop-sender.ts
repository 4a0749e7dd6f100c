import { type CallKey, toGuid } from '../../core/call/key.ts';
import type { Binding } from '../../core/call/state.ts';
import type { Decision } from '../../core/decision.ts';
import type { RawAnswer, Sent } from '../../core/graph/exchange.ts';
import type { StopSender } from '../../core/ports/identity.ts';
import type { GraphPort } from '../ports.ts';

interface Credentials {
  tokenFor(who: Binding): Promise<Decision<string>>;
  replace(who: Binding, refused: string): Promise<string | undefined> | undefined;
}

const path = (call: CallKey): string => `/v1.0/communications/calls/${toGuid(call)}`;
const notRecording = (): Buffer => Buffer.from('{"status":"notRecording"}');

/** Tells Graph of stops that no bot has asked for, with a credential of the proxy. */
export const stopSender =
  (graph: GraphPort, credentials: Credentials): StopSender =>
  (call, who) => {
    const exchange = async (
      request: Pick<Parameters<GraphPort['exchange']>[0], 'method' | 'path' | 'headers' | 'body'>,
      mayStill?: () => boolean,
    ): Promise<Sent<RawAnswer>> => {
      const ask = (token: string): Promise<Sent<RawAnswer>> =>
        graph.exchange({ ...request, authorization: `Bearer ${token}` }, mayStill);
      const token = await credentials.tokenFor(who);
      if (!token.ok) return { kind: 'notSent', refusal: token };
      const first = await ask(token.value);
      if (first.kind !== 'answered' || first.answer.status !== 401) return first;
      const other = await credentials.replace(who, token.value);
      if (other === undefined) return first;
      const again = await ask(other);
      return again.kind === 'notSent' ? first : again;
    };
    return {
      send: (mayStill) =>
        exchange(
          {
            method: 'POST',
            path: `${path(call)}/updateRecordingStatus`,
            headers: { 'content-type': 'application/json' },
            body: notRecording(),
          },
          mayStill,
        ),
      poll: (operation) =>
        exchange({
          method: 'GET',
          path: `${path(call)}/operations/${encodeURIComponent(operation)}`,
          headers: {},
          body: null,
        }),
    };
  };
