import { describe, expect, test } from '@jest/globals';
import { parseCallKey } from '../../../../src/core/call/key.ts';
import { type Decision, grant, refuse } from '../../../../src/core/decision.ts';
import type { RawAnswer, Sent } from '../../../../src/core/graph/exchange.ts';
import { stopSender } from '../../../../src/http/control/stop-sender.ts';
import type { GraphPort } from '../../../../src/http/ports.ts';

const call = parseCallKey('57dab8b1-894c-409a-b240-bd8beae78896')!;
const who = { tenant: '11111111-1111-1111-1111-111111111111', app: '22222222-2222-2222-2222-222222222222' };

type Request = Parameters<GraphPort['exchange']>[0];

function place(
  statuses: readonly number[],
  token: Decision<string> = grant('one'),
  other: string | null = 'other',
) {
  const requests: Request[] = [];
  const left = [...statuses];
  const graph = {
    exchange: (request: Request, mayStill: () => boolean = () => true): Promise<Sent<RawAnswer>> => {
      if (!mayStill())
        return Promise.resolve({ kind: 'notSent', refusal: { ok: false, reason: 'GraphTimeout' } });
      requests.push(request);
      const answer = { status: left.shift() ?? 200, body: {}, headers: {}, raw: new Uint8Array() };
      return Promise.resolve({ kind: 'answered', answer, facts: {} });
    },
  } as unknown as GraphPort;
  const send = stopSender(graph, {
    tokenFor: () => Promise.resolve(token),
    replace: () => Promise.resolve(other ?? undefined),
  })(call, who);
  return { send, requests };
}

describe('a stop that no bot asked for', () => {
  test('is a notRecording for the call, with a credential of the proxy', async () => {
    const { send, requests } = place([202]);
    expect(await send.send(() => true)).toMatchObject({ kind: 'answered', answer: { status: 202 } });
    expect(requests).toMatchObject([
      {
        method: 'POST',
        path: '/v1.0/communications/calls/57dab8b1-894c-409a-b240-bd8beae78896/updateRecordingStatus',
        authorization: 'Bearer one',
        headers: { 'content-type': 'application/json' },
      },
    ]);
    expect(JSON.parse(String(requests[0]!.body))).toEqual({ status: 'notRecording' });
  });

  test('is sent once more with another token where Graph refuses the first', async () => {
    const { send, requests } = place([401, 200]);
    expect(await send.send(() => true)).toMatchObject({ answer: { status: 200 } });
    expect(requests.map(({ authorization }) => authorization)).toEqual(['Bearer one', 'Bearer other']);
    const refused = place([401], grant('one'), null);
    expect(await refused.send.send(() => true)).toMatchObject({ answer: { status: 401 } });
    expect(refused.requests).toHaveLength(1);
  });

  test('is not sent without a credential, nor once its time is over', async () => {
    const { send, requests } = place([], refuse('GraphCredentialMissing'));
    expect(await send.send(() => true)).toMatchObject({
      kind: 'notSent',
      refusal: { reason: 'GraphCredentialMissing' },
    });
    const late = place([200]);
    expect(await late.send.send(() => false)).toMatchObject({ kind: 'notSent' });
    expect([...requests, ...late.requests]).toEqual([]);
  });

  test('has its operation read, whatever Graph calls it', async () => {
    const { send, requests } = place([200]);
    await send.poll('a/b?c');
    expect(requests).toMatchObject([
      { method: 'GET', path: expect.stringMatching(/\/operations\/a%2Fb%3Fc$/) as unknown, body: null },
    ]);
  });
});
