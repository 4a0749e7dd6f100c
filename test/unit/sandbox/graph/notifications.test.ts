import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import request from 'supertest';
import { startBotEndpoint, type BotEndpoint } from '../../../../src/sandbox/bot/endpoint.ts';
import { startFakeGraph, type FakeGraph } from '../../../../src/sandbox/graph/fake-graph.ts';
import {
  sandboxApp,
  sandboxTenant,
  startTokenMint,
  type TokenMint,
} from '../../../../src/sandbox/token-mint.ts';
import { eventually } from '../../../support/eventually.ts';

let mint: TokenMint;
let graph: FakeGraph;
let bot: BotEndpoint;
let token: string;

beforeAll(async () => {
  mint = await startTokenMint();
  token = await mint.mintGraphToken();
});
afterAll(() => mint.close());
beforeEach(async () => {
  graph = await startFakeGraph({ verify: mint.verifyGraphToken, sign: mint.mintNotificationToken });
  bot = await startBotEndpoint();
  graph.connect({ webhook: `${bot.url}/webhook` });
});
afterEach(() => Promise.all([graph.close(), bot.close()]));

const post = (call: string, action: string, body: object = {}): request.Test =>
  request(graph.url)
    .post(`/v1.0/communications/calls/${call}/${action}`)
    .auth(token, { type: 'bearer' })
    .send(body);
const sent = (call: string): string[] =>
  graph.deliveries.filter((delivery) => delivery.call === call).map(({ what }) => what);
const settled = (count: number): Promise<unknown> =>
  eventually(() => graph.deliveries.filter(({ status }) => status !== null).length >= count);

interface Notice {
  readonly changeType: string;
  readonly resource: string;
  readonly resourceUrl: string;
  readonly resourceData: Record<string, unknown>;
}
const notices = (): Notice[] =>
  bot.received.flatMap(({ body }) => (JSON.parse(body) as { value: Notice[] }).value);

describe('notifications', () => {
  test('are not made before Graph knows where the bot is', async () => {
    const silent = await startFakeGraph({ allowAnyToken: true });
    silent.endCall(silent.incomingCall());
    expect([silent.deliveries, silent.notifications.held]).toEqual([[], []]);
    await expect(silent.notify(null, [])).rejects.toBeFault('ConfigurationInvalid');
    await silent.close();
  });

  test('tell of a whole call, in order', async () => {
    const call = graph.incomingCall();
    await post(call, 'answer', { callbackUri: `${bot.url}/own` });
    await post(call, 'updateRecordingStatus', { status: 'recording' });
    await post(call, 'updateRecordingStatus', { status: 'recording' });
    await request(graph.url).delete(`/v1.0/communications/calls/${call}`).auth(token, { type: 'bearer' });
    await settled(6);
    expect(sent(call)).toEqual([
      'created incoming',
      'updated establishing',
      'updated established',
      'updated participants',
      'updated terminating',
      'deleted terminated',
    ]);
    // The invitation goes to the registration's webhook, all else where the answer said.
    expect(bot.received.map(({ path }) => path)).toEqual(['/webhook', ...Array<string>(5).fill('/own')]);
    expect(notices().at(-1)?.resourceData.resultInfo).toMatchObject({ code: 200, subcode: 7000 });
  });

  test('go on to the webhook if the answer names nothing else', async () => {
    const call = graph.incomingCall();
    expect((await post(call, 'answer')).status).toBe(202);
    await settled(3);
    expect(bot.received.map(({ path }) => path)).toEqual(Array<string>(3).fill('/webhook'));
  });

  test('are signed one by one, for the bot and the tenant of the call', async () => {
    const [tenant, app] = ['33333333-3333-4333-8333-333333333333', '44444444-4444-4444-8444-444444444444'];
    graph.incomingCall({ tenant, app, answered: true });
    await settled(2);
    const tokens = bot.received.map(({ headers }) => headers.authorization!.replace('Bearer ', ''));
    const keys = createRemoteJWKSet(new URL(mint.notifications.jwksUri));
    for (const one of tokens)
      expect((await jwtVerify(one, keys)).payload).toMatchObject({ tid: tenant, aud: app });
    expect(tokens).toHaveLength(2);
  });

  test('have the headers of the calling service, which name the conversation', async () => {
    const callChainId = '55555555-5555-4555-8555-555555555555';
    graph.incomingCall({ callChainId });
    await settled(1);
    expect(bot.received[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Microsoft-Skype/3.0,(Calling/1.0)',
      'scenario-id': callChainId,
      'x-microsoft-skype-chain-id': callChainId,
      'client-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('of a call go one at a time; those of another call do not wait', async () => {
    bot.script({ status: 'none' });
    const stuck = graph.incomingCall({ answered: true });
    await eventually(() => bot.received.length === 1);
    const other = graph.incomingCall();
    await eventually(() => graph.deliveries.some(({ call, status }) => call === other && status === 202));
    expect(sent(stuck)).toEqual(['created incoming']);
  });

  test('are tried once, whatever happens, and the next one follows', async () => {
    bot.script({ status: 503, headers: { 'retry-after': '1' }, body: 'x'.repeat(5000) });
    bot.script({ status: 307, headers: { location: `${bot.url}/elsewhere` } });
    bot.script({ status: 'reset' });
    const call = graph.incomingCall({ answered: true });
    graph.addParticipant(call);
    await settled(3);
    expect(graph.deliveries.map(({ what, status }) => [what, status])).toEqual([
      ['created incoming', 503],
      ['updated established', 307],
      ['updated participants', 'failed'],
    ]);
    const [unavailable, redirected, reset] = graph.deliveries;
    expect(unavailable).toMatchObject({ headers: { 'retry-after': '1' }, body: 'x'.repeat(4096) });
    expect(redirected?.headers.location).toBe(`${bot.url}/elsewhere`);
    expect(reset?.error).toMatch(/hang up|reset/);
    await bot.goDown();
    graph.addParticipant(call);
    await settled(4);
    expect(graph.deliveries[3]).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('ECONNREFUSED'),
    });
    await bot.comeUp();
    graph.addParticipant(call);
    await settled(5);
    expect([graph.deliveries[4]?.status, bot.received.length]).toEqual([202, 4]);
  });

  test('leave this machine for no callback', async () => {
    const call = graph.incomingCall();
    await post(call, 'answer', { callbackUri: 'https://bot.example/callbacks' });
    await settled(3);
    expect(graph.deliveries[2]).toMatchObject({
      status: 'failed',
      error: 'bot.example is not on this machine',
    });
  });

  test('that are on their way when Graph is closed are given up', async () => {
    bot.script({ status: 'none' });
    graph.incomingCall();
    await eventually(() => bot.received.length === 1);
    await graph.close();
    await settled(1);
    expect(graph.deliveries[0]?.status).toBe('failed');
  });
});

