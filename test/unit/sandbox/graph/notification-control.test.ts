import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import request from 'supertest';
import { startBotEndpoint, type BotEndpoint } from '../../../../src/sandbox/bot/endpoint.ts';
import { startFakeGraph, type FakeGraph } from '../../../../src/sandbox/graph/fake-graph.ts';
import { sandboxTenant, startTokenMint, type TokenMint } from '../../../../src/sandbox/token-mint.ts';
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
  graph.connect({ webhook: `${bot.url}/webhook` });
});
afterEach(() => Promise.all([graph.close(), bot.close()]));

const sandbox = (method: 'get' | 'post' | 'delete', path: string, body?: object): request.Test =>
  request(graph.url)[method](`/sandbox/${path}`).send(body);
const arrived = (): string[] =>
  bot.received.map(({ body }) => {
    const { value } = JSON.parse(body) as {
      value: { changeType: string; resourceData: { state?: string } }[];
    };
    return `${value[0]?.changeType} ${value[0]?.resourceData.state ?? ''}`.trim();
  });
/** The bot has them, and Graph has the bot's answers. */
const arrives = (count: number): Promise<unknown> =>
  eventually(() => bot.received.length >= count && graph.deliveries.every(({ status }) => status !== null));

test('notifications are held back, and released in any order, twice, or not at all', async () => {
  expect((await sandbox('post', 'notifications', { mode: 'hold' })).body).toMatchObject({ mode: 'hold' });
  const call = graph.incomingCall({ answered: true });
  graph.endCall(call);
  expect((await sandbox('get', 'notifications')).body).toEqual({
    mode: 'hold',
    held: [
      { id: 1, call, what: 'created incoming' },
      { id: 2, call, what: 'updated established' },
      { id: 3, call, what: 'updated terminating' },
      { id: 4, call, what: 'deleted terminated' },
    ],
    deliveries: [],
  });
  await sandbox('post', 'notifications/release', { order: [4, 2, 2] });
  await arrives(3);
  expect(arrived()).toEqual(['deleted terminated', 'updated established', 'updated established']);
  expect(graph.notifications.held.map(({ id }) => id)).toEqual([1, 3]);
  await sandbox('post', 'notifications/release');
  await arrives(5);
  expect(arrived().slice(3)).toEqual(['created incoming', 'updated terminating']);
  expect(graph.notifications.held).toEqual([]);
  // What was delivered can come again, long after its call.
  graph.notifications.release([4]);
  await arrives(6);
  expect(graph.deliveries.map(({ id }) => id)).toEqual([4, 2, 2, 1, 3, 4]);
});

test('what is held stays held when others are sent again', async () => {
  graph.notifications.set('hold', 1);
  graph.incomingCall({ answered: true });
  await arrives(1);
  expect(arrived()).toEqual(['updated established']);
  expect(graph.notifications).toMatchObject({ mode: 'send', held: [{ id: 1 }] });
});

test('the next ones are dropped, and are seen to be', async () => {
  await sandbox('post', 'notifications', { mode: 'drop', next: 2 });
  const call = graph.incomingCall({ answered: true });
  graph.addParticipant(call);
  await arrives(1);
  expect(graph.deliveries.map(({ what, status }) => [what, status])).toEqual([
    ['created incoming', 'dropped'],
    ['updated established', 'dropped'],
    ['updated participants', 202],
  ]);
  graph.notifications.release([1]);
  await arrives(2);
  expect(arrived()).toEqual(['updated', 'created incoming']);
});

test('a call is invited, joined, left and terminated over HTTP', async () => {
  const answer = await sandbox('post', 'calls', { policyIdentifier: 'Mine', isMultiParty: true });
  const { callId } = answer.body as { callId: string };
  const joined = await sandbox('post', `calls/${callId}/participants`, { displayName: 'Megan' });
  const { participantId } = joined.body as { participantId: string };
  expect(joined.status).toBe(201);
  const person = `calls/${callId}/participants/${participantId}`;
  expect((await sandbox('delete', person)).status).toBe(200);
  expect((await sandbox('delete', person)).status).toBe(404);
  const end = { code: '500', subcode: '1999', message: 'gone' };
  expect((await sandbox('post', `calls/${callId}/terminate`, end)).status).toBe(200);
  expect((await sandbox('post', `calls/${callId}/terminate`, end)).status).toBe(404);
  expect((await sandbox('post', `calls/${callId}/participants`)).status).toBe(404);
  await arrives(5);
  expect(bot.received[0]?.body).toContain('"policyIdentifier":"Mine"');
  expect(bot.received[1]?.body).toContain('Megan');
  const last = JSON.parse(bot.received.at(-1)!.body) as { value: { resourceData: object }[] };
  expect(last.value[0]?.resourceData).toMatchObject({ state: 'terminated', resultInfo: end });
});

test('anything can be sent by hand: batches, other claims, other tokens, other places, for calls that are over', async () => {
  const call = graph.incomingCall();
  graph.endCall(call);
  await arrives(3);
  graph.notifications.set('hold');
  const batch = [{ changeType: 'updated', resourceUrl: '/communications/calls/x', resourceData: {} }];
  expect(await graph.notify(call, batch, { claims: { tid: 'another', appid: undefined } })).toMatchObject({
    id: null,
    call,
    what: 'updated',
    status: 202,
    url: `${bot.url}/webhook`,
  });
  await graph.notify(null, 'no JSON', { token: null, url: `${bot.url}/other` });
  await graph.notify(null, [], { token: 'opaque' });
  const [changed, raw, opaque] = bot.received.slice(3);
  const claims = decodeJwt(changed!.headers.authorization!.slice('Bearer '.length));
  expect(claims).toMatchObject({ tid: 'another', exp: expect.any(Number) });
  expect(claims).not.toHaveProperty('appid');
  expect(JSON.parse(changed!.body)).toEqual({
    '@odata.type': '#microsoft.graph.commsNotifications',
    value: batch,
  });
  expect([raw?.path, raw?.body, raw?.headers.authorization]).toEqual(['/other', 'no JSON', undefined]);
  expect(opaque?.headers.authorization).toBe('Bearer opaque');
  await expect(graph.notify('none', [])).rejects.toBeFault('ConfigurationInvalid');
});

test('so it can over HTTP, where null leaves a claim out', async () => {
  bot.script({ status: 204 });
  const byHand = await sandbox('post', 'notify', { body: 'raw', claims: { tid: null } });
  expect(byHand.body).toMatchObject({ call: null, what: 'by hand', status: 204, error: null });
  const claims = decodeJwt(bot.received[0]!.headers.authorization!.slice('Bearer '.length));
  expect(claims).not.toHaveProperty('tid');
  await sandbox('post', 'notify', { body: [] });
  const usual = decodeJwt(bot.received[1]!.headers.authorization!.slice('Bearer '.length));
  expect(usual.tid).toBe(sandboxTenant);
});

test.each([
  ['notifications', { mode: 'lose' }, 'mode'],
  ['notifications', { mode: 'drop', next: 0 }, 'next'],
  ['notifications/release', { order: [7] }, 'no notification 7'],
  ['notify', { body: 7 }, 'body'],
  ['notify', { call: 'none', body: [] }, 'no call none'],
  ['calls', { pairedWith: 'none' }, 'pairedWith'],
  ['calls/x/terminate', { code: {} }, 'code'],
])('%s with %j is refused with the reason', async (path, body, reason) => {
  const answer = await sandbox('post', path, body);
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(reason)]);
  expect(graph.deliveries).toEqual([]);
});
