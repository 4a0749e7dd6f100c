import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readTranscripts, type Spelled } from '../../fixtures/clients/read.ts';
import { openRaw, type Answer } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

/** What Graph takes a request for. */
const actionOf = ({ method, target }: Spelled): string => {
  const [below = '', item] = target.split('{call}/')[1]?.split('/') ?? [];
  if (below === '') return method === 'DELETE' ? 'hangUp' : 'getCall';
  if (below === 'operations') return 'getOperation';
  if (below === 'participants') return item === undefined ? 'listParticipants' : 'getParticipant';
  return below.replace('microsoft.graph.', '');
};

const statusIn = ({ body }: Spelled): string | undefined =>
  /"status":"(\w+)"/.exec(typeof body === 'string' ? body : '')?.[1]?.toLowerCase();
const shortly = (request: Spelled): string =>
  [request.method, request.target, statusIn(request), request.headers.Expect].filter(Boolean).join(' ');

const transcripts = readTranscripts();
test('there are transcripts, of recordings and of media', () => {
  const all = transcripts.flatMap(({ requests }) => requests);
  expect(all.some((one) => statusIn(one) === 'recording')).toBe(true);
  expect(all.some(({ target }) => target.startsWith('/media/'))).toBe(true);
});

describe.each(['jwt', 'graph'] as const)('with tokens for %s', (controlAuth) => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ settings: { controlAuth } });
  });
  afterAll(async () => {
    expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
    await world.close();
  });

  const controlToken = (): Promise<string> =>
    controlAuth === 'jwt' ? world.mint.mint() : world.mint.mintGraphToken();

  /** Sends it byte for byte as the client did, about this call. */
  async function replay(request: Spelled, call: string, operation = ''): Promise<Answer> {
    const token = await (request.target.startsWith('/media/') ? world.mint.mint() : controlToken());
    const fill = (text: string): string =>
      text
        .replaceAll('{call}', call)
        .replaceAll('{operation}', operation)
        .replaceAll('{token}', token)
        .replaceAll('{proxy}', world.proxy.url)
        .replaceAll('{host}', new URL(world.proxy.url).host)
        .replaceAll('{guid}', () => randomUUID());
    const body =
      typeof request.body === 'string' ? Buffer.from(fill(request.body)) : Buffer.alloc(request.body.bytes);
    const headers = Object.entries(request.headers).map(
      ([name, value]) => `${name}: ${fill(value).replace('{length}', String(body.length))}`,
    );
    const connection = openRaw(world.proxy.url);
    connection.write([`${request.method} ${fill(request.target)} HTTP/1.1`, ...headers, '', ''].join('\r\n'));
    if (request.headers.Expect !== undefined) await connection.until(/^HTTP\/1\.1 100 /);
    if (request.headers['Transfer-Encoding'] === 'chunked') {
      connection.write(`${body.length.toString(16)}\r\n`);
      connection.write(body);
      connection.write('\r\n0\r\n\r\n');
    } else {
      connection.write(body);
    }
    const answer = await connection.answer;
    connection.destroy();
    return answer!;
  }

  const report = async (call: string, status: string): Promise<Answer> =>
    replay(
      {
        method: 'POST',
        target: '/v1.0/communications/calls/{call}/updateRecordingStatus',
        headers: {
          Host: '{host}',
          Authorization: 'Bearer {token}',
          'Content-Type': 'application/json',
          'Content-Length': '{length}',
        },
        body: JSON.stringify({ status }),
      },
      call,
    );

  describe.each(transcripts)('$client', ({ requests }) => {
    const control = requests.filter(({ target }) => target.startsWith('/v1.0/'));
    const media = requests.filter(({ target }) => target.startsWith('/media/'));

    test.each(control.map((one) => [shortly(one), one] as const))('%s reaches Graph', async (_, request) => {
      const action = actionOf(request);
      const call = world.graph.incomingCall({ answered: action !== 'answer' });
      const status = statusIn(request);
      const started = status === 'recording' ? undefined : await report(call, 'recording');
      const operation = (JSON.parse(started?.body ?? '{}') as { id?: string }).id;
      const answer = await replay(request, call, operation);
      expect(world.graph.log.at(-1)).toMatchObject({ call, action, answered: answer.status });
      expect(answer.status).toBeLessThan(300);
      if (status === undefined) return;
      expect(answer.headers['tallylight-gate']).toBe(status === 'recording' ? 'open' : 'closed');
      expect(world.graph.recordingState(call)?.toLowerCase()).toBe(status);
    });

    if (media.length > 0)
      test.each(media.map((one) => [shortly(one), one] as const))('%s is stored', async (_, request) => {
        const call = world.graph.incomingCall({ answered: true });
        expect((await report(call, 'recording')).headers['tallylight-gate']).toBe('open');
        expect((await replay(request, call)).status).toBe(201);
        const { bytes } = request.body as { bytes: number };
        expect(world.sink.received.at(-1)).toMatchObject({ callId: call, complete: true, bytes });
      });
  });
});