describe('an invitation', () => {
  test('by a policy tells who is recorded, and why', async () => {
    const [policyHolder, transferor] = [
      '66666666-6666-4666-8666-666666666666',
      '77777777-7777-4777-8777-777777777777',
    ];
    const call = graph.incomingCall({ policyHolder, transferor, threadId: '19:x@thread.v2' });
    await settled(1);
    const [notice] = notices();
    expect(notice).toMatchObject({
      changeType: 'created',
      resource: `/app/calls/${call}`,
      resourceUrl: `/communications/calls/${call}`,
      resourceData: {
        id: call,
        state: 'incoming',
        tenantId: sandboxTenant,
        chatInfo: { threadId: '19:x@thread.v2' },
        meetingInfo: {
          '@odata.type': '#microsoft.graph.tokenMeetingInfo',
          token: expect.stringMatching(/^eyJ/),
        },
        incomingContext: {
          observedParticipantId: expect.any(String),
          transferor: { user: { id: transferor } },
        },
        targets: [{ identity: { applicationInstance: { id: expect.any(String) } } }],
        applicationMetadata: {
          botData: {
            inviteReasons: ['PolicyBasedRecording'],
            user: { policyHolderId: `8:orgid:${policyHolder}` },
          },
        },
      },
    });
  });

  test('without a policy names nobody who is observed', async () => {
    graph.incomingCall({ policyBased: false });
    await settled(1);
    const [data] = notices().map(({ resourceData }) => resourceData);
    expect(data).not.toHaveProperty('applicationMetadata');
    expect(data?.incomingContext).not.toHaveProperty('observedParticipantId');
    expect(data?.targets).toMatchObject([{ identity: { application: { id: sandboxApp } } }]);
  });

  test('of a paired recorder is to the same conversation, under another id', async () => {
    const first = graph.incomingCall({ applicationInstance: '88888888-8888-4888-8888-888888888888' });
    const second = graph.incomingCall({ pairedWith: first.replaceAll('-', '').toUpperCase() });
    await settled(2);
    // Calls are notified independently of each other.
    const [one, other] = [first, second].map(
      (call) => notices().find(({ resource }) => resource.endsWith(call))?.resourceData,
    );
    expect(second).not.toBe(first);
    for (const key of ['callChainId', 'chatInfo']) expect(other?.[key]).toEqual(one?.[key]);
    expect(other?.applicationMetadata).toMatchObject({
      botData: { pairedRecorders: [{ id: '88888888-8888-4888-8888-888888888888' }] },
    });
    expect(() => graph.incomingCall({ pairedWith: 'none' })).toThrow('pairedWith is not the id of a call');
  });
});

