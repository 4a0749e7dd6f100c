import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { startFakeGraph, type FakeGraph } from '../../../../src/sandbox/graph/fake-graph.ts';
import type { ScriptRule } from '../../../../src/sandbox/graph/script.ts';
import { startTokenMint, type TokenMint } from '../../../../src/sandbox/token-mint.ts';
import { eventually } from '../../../support/eventually.ts';

let mint: TokenMint;
let graph: FakeGraph;
let token: string;

beforeAll(async () => {
  mint = await startTokenMint();
});
afterAll(() => mint.close());
beforeEach(async () => {
  graph = await startFakeGraph({ verify: mint.verifyGraphToken });
  token = await mint.mintGraphToken();
});
afterEach(() => graph.close());

const ask = (method: 'get' | 'post' | 'patch' | 'delete', path: string, bearer = token): request.Test =>
  request(graph.url)[method](path).auth(bearer, { type: 'bearer' });
const update = (id: string, status: unknown): request.Test =>
  ask('post', `/v1.0/communications/calls/${id}/updateRecordingStatus`).send({ status });
const scripted = (rule: Omit<ScriptRule, 'action'>): string => {
  const id = graph.incomingCall();
  graph.script({ action: 'updateRecordingStatus', call: id, ...rule });
  return id;
};
const statusOf = async (location: string): Promise<unknown> =>
  ((await ask('get', location.slice(graph.url.length))).body as { status: unknown }).status;

describe('a recording status', () => {
  test('is set, answered with a completed operation and an absolute Location', async () => {
    const id = graph.incomingCall();
    const answer = await update(id, 'recording');
    expect(answer.body).toMatchObject({ status: 'completed', resultInfo: null });
    const { id: operation } = answer.body as { id: string };
    expect(answer.headers.location).toBe(
      `${graph.url}/v1.0/communications/calls/${id}/operations/${operation}`,
    );
    expect(graph.recordingState(id)).toBe('recording');
    await update(id, 'failed');
    await update(id, 'notRecording');
    expect(graph.banner.map(({ call, state }) => [call, state])).toEqual([
      [id, 'recording'],
      [id, 'failed'],
      [id, 'notRecording'],
    ]);
  });

  test.each(['unknown', 'unknownFutureValue', 'notRecording | recording | failed', 7, null, undefined])(
    '%j is refused',
    async (status) => {
      const id = graph.incomingCall();
      expect((await update(id, status)).status).toBe(400);
      expect(graph.banner).toEqual([]);
    },
  );

  test('with a clientContext over 256 characters is refused', async () => {
    const id = graph.incomingCall();
    const path = `/v1.0/communications/calls/${id}/updateRecordingStatus`;
    const send = (length: number): request.Test =>
      ask('post', path).send({ status: 'recording', clientContext: 'x'.repeat(length) });
    expect((await send(257)).status).toBe(400);
    expect(graph.recordingState(id)).toBe('notRecording');
    expect((await send(256)).body).toMatchObject({ clientContext: 'x'.repeat(256) });
  });

  test('of a call without a recording policy is error 8506', async () => {
    const id = graph.incomingCall({ policyBased: false });
    expect((await update(id, 'recording')).body).toMatchObject({ error: { code: '8506' } });
    expect(graph.recordingState(id)).toBe('notRecording');
  });

  test.each([
    ['beta', (id: string) => `/beta/communications/calls/${id}/updateRecordingStatus`],
    [
      'the long name',
      (id: string) => `/v1.0/communications/calls/${id}/microsoft.graph.updateRecordingStatus`,
    ],
    ['the old root', (id: string) => `/beta/app/calls/${id}/updateRecordingStatus`],
    ['a key in parentheses', (id: string) => `/v1.0/communications/calls('${id}')/updateRecordingStatus`],
    [
      'another id',
      (id: string) =>
        `/v1.0/communications/calls/${id.replaceAll('-', '').toUpperCase()}/updateRecordingStatus`,
    ],
    ['other letter case', (id: string) => `/V1.0/Communications/CALLS/${id}/UPDATErecordingstatus`],
    ['double encoding', (id: string) => `/v1.0/communications/calls/${id}/update%2552ecordingStatus`],
    [
      'dots and parameters',
      (id: string) => `/v1.0/x/%2e%2e//communications;a=b/./calls/${id}/updateRecordingStatus/`,
    ],
  ])('acts when spelled with %s', async (_, path) => {
    const id = graph.incomingCall();
    expect((await ask('post', path(id)).send({ status: 'recording' })).status).toBe(200);
    expect(graph.recordingState(id)).toBe('recording');
  });

  test.each([2, 'RECORDING'])('acts when spelled %j', async (status) => {
    const id = graph.incomingCall();
    expect((await update(id, status)).status).toBe(200);
    expect(graph.recordingState(id)).toBe('recording');
  });
});

