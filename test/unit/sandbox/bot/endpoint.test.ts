import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import request from 'supertest';
import { startBotEndpoint, type BotEndpoint } from '../../../../src/sandbox/bot/endpoint.ts';
import { startFakeGraph, type FakeGraph } from '../../../../src/sandbox/graph/fake-graph.ts';
import { startTokenMint, type TokenMint } from '../../../../src/sandbox/token-mint.ts';
import { eventually } from '../../../support/eventually.ts';

let mint: TokenMint;
let graph: FakeGraph;
let bot: BotEndpoint;

beforeAll(async () => {
  mint = await startTokenMint();
});
afterAll(() => mint.close());
beforeEach(async () => {
  graph = await startFakeGraph({ verify: mint.verifyGraphToken, sign: mint.mintNotificationToken });
  bot = await startBotEndpoint();
});
afterEach(() => Promise.all([graph.close(), bot.close()]));

const notify = (path = '/any/path?x=1'): request.Test => request(bot.url).post(path).send({ value: [] });
const settled = (what: string): Promise<unknown> =>
  eventually(() => graph.deliveries.some((one) => one.what === what && one.status !== null));

test('everything is recorded and answered with 202, whatever its path', async () => {
  expect((await notify().set('Authorization', 'Bearer secret')).status).toBe(202);
  expect(bot.received).toEqual([
    {
      at: expect.any(Number),
      method: 'POST',
      path: '/any/path?x=1',
      headers: expect.objectContaining({ authorization: 'Bearer secret' }),
      body: '{"value":[]}',
    },
  ]);
});

test('answers can be scripted, in code and over HTTP, in order', async () => {
  bot.script({ status: 200, body: { reason: 'busy' }, headers: { 'x-own': 'yes' } });
  const scripted = await request(bot.url)
    .post('/sandbox/answers')
    .send({ status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: 'moved', delayMs: 1, times: 2 });
  expect(scripted.status).toBe(201);
  const json = await notify();
  expect([json.status, json.body, json.headers['x-own']]).toEqual([200, { reason: 'busy' }, 'yes']);
  expect(json.headers['content-type']).toBe('application/json');
  for (let count = 0; count < 2; count += 1) {
    const moved = await notify().redirects(0);
    expect([moved.status, moved.text, moved.headers.location]).toEqual([302, 'moved', 'http://127.0.0.1:1/']);
  }
  expect((await notify()).status).toBe(202);
  const wrong = await request(bot.url).post('/sandbox/answers').send({ status: 99 });
  expect([wrong.status, wrong.text]).toEqual([400, expect.stringContaining('status')]);
  expect((await request(bot.url).get('/sandbox/nothing')).status).toBe(404);
});

test('it can break the connection, be down, and come up at the same place', async () => {
  bot.script({ status: 'reset' });
  await expect(notify()).rejects.toMatchObject({ code: 'ECONNRESET' });
  await bot.goDown();
  await expect(notify()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await bot.comeUp();
  await bot.comeUp();
  expect((await notify()).status).toBe(202);
  expect(bot.received).toHaveLength(2);
});

test('what is shown of what came has no token in it, and still tells which it was', async () => {
  const token = `Bearer ${await mint.mintNotificationToken()}`;
  graph.connect({ webhook: bot.url });
  graph.incomingCall();
  await settled('created incoming');
  expect(bot.received[0]?.body).toMatch(/"token":"eyJ/);
  await notify().set('Authorization', token);
  const shown = await request(bot.url).get('/sandbox/received');
  expect(shown.text).not.toMatch(/eyJ|Bearer/);
  const { received } = shown.body as { received: { headers: Record<string, string>; body: string }[] };
  expect(received[0]?.body).toContain('"token":"[token]"');
  expect(received[1]?.headers.authorization).toBe(
    `sha256:${createHash('sha256').update(token).digest('hex')}`,
  );
});

test('it takes the calls that it is invited to by a policy, each with a token for whom it was invited as', async () => {
  const app = '44444444-4444-4444-8444-444444444444';
  const whose: unknown[] = [];
  bot.answerCalls({
    proxy: graph.url,
    callbackUri: `${bot.url}/callbacks/calls`,
    tokenFor: async (who) => {
      whose.push(who);
      return mint.mintGraphToken({ tid: who.tenant, appid: who.app });
    },
  });
  graph.connect({ webhook: `${bot.url}/webhook` });
  graph.incomingCall({ policyBased: false });
  const call = graph.incomingCall({ app });
  await eventually(() => bot.answered.length > 0);
  await settled('updated established');
  expect(graph.log).toMatchObject([{ action: 'answer', call, app, answered: 202 }]);
  expect(bot.answered).toEqual([{ call, status: 202 }]);
  expect(whose).toEqual([{ app, tenant: expect.any(String) }]);
  expect(bot.received.map(({ path }) => path)).toContain('/callbacks/calls');

  bot.answerCalls(undefined);
  graph.incomingCall();
  await eventually(
    () =>
      graph.deliveries.filter(({ what, status }) => what === 'created incoming' && status === 202).length ===
      3,
  );
  expect(bot.answered).toHaveLength(1);
});

test('a call that cannot be taken is not hidden, and the notification is acknowledged all the same', async () => {
  const closed = await startFakeGraph({ allowAnyToken: true });
  await closed.close();
  bot.answerCalls({ proxy: closed.url, callbackUri: bot.url, tokenFor: () => Promise.resolve('token') });
  graph.connect({ webhook: bot.url });
  const call = graph.incomingCall();
  await eventually(() => bot.answered.length === 1);
  expect(bot.answered).toEqual([{ call, status: null }]);
  await settled('created incoming');
  expect(graph.deliveries[0]?.status).toBe(202);
});