describe('a roster', () => {
  const roster = (): { id: string; recordingInfo: { recordingStatus: string } }[] =>
    notices().at(-1)?.resourceData as never;

  test('is told in full, with the recording status of everybody', async () => {
    const call = graph.incomingCall({ answered: true });
    const id = graph.addParticipant(call)!;
    await post(call, 'updateRecordingStatus', { status: 'recording' });
    await settled(4);
    expect(roster()).toHaveLength(2);
    for (const { recordingInfo } of roster()) expect(recordingInfo.recordingStatus).toBe('recording');
    expect(graph.removeParticipant(call, id)).toBe(true);
    await settled(5);
    expect(roster()).toHaveLength(1);
    expect(roster()[0]).not.toHaveProperty('rosterSequenceNumber');
    expect([graph.removeParticipant(call, id), graph.addParticipant('none')]).toEqual([false, undefined]);
  });

  test('is told by its changes to a bot that asked for them', async () => {
    const call = graph.incomingCall();
    await post(call, 'answer', { callOptions: { isDeltaRosterEnabled: true } });
    const id = graph.addParticipant(call)!;
    graph.removeParticipant(call, id);
    await settled(5);
    const [joined, left] = notices().slice(3);
    expect(joined?.resourceData).toMatchObject({
      sequenceNumber: 1,
      participants: [{ id, rosterSequenceNumber: 1 }],
    });
    expect(left?.resourceData).toMatchObject({
      sequenceNumber: 2,
      participants: [{ id, rosterSequenceNumber: 2, removedState: { reason: 'Removed' } }],
    });
  });
});

// Microsoft's stateful SDK finds the call by this path, letter for letter.
test('the whole life of a call is told under the path of its invitation', async () => {
  const call = graph.incomingCall();
  await post(call, 'answer', { acceptedModalities: ['audio'] });
  graph.addParticipant(call);
  graph.endCall(call);
  await settled(6);
  const path = `/communications/calls/${call}`;
  expect(notices().map(({ resourceUrl }) => resourceUrl)).toEqual([
    ...[path, path, path, `${path}/participants`, path, path],
  ]);
});

describe('an operation', () => {
  test('that was pending is told when it ends', async () => {
    const call = graph.incomingCall({ answered: true });
    const script = graph.script({ action: 'updateRecordingStatus', answer: { pending: {} } });
    const { id } = (await post(call, 'updateRecordingStatus', { status: 'recording' })).body as {
      id: string;
    };
    script.release();
    await settled(4);
    expect(sent(call).slice(2)).toEqual(['deleted operation completed', 'updated participants']);
    const notice = notices()[2]!;
    expect(notice.resourceUrl).toBe(`/communications/calls/${call}/operations/${id}`);
    const read = await request(graph.url).get(`/v1.0${notice.resourceUrl}`).auth(token, { type: 'bearer' });
    expect(read.body).toEqual(notice.resourceData);
  });

  test('that failed is told, and nothing changes', async () => {
    const call = graph.incomingCall({ answered: true });
    const script = graph.script({ action: '*', answer: { pending: { then: 'failed' } } });
    await post(call, 'updateRecordingStatus', { status: 'recording' });
    script.release();
    await settled(3);
    expect(sent(call).slice(2)).toEqual(['deleted operation failed']);
    expect(graph.recordingState(call)).toBe('notRecording');
  });

  test('that was final at once, or whose call is over, is not told', async () => {
    const call = graph.incomingCall({ answered: true });
    await post(call, 'playPrompt');
    const script = graph.script({ action: 'playPrompt', answer: { pending: {} } });
    await post(call, 'playPrompt');
    graph.endCall(call);
    script.release();
    await settled(4);
    expect(sent(call).slice(2)).toEqual(['updated terminating', 'deleted terminated']);
  });
});

test.each(['reject', 'redirect'])('%s ends the call, and the bot is told', async (action) => {
  const call = graph.incomingCall();
  await post(call, action);
  await settled(3);
  expect(sent(call)).toEqual(['created incoming', 'updated terminating', 'deleted terminated']);
});

test('a call that the bot makes is told at its own callback', async () => {
  const made = await request(graph.url)
    .post('/v1.0/communications/calls')
    .auth(token, { type: 'bearer' })
    .send({ callbackUri: `${bot.url}/mine` });
  await settled(2);
  expect(sent((made.body as { id: string }).id)).toEqual(['updated establishing', 'updated established']);
  expect(bot.received.map(({ path }) => path)).toEqual(['/mine', '/mine']);
});