describe('a call', () => {
  test('is answered, kept alive, and gone after the hang-up', async () => {
    const id = graph.incomingCall();
    const call = `/v1.0/communications/calls/${id}`;
    expect((await ask('get', call)).body).toMatchObject({ state: 'incoming' });
    expect((await ask('post', `${call}/answer`).send({ callbackUri: 'https://bot.example' })).status).toBe(
      202,
    );
    expect((await ask('get', call)).body).toMatchObject({
      state: 'established',
      callbackUri: 'https://bot.example',
    });
    await update(id, 'recording');
    expect((await ask('post', `${call}/keepAlive`)).status).toBe(200);
    expect((await ask('delete', call)).status).toBe(204);
    expect((await ask('post', `${call}/keepAlive`)).status).toBe(404);
    expect((await update(id, 'recording')).status).toBe(404);
    expect(graph.banner.map(({ state }) => state)).toEqual(['recording', 'notRecording']);
    expect(graph.recordingState(id)).toBeUndefined();
  });

  test('does not exist for other applications and tenants', async () => {
    const id = graph.incomingCall();
    for (const claims of [{ appid: 'another' }, { tid: 'another' }]) {
      const other = await mint.mintGraphToken(claims);
      const answer = await ask('get', `/v1.0/communications/calls/${id}`, other);
      expect(answer.status).toBe(404);
    }
    expect((await ask('get', `/v1.0/communications/calls/${id}`)).status).toBe(200);
  });

  test('takes no status without the permission, and nothing without a good token', async () => {
    const id = graph.incomingCall();
    const path = `/v1.0/communications/calls/${id}/updateRecordingStatus`;
    const poor = await mint.mintGraphToken({ roles: ['Calls.JoinGroupCalls.All'] });
    expect((await ask('post', path, poor).send({ status: 'recording' })).status).toBe(403);
    const wrong = await mint.mint();
    expect((await ask('post', path, wrong).send({ status: 'recording' })).status).toBe(401);
    expect((await request(graph.url).post(path).send({ status: 'recording' })).status).toBe(401);
    expect(graph.recordingState(id)).toBe('notRecording');
  });

  test('created by the bot belongs to it and is not a recording call', async () => {
    const made = await ask('post', '/v1.0/communications/calls').send({ callbackUri: 'https://bot.example' });
    expect(made.status).toBe(201);
    const { id } = made.body as { id: string };
    expect(made.headers.location).toBe(`${graph.url}/v1.0/communications/calls/${id}`);
    expect((await update(id, 'recording')).body).toMatchObject({ error: { code: '8506' } });
  });

  test('that ended is in the call records, selected by the time of its start', async () => {
    graph.endCall(graph.incomingCall());
    const list = async (filter: string): Promise<unknown[]> =>
      (
        (await ask('get', '/v1.0/communications/callRecords').query({ $filter: filter })).body as {
          value: unknown[];
        }
      ).value;
    expect(await list('startDateTime ge 2020-01-01T00:00:00Z')).toHaveLength(1);
    expect(await list('startDateTime lt 2020-01-01T00:00:00Z')).toHaveLength(0);
  });

  test('shows participants what was set, and loses those who are removed', async () => {
    const id = graph.incomingCall();
    const path = `/v1.0/communications/calls/${id}/participants`;
    await update(id, 'recording');
    const { value } = (await ask('get', path)).body as { value: { id: string; recordingInfo: unknown }[] };
    expect(value).toEqual([
      expect.objectContaining({ recordingInfo: expect.objectContaining({ recordingStatus: 'recording' }) }),
    ]);
    await ask('post', `${path}/${value[0]!.id}/mute`);
    expect((await ask('get', `${path}/${value[0]!.id}`)).body).toMatchObject({ isMuted: true });
    expect((await ask('delete', `${path}/${value[0]!.id}`)).status).toBe(204);
    expect((await ask('get', path)).body).toEqual({ value: [] });
  });
});

