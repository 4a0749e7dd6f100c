import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sandboxApp, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { body as fixture, callId, tenant } from '../../fixtures/notifications/read.ts';
import {
  batch,
  callIs,
  recordsIn,
  startNotifiedWorld,
  type NotifiedWorld,
} from '../../support/notified-bot.ts';
import { json, send } from '../../support/raw-http.ts';

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld();
});
afterAll(() => world.close());

/** Made to be found again, each in another kind of secret. */
const canary = (kind: string): string => `canary-${kind}`;
const phone = '+4930123456789';

/** A call with everything that must be kept nowhere, in every place in which Graph has been seen to put it. */
const invitation = (call: string, joinToken: string): object =>
  callIs(call, 'incoming', {
    tenantId: sandboxTenant,
    subject: canary('subject'),
    callbackUri: `https://bot.example/${canary('path')}`,
    source: {
      identity: {
        user: { id: randomUUID(), displayName: canary('source'), tenantId: sandboxTenant },
        phone: { id: phone, displayName: phone },
      },
    },
    targets: [
      { identity: { applicationInstance: { id: randomUUID(), displayName: canary('recorder') } } },
      { identity: { phone: { id: phone } } },
    ],
    meetingInfo: { token: joinToken, organizer: { user: { displayName: canary('organizer') } } },
    incomingContext: {
      observedParticipantId: `4:${phone}`,
      sourceParticipantId: phone,
      onBehalfOf: { phone: { id: phone } },
      transferor: { user: { id: phone, displayName: canary('transferor') } },
    },
    applicationMetadata: {
      botData: {
        user: { policyHolderId: `4:${phone}`, displayName: canary('holder') },
        otherSideUser: { id: phone, displayName: canary('other-side') },
        pairedRecorders: [{ id: phone }],
        otherRecorders: [{ id: `4:${phone}` }],
        inviteReasons: ['PolicyBasedRecording'],
      },
    },
    mediaConfig: { blob: canary('media') },
    toneInfo: { tone: canary('tone') },
    resultInfo: { code: 200, subcode: 0, message: canary('result') },
  });

const roster = (call: string): object => ({
  changeType: 'updated',
  resourceUrl: `/communications/calls/${call}/participants`,
  resourceData: [
    {
      id: randomUUID(),
      info: { identity: { user: { id: randomUUID(), displayName: canary('participant') } } },
      recordingInfo: {
        recordingStatus: 'recording',
        initiator: { identity: { application: { id: sandboxApp, displayName: canary('initiator') } } },
      },
      metadata: canary('metadata'),
    },
    { id: `4:${phone}`, info: { identity: { phone: { id: phone } } } },
  ],
});

const operation = (call: string): object => ({
  changeType: 'deleted',
  resourceUrl: `/communications/calls/${call}/operations/${randomUUID()}`,
  resourceData: {
    '@odata.type': '#microsoft.graph.recordOperation',
    status: 'completed',
    recordingLocation: canary('location'),
    recordingAccessToken: canary('access'),
    clientContext: canary('context'),
  },
});

test('no token, name, number or address of a notification is in the log, the numbers or the evidence', async () => {
  const secrets: string[] = [phone, phone.slice(1), 'Canary', 'canary'];
  const call = await world.recordingCall();
  const joinToken = await world.mint.mintNotificationToken({ aud: 'https://api.botframework.com' });
  const good = await world.mint.mintNotificationToken();
  const stranger = await world.mint.mintNotificationToken({ tid: randomUUID() });
  const fixtureToken = await world.mint.mintNotificationToken({ tid: tenant });
  const expired = await world.mint.mintNotificationToken({ nbf: 1, exp: 2 });
  // A header alone is shared by all tokens of a key.
  for (const token of [joinToken, good, stranger, fixtureToken, expired])
    secrets.push(...token.split('.').slice(1), token);

  const whole = batch(invitation(call, joinToken), roster(call), operation(call), canary('entry'));
  const notify = (body: unknown, token: string, more: object = {}) => world.notify(body, { token, ...more });
  await world.learnt('operation', 'otherOperation', 1, () => notify(whole, good));
  await world.learnt('operation', 'stranger', 1, () => notify(whole, stranger));
  await world.learnt('ignored', 'unreadable', 1, () => notify(`{"${canary('broken')}":`, good));
  await world.learnt('ignored', 'resourceUnknown', 1, () =>
    notify(batch({ changeType: 'created', resourceUrl: `/${canary('resource')}/${phone}` }), good),
  );
  await notify(whole, joinToken);
  await notify(whole, expired);
  await notify(whole, `${good}x`);
  await notify(whole, good, { path: `/pod-7/api/calling/${canary('path')}?code=${canary('query')}` });
  await world.learnt('call', 'learned', 1, () => notify(fixture('policy-invitation'), fixtureToken));
  await world.evidence(callId, 'notified');
  world.endpoint.answer = (res) => res.writeHead(500, { 'x-y': canary('answer') }).end(canary('answer'));
  await notify(batch(callIs(call, 'established', { displayName: canary('late') })), good);
  await world.endpoint.goDown();
  await notify(whole, good);
  await world.endpoint.comeUp();

  const asked = json({ callbackUri: `https://bot.example/${canary('path')}?sig=${canary('query')}` });
  const path = `/v1.0/communications/calls/${call}/answer`;
  await send(world.proxy.url, { method: 'POST', path, token: await world.mint.mint(), ...asked });
  await world.evidence(call, 'callbackBypassed');
  await world.learnt('call', 'learned', 1, () => notify(batch(callIs(call, 'terminated')), good));
  await world.evidence(call, 'ended');

  const records = await recordsIn(world.directory);
  const said = {
    log: world.logged.join('\n'),
    evidence: records.map((record) => JSON.stringify(record)).join('\n'),
    metrics: await world.metrics(),
  };
  for (const [where, text] of Object.entries(said))
    for (const secret of secrets)
      expect([where, secret, text.includes(secret) ? around(text, secret) : 'absent']).toEqual([
        where,
        secret,
        'absent',
      ]);
  // What may be kept is there, so the search was in the right place.
  expect(said.evidence).toContain('PolicyBasedRecording');
});

const around = (text: string, secret: string): string => {
  const at = text.indexOf(secret);
  return text.slice(Math.max(0, at - 120), at + 60);
};
