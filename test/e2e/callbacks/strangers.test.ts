import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sandboxApp, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { batch, callIs, startNotifiedWorld, type NotifiedWorld } from '../../support/notified-bot.ts';

const otherTenant = '99999999-9999-4999-8999-999999999999';
const otherBot = '88888888-8888-4888-8888-888888888888';

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld({
    settings: ({ mint: { notifications } }) => ({
      notificationIssuers: [
        {
          issuer: notifications.issuer,
          metadataUri: notifications.metadataUri,
          audience: [sandboxApp, otherBot],
        },
      ],
    }),
  });
});
beforeEach(() => {
  world.endpoint.answer = (res) => res.writeHead(202).end();
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
});

const forBot = (claims: Record<string, unknown> = {}): Promise<string> =>
  world.mint.mintNotificationToken(claims);

describe('a notification that ends a call', () => {
  test('closes its gate and puts the reason into the evidence and the numbers', async () => {
    const call = await world.recordingCall();
    const ended = 'tallylight_calls_ended_total';
    const before = await world.metric(ended, 'reason="terminated"');
    const resultInfo = { code: '200', subcode: 5001 };
    await world.learnt('call', 'learned', 1, () =>
      world.notify(batch(callIs(call, 'terminated', { resultInfo, tenantId: sandboxTenant }))),
    );
    expect(await world.isOpen(call)).toBe(false);
    expect(await world.metric(ended, 'reason="terminated"')).toBe(before + 1);
    const [record] = await world.evidence(call, 'ended');
    expect(record).toMatchObject({ to: 'ended', by: { tenant: sandboxTenant, app: sandboxApp } });
    const [told] = await world.evidence(call, 'notified');
    expect(told?.detail).toMatchObject({ state: 'terminated', result: { code: 200, subcode: 5001 } });
  });

  test('writes nothing more when it comes again for the ended call', async () => {
    const call = await world.recordingCall();
    const end = batch(callIs(call, 'terminated'));
    await world.learnt('call', 'learned', 1, () => world.notify(end));
    await world.evidence(call, 'ended');
    const before = await world.evidence(call);
    const undashed = call.replaceAll('-', '').toUpperCase();
    await world.learnt('call', 'ended', 5, async () => {
      await world.notify(end);
      await world.notify(batch(callIs(undashed, 'terminated'), callIs(call, 'established')));
      await world.notify(batch(callIs(call, 'incoming'), callIs(call, 'terminating')));
    });
    // A record that follows in the same file shows that there was time for one of this call.
    const next = await world.recordingCall();
    await world.evidence(next, 'startConfirmed');
    expect(await world.evidence(call)).toEqual(before);
    expect(world.endpoint.received.at(-1)!.body.toString()).toContain('terminating');
  });

  test('is taken in another tenant’s name by nobody: it reaches the bot, and the gate stays', async () => {
    const call = await world.recordingCall();
    await world.learnt('ignored', 'tenantMismatch', 1, async () => {
      const answer = await world.notify(batch(callIs(call, 'terminated', { tenantId: otherTenant })));
      expect(answer.status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)!.body.toString()).toContain(otherTenant);
    expect(await world.isOpen(call)).toBe(true);
  });

  test.each<[string, Record<string, unknown>]>([
    ['another tenant', { tid: otherTenant }],
    ['another bot', { aud: otherBot }],
  ])('comes with the token of %s: it reaches the bot, and the gate stays', async (_, claims) => {
    const call = await world.recordingCall();
    await world.evidence(call, 'startConfirmed');
    const before = await world.evidence(call);
    const undashed = call.replaceAll('-', '').toUpperCase();
    const token = await forBot(claims);
    await world.learnt('call', 'stranger', 2, async () => {
      const body = batch(callIs(call, 'terminated'), callIs(undashed, 'terminated'));
      expect((await world.notify(body, { token })).status).toBe(202);
    });
    await world.learnt('roster', 'stranger', 1, () => {
      const resourceUrl = `/communications/calls/${call}/participants`;
      return world.notify(batch({ changeType: 'updated', resourceUrl, resourceData: [] }), { token });
    });
    await world.learnt('operation', 'stranger', 1, () => {
      const resourceUrl = `/communications/calls/${call}/operations/${randomUUID()}`;
      return world.notify(batch({ changeType: 'deleted', resourceUrl }), { token });
    });
    expect(await world.isOpen(call)).toBe(true);
    expect(await world.evidence(call)).toEqual(before);
    expect(world.logged.join('\n')).not.toContain(token);
  });

  test('of a call never seen ends that call, and no other', async () => {
    const open = await world.recordingCall();
    const call = randomUUID();
    await world.learnt('call', 'learned', 1, () => world.notify(batch(callIs(call, 'terminated'))));
    const ended = await world.evidence(call, 'ended');
    expect(ended[0]).toMatchObject({ by: { tenant: sandboxTenant, app: sandboxApp } });
    expect(await world.isOpen(open)).toBe(true);
    const bot = await world.bot();
    expect((await bot.report('recording')).status).toBe(200);
  });
});

describe('a notification never opens a gate', () => {
  test('whatever it says', async () => {
    const bot = await world.bot();
    const roster = {
      changeType: 'updated',
      resourceUrl: `/communications/calls/${bot.call}/participants`,
      resourceData: [{ id: randomUUID(), recordingInfo: { recordingStatus: 'recording' } }],
    };
    const operation = {
      changeType: 'deleted',
      resourceUrl: `/communications/calls/${bot.call}/operations/${randomUUID()}`,
      resourceData: { '@odata.type': '#microsoft.graph.updateRecordingStatusOperation', status: 'completed' },
    };
    await world.learnt('operation', 'unknownOperation', 1, () =>
      world.notify(batch(callIs(bot.call, 'established'), roster, operation)),
    );
    expect((await bot.upload('early', 1)).headers['tallylight-reason']).toBe('RecordingNotActive');
  });
});

describe('a bot that cannot be reached', () => {
  test('costs Graph a 502, and nothing that its notification taught', async () => {
    const call = await world.recordingCall();
    await world.endpoint.goDown();
    try {
      await world.learnt('call', 'learned', 1, async () => {
        const answer = await world.notify(batch(callIs(call, 'terminated')));
        expect([answer.status, answer.headers['tallylight-reason']]).toEqual([502, 'BotUnreachable']);
      });
      expect(await world.isOpen(call)).toBe(false);
      await world.evidence(call, 'ended');
    } finally {
      await world.endpoint.comeUp();
    }
    expect((await world.notify(batch())).status).toBe(202);
  });

  test('costs nothing that a large batch taught either', async () => {
    const call = await world.recordingCall();
    await world.endpoint.goDown();
    try {
      const body = JSON.stringify(batch(callIs(call, 'terminated'))).padEnd(500_000, ' ');
      await world.learnt('call', 'learned', 1, async () => {
        expect((await world.notify(body)).status).toBe(502);
      });
    } finally {
      await world.endpoint.comeUp();
    }
    expect(await world.isOpen(call)).toBe(false);
  });

  test('since it breaks off without an answer, costs a 502 that says so', async () => {
    const call = await world.recordingCall();
    world.endpoint.answer = (res) => res.destroy();
    await world.learnt('call', 'learned', 1, async () => {
      const answer = await world.notify(batch(callIs(call, 'terminated')));
      expect([answer.status, answer.headers['tallylight-reason']]).toEqual([502, 'BotFailed']);
    });
    expect(await world.isOpen(call)).toBe(false);
  });

  test('since it hangs, is given up with a 504, while what was told is learned at once', async () => {
    const call = await world.recordingCall();
    const numbers = (): Promise<number> => world.metric('tallylight_notifications_total');
    const before = await numbers();
    world.endpoint.answer = () => undefined;
    let answered = false;
    const asked = world.notify(batch(callIs(call, 'terminated'))).finally(() => (answered = true));
    await eventually(async () => !(await world.isOpen(call)));
    await world.evidence(call, 'ended');
    expect(answered).toBe(false);
    const answer = await asked;
    expect([answer.status, answer.headers['tallylight-reason']]).toEqual([504, 'BotTimeout']);
    expect(await numbers()).toBe(before);
  });
});