describe('scripts', () => {
  test('a pending operation completes when told, and only then acts', async () => {
    const id = graph.incomingCall();
    const script = graph.script({
      action: 'updateRecordingStatus',
      answer: { pending: { as: 'notStarted' } },
    });
    const answer = await update(id, 'recording');
    const location = answer.headers.location!;
    expect(answer.body).toMatchObject({ status: 'notStarted' });
    expect(await statusOf(location)).toBe('notStarted');
    expect(graph.recordingState(id)).toBe('notRecording');
    script.release();
    expect(await statusOf(location)).toBe('completed');
    expect(graph.recordingState(id)).toBe('recording');
  });

  test('a pending operation may fail by itself after a time', async () => {
    const id = scripted({ answer: { pending: { then: 'failed', afterMs: 1 } } });
    const { headers } = await update(id, 'recording');
    await eventually(async () => (await statusOf(headers.location!)) === 'failed');
    expect(graph.banner).toEqual([]);
  });

  test('a recording made by Graph shows its location only when it is complete', async () => {
    const id = graph.incomingCall();
    const script = graph.script({ action: 'recordResponse', answer: { pending: {} } });
    const answer = await ask('post', `/v1.0/communications/calls/${id}/recordResponse`).send({});
    expect(answer.body).not.toHaveProperty('recordingLocation');
    script.release();
    const operation = await ask('get', answer.headers.location!.slice(graph.url.length));
    expect(operation.body).toMatchObject({
      recordingLocation: expect.any(String),
      recordingAccessToken: expect.any(String),
    });
  });

  test.each<[string, ScriptRule['answer'], number, unknown]>([
    ['429 with a decimal Retry-After', 'throttled', 429, { error: { code: 'TooManyRequests' } }],
    ['500', 'serverError', 500, { error: { code: 'InternalServerError' } }],
    ['error 8506', 'notPolicyCall', 403, { error: { code: '8506' } }],
    ['an error', { error: { status: 409, code: '1' } }, 409, { error: { code: '1' } }],
    ['a redirect', { redirect: 'https://elsewhere.example/' }, 307, {}],
    ['a failed operation', { operation: { status: 'failed' } }, 200, { status: 'failed' }],
  ])('%s does not act, once', async (_, answer, status, body) => {
    const id = scripted({ ...(answer === undefined ? {} : { answer }) });
    const first = await update(id, 'recording')
      .redirects(0)
      .ok(() => true);
    expect([first.status, first.body]).toEqual([status, expect.objectContaining(nested(body))]);
    expect(first.headers['retry-after']).toBe(answer === 'throttled' ? '2.128' : undefined);
    expect(graph.recordingState(id)).toBe('notRecording');
    expect((await update(id, 'recording')).status).toBe(200);
    expect(graph.recordingState(id)).toBe('recording');
  });

  test.each<[string, ScriptRule['answer'], number, string]>([
    ['202 with only a Location', 'accepted', 202, ''],
    ['200 without a body', 'empty', 200, ''],
    ['200 with garbage', 'garbage', 200, '{"status":"completed'],
    [
      'any answer',
      { raw: { status: 299, body: 'raw', headers: { 'Content-Type': 'text/html' } } },
      299,
      'raw',
    ],
  ])('%s acts', async (_, answer, status, text) => {
    const id = scripted({ ...(answer === undefined ? {} : { answer }) });
    const got = await update(id, 'recording')
      .buffer(true)
      .parse((res, done) => {
        let read = '';
        res.on('data', (chunk: Buffer) => (read += chunk.toString()));
        res.on('end', () => done(null, read));
      });
    expect([got.status, got.body]).toEqual([status, text]);
    expect(graph.recordingState(id)).toBe('recording');
  });

  test('the casing and the result of an operation can be chosen', async () => {
    const id = scripted({ answer: { operation: { status: 'Completed', resultInfo: { code: '404' } } } });
    expect((await update(id, 'recording')).body).toMatchObject({
      status: 'Completed',
      resultInfo: { code: '404' },
    });
  });

  test.each<[string, Omit<ScriptRule, 'action'>]>([
    ['before the answer', { answer: 'reset' }],
    ['in the middle of the answer', { answer: 'truncated' }],
  ])('a connection broken %s has acted all the same', async (_, rule) => {
    const id = scripted(rule);
    await expect(update(id, 'recording')).rejects.toThrow();
    expect(graph.recordingState(id)).toBe('recording');
    expect(graph.log[0]).toMatchObject({ answered: 'reset', effectAt: expect.any(Number) });
  });

  test('a connection can be broken without acting', async () => {
    const id = scripted({ answer: 'reset', effect: 'never' });
    await expect(update(id, 'recording')).rejects.toThrow();
    expect(graph.recordingState(id)).toBe('notRecording');
  });

  test('a request whose reply was lost can act later, when told or after a time', async () => {
    for (const effect of ['onRelease', { afterMs: 1 }] as const) {
      const id = graph.incomingCall();
      await update(id, 'recording');
      const script = graph.script({
        action: 'updateRecordingStatus',
        asked: 'notRecording',
        answer: 'reset',
        effect,
      });
      await expect(update(id, 'notRecording')).rejects.toThrow();
      if (effect === 'onRelease') {
        expect(graph.recordingState(id)).toBe('recording');
        script.release();
      }
      await eventually(() => graph.recordingState(id) === 'notRecording');
    }
  });

  test('a request that is never answered leaves its client waiting', async () => {
    const id = scripted({ answer: 'none' });
    const outcome = update(id, 'recording').then(
      () => 'answered',
      () => 'cut off',
    );
    await eventually(() => graph.log[0]?.answered === 'none');
    expect(graph.recordingState(id)).toBe('recording');
    await graph.close();
    expect(await outcome).toBe('cut off');
  });

  test('an answer can be held until the release', async () => {
    const id = scripted({ hold: true });
    const answer = update(id, 'recording').then(({ status }) => status);
    await eventually(() => graph.recordingState(id) === 'recording');
    expect(graph.log[0]).toMatchObject({ answered: null });
    graph.release();
    expect(await answer).toBe(200);
  });

  test('a rule is for its action, call, status and number of times only', async () => {
    const one = graph.incomingCall();
    const two = graph.incomingCall();
    const script = graph.script({
      action: 'updateRecordingStatus',
      call: one.replaceAll('-', '').toUpperCase(),
      asked: 'recording',
      times: 2,
      answer: 'throttled',
    });
    const seen = [];
    for (const [id, status] of [
      [two, 'recording'],
      [one, 'notRecording'],
      [one, 'recording'],
      [one, 'recording'],
      [one, 'recording'],
    ] as const)
      seen.push((await update(id, status)).status);
    expect(seen).toEqual([200, 200, 429, 429, 200]);
    expect(script.used).toBe(2);
  });

  test('what acts after the end of the call changes nothing', async () => {
    const id = scripted({ effect: 'onRelease' });
    await update(id, 'recording');
    graph.endCall(id);
    graph.release();
    expect(graph.banner).toEqual([]);
  });
});

const nested = (body: unknown): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(body as object).map(([key, value]: [string, unknown]) => [
      key,
      typeof value === 'object' ? expect.objectContaining(value as object) : value,
    ]),
  );
