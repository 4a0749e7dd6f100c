import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import request from 'supertest';
import { startFakeGraph, type FakeGraph } from '../../../../src/sandbox/graph/fake-graph.ts';
import {
  sandboxApp,
  sandboxTenant,
  startTokenMint,
  type TokenMint,
} from '../../../../src/sandbox/token-mint.ts';

let mint: TokenMint;
let graph: FakeGraph;
let token: string;

beforeAll(async () => {
  mint = await startTokenMint();
});
afterAll(() => mint.close());
beforeEach(async () => {
  graph = await startFakeGraph({ verify: mint.verifyGraphToken, metadataAnswer: 202 });
  token = await mint.mintGraphToken();
});
afterEach(() => graph.close());

const sandbox = (method: 'get' | 'post' | 'delete', path: string, body?: object): request.Test =>
  request(graph.url)[method](`/sandbox/${path}`).send(body);
const update = (id: string, status: string): request.Test =>
  request(graph.url)
    .post(`/v1.0/communications/calls/${id}/updateRecordingStatus`)
    .auth(token, { type: 'bearer' })
    .send({ status });
async function incomingCall(call: object = {}): Promise<string> {
  const answer = await sandbox('post', 'calls', call);
  expect(answer.status).toBe(201);
  return (answer.body as { callId: string }).callId;
}

test('a call can be made, watched and ended over HTTP', async () => {
  const callId = await incomingCall({ answered: true });
  await update(callId, 'recording');
  expect((await sandbox('get', `calls/${callId}`)).body).toEqual({ callId, recordingState: 'recording' });
  expect((await sandbox('get', 'banner')).body).toEqual([
    { at: expect.any(Number), call: callId, state: 'recording' },
  ]);
  expect((await sandbox('delete', `calls/${callId}`)).status).toBe(200);
  expect((await sandbox('get', `calls/${callId}`)).status).toBe(404);
  expect((await update(callId, 'recording')).status).toBe(404);
});

test.each([
  ['no JSON', '{"answered": tru}'],
  ['too long', 'x'.repeat(1024 * 1024 + 1)],
])('a body that is %s asks for nothing', async (_, body) => {
  for (const path of ['calls', 'release', 'notifications/release']) {
    const answer = await request(graph.url).post(`/sandbox/${path}`).type('json').send(body);
    expect(answer.status).toBe(400);
  }
  expect((await request(graph.url).post('/sandbox/calls')).status).toBe(201);
});

test('a script can be set and released over HTTP', async () => {
  const callId = await incomingCall();
  const rule = { action: 'updateRecordingStatus', effect: 'onRelease', times: 2 };
  const { id } = (await sandbox('post', 'script', rule)).body as { id: string };
  await update(callId, 'recording');
  expect(graph.recordingState(callId)).toBe('notRecording');
  expect((await sandbox('post', `script/${id}/release`)).body).toEqual({ id, used: 1 });
  expect(graph.recordingState(callId)).toBe('recording');
  await update(callId, 'failed');
  await sandbox('post', 'release');
  expect(graph.recordingState(callId)).toBe('failed');
});

test('a rule or a call that makes no sense is refused with the reason', async () => {
  const rule = await sandbox('post', 'script', { action: 'keepAlive', answer: 'sometimes' });
  expect([rule.status, rule.text]).toEqual([400, expect.stringContaining('answer')]);
  const call = await sandbox('post', 'calls', { tennant: sandboxTenant });
  expect([call.status, call.text]).toEqual([400, expect.stringContaining('tennant')]);
  expect((await sandbox('get', 'nothing')).status).toBe(404);
  expect((await sandbox('post', 'script/none/release')).status).toBe(404);
});

test('the log tells who asked what, when and with which effect, and never a token', async () => {
  const callId = await incomingCall();
  await update(callId, 'recording').set('Scenario-Id', 'scenario').set('client-request-id', 'mine');
  await request(graph.url).get(`/v1.0/nothing?access_token=${token}`).set('client-request-id', token);
  const log = await sandbox('get', 'log');
  expect(log.body).toEqual([
    expect.objectContaining({
      seq: 1,
      method: 'POST',
      path: `/v1.0/communications/calls/${callId}/updateRecordingStatus`,
      action: 'updateRecordingStatus',
      call: callId,
      app: sandboxApp,
      tenant: sandboxTenant,
      asked: 'recording',
      clientRequestId: 'mine',
      scenarioId: 'scenario',
      answered: 200,
    }),
    expect.objectContaining({ seq: 2, action: null, app: null, effectAt: null, answered: 401 }),
  ]);
  const { receivedAt, effectAt, answeredAt } = graph.log[0]!;
  expect(receivedAt).toBeLessThanOrEqual(effectAt!);
  expect(effectAt).toBeLessThanOrEqual(answeredAt!);
  for (const part of token.split('.').slice(0, 2)) expect(log.text).not.toContain(part);
});

test('the ids of a request come back, and every answer has one of its own', async () => {
  const { headers } = await update(graph.incomingCall(), 'recording')
    .set('client-request-id', 'mine')
    .set('Scenario-Id', 'scenario');
  expect(headers).toMatchObject({
    'client-request-id': 'mine',
    'scenario-id': 'scenario',
    'request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    'x-ms-ags-diagnostic': expect.stringContaining('ServerInfo'),
    date: expect.any(String),
  });
});

test('updateMetadata answers 202 when so configured', async () => {
  const answer = await request(graph.url)
    .post(`/beta/communications/calls/${graph.incomingCall()}/updateMetadata`)
    .auth(token, { type: 'bearer' })
    .send({ metadata: 'x', clientContext: 'y' });
  expect([answer.status, answer.text]).toEqual([202, '']);
});

test('a changed operation keeps what is read-only', async () => {
  const made = await update(graph.incomingCall(), 'recording');
  const path = made.headers.location!.slice(graph.url.length);
  const patch = { clientContext: 'mine', status: 'failed', id: 'other' };
  await request(graph.url).patch(path).auth(token, { type: 'bearer' }).send(patch);
  const read = await request(graph.url).get(path).auth(token, { type: 'bearer' });
  expect(read.body).toEqual({ ...(made.body as object), clientContext: 'mine' });
  const count = await request(graph.url)
    .get(path.replace(/[^/]+$/, '$count'))
    .auth(token, { type: 'bearer' });
  expect(count.text).toBe('1');
});

test('any token can be allowed: claims are believed, and what has none sees every call', async () => {
  const lax = await startFakeGraph({ allowAnyToken: true });
  try {
    const path = `/v1.0/communications/calls/${lax.incomingCall()}`;
    const get = async (bearer: string): Promise<number> =>
      (await request(lax.url).get(path).auth(bearer, { type: 'bearer' })).status;
    expect(await get('opaque')).toBe(200);
    expect(await get(token)).toBe(200);
    expect(await get(await mint.mintGraphToken({ appid: 'another' }))).toBe(404);
    expect((await request(lax.url).get(path)).status).toBe(401);
  } finally {
    await lax.close();
  }
});

test('without a way to check tokens, or on a port that is taken, it does not start', async () => {
  const nothing = await startFakeGraph({}).catch((error: unknown) => error);
  expect(nothing).toBeFault('ConfigurationInvalid');
  const port = Number(new URL(graph.url).port);
  const taken = await startFakeGraph({ allowAnyToken: true, port }).catch((error: unknown) => error);
  expect(taken).toBeFault('CannotStart');
});
