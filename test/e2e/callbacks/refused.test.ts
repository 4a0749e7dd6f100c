import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { sandboxApp, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { startIssuer, tampered } from '../../support/issuer.ts';
import { batch, callIs, startNotifiedWorld, type NotifiedWorld } from '../../support/notified-bot.ts';
import { sendRaw } from '../../support/raw-http.ts';

const joinAudience = 'https://api.botframework.com';
const otherTenant = '99999999-9999-4999-8999-999999999999';

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld();
});
afterAll(() => world.close());

describe('the bot sees nothing of a notification', () => {
  const refused = async (
    token: string | null,
    status: number,
    reason: string,
    detail = '',
    body: unknown = batch(callIs(randomUUID(), 'terminated')),
  ): Promise<void> => {
    const before = [world.endpoint.received.length, await world.metric('tallylight_notices_total')];
    const answer = await world.notify(body, { token });
    expect([answer.status, answer.headers['tallylight-reason']]).toEqual([status, reason]);
    expect(answer.body).toContain(detail);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: reason } });
    expect([world.endpoint.received.length, await world.metric('tallylight_notices_total')]).toEqual(before);
  };
  const mint = (claims: Record<string, unknown>): Promise<string> => world.mint.mintNotificationToken(claims);
  const at = (offset: number): number => Math.floor(Date.now() / 1000) + offset;

  test('without a token', async () => {
    await refused(null, 401, 'TokenMissing');
  });

  const bad: [what: string, token: () => Promise<string>, detail: string][] = [
    [
      'the join token of its own body',
      () => mint({ aud: joinAudience, appid: undefined, exp: at(86_400) }),
      'meeting join token',
    ],
    [
      'the token of a message to the bot',
      () => mint({ tid: undefined, appid: undefined, serviceurl: 'https://smba.test/' }),
      'serviceurl',
    ],
    ['a message’s token that names a tenant', () => mint({ serviceurl: 'https://smba.test/' }), 'serviceurl'],
    ['a token without a tenant', () => mint({ tid: undefined }), 'tid'],
    ['a token for another bot', () => mint({ aud: randomUUID() }), 'aud'],
    ['a bot’s token for the proxy', () => world.mint.mint(), ''],
    ['a Graph token', () => world.mint.mintGraphToken(), ''],
    ['what is no token', () => Promise.resolve('abc.def.ghi'), ''],
  ];
  test.each(bad)('with %s', async (_, token, detail) => {
    await refused(await token(), 401, 'TokenInvalid', detail);
  });

  test('whose token is the join token that the body carries', async () => {
    const token = await mint({ aud: joinAudience, appid: undefined, exp: at(86_400) });
    const invitation = callIs(randomUUID(), 'incoming', { meetingInfo: { token } });
    await refused(token, 401, 'TokenInvalid', 'join', batch(invitation));
  });

  test('whose token has expired', async () => {
    await refused(await mint({ nbf: at(-600), exp: at(-300) }), 401, 'TokenExpired');
  });

  test('whose token was signed by somebody else', async () => {
    const forger = await startIssuer();
    try {
      const claims = { iss: joinAudience, aud: sandboxApp, tid: sandboxTenant };
      const { kid } = decodeProtectedHeader(await mint({}));
      const forged = [
        await forger.mintNotification(claims),
        await forger.mintNotification(claims, { kid: String(kid) }),
        await forger.mintNotification(claims, { alg: 'none' }),
        tampered(await mint({}), { tid: otherTenant }),
      ];
      for (const token of forged) await refused(token, 401, 'TokenInvalid');
    } finally {
      await forger.stop();
    }
  });

  test('of another service of Microsoft’s', async () => {
    await refused(await mint({ appid: randomUUID() }), 403, 'TokenNotAllowed');
  });

  test('that breaks off', async () => {
    const token = await world.mint.mintNotificationToken();
    const before = world.endpoint.received.length;
    const refusedBefore = await world.metric('tallylight_gate_decisions_total', 'reason="BodyIncomplete"');
    const request = sendRaw(
      world.proxy.url,
      `POST /pod-7/api/calling/x HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
        'Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n{"value":[\r\nnonsense',
    );
    await request;
    await eventually(
      async () =>
        (await world.metric('tallylight_gate_decisions_total', 'reason="BodyIncomplete"')) > refusedBefore,
    );
    expect(world.endpoint.received).toHaveLength(before);
  });

  test.each(['GET', 'PUT', 'DELETE', 'OPTIONS'])('by %s, and is told what is offered', async (method) => {
    const before = world.endpoint.received.length;
    const answer = await world.notify('', { method });
    expect([answer.status, answer.headers['tallylight-reason'], answer.headers.allow]).toEqual([
      405,
      'MethodNotAllowed',
      'POST',
    ]);
    expect(world.endpoint.received).toHaveLength(before);
  });

  test.each([
    '/api/calling/notifications',
    '/pod-7/api',
    '/pod-7/other/api/calling',
    '/pod-7/api/calling/..%2f..%2fadmin',
    '/pod-7/api/callings/x',
    '/v1.0/api/calling/x',
    '/',
  ])('at %s, which is no callback path', async (path) => {
    const before = world.endpoint.received.length;
    const answer = await world.notify(batch(callIs(randomUUID(), 'terminated')), { path });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(world.endpoint.received).toHaveLength(before);
  });
});

describe('where only some tenants are let in', () => {
  test('the bot sees nothing of the others', async () => {
    const place = await startNotifiedWorld({
      settings: ({ mint }) => ({
        notificationIssuers: [
          {
            issuer: mint.notifications.issuer,
            metadataUri: mint.notifications.metadataUri,
            audience: sandboxApp,
            tenants: [otherTenant],
          },
        ],
      }),
    });
    try {
      const foreign = await place.notify(batch(), { token: await place.mint.mintNotificationToken() });
      expect([foreign.status, foreign.headers['tallylight-reason']]).toEqual([403, 'TokenNotAllowed']);
      expect(foreign.body).toContain('tid');
      expect(place.endpoint.received).toEqual([]);
      const token = await place.mint.mintNotificationToken({ tid: otherTenant });
      expect((await place.notify(batch(), { token })).status).toBe(202);
    } finally {
      await place.close();
    }
  });
});

describe('while the key server is down', () => {
  test('a notification is refused as one that cannot be verified, not as a bad one; and later taken', async () => {
    // From the start: keys that are known are believed for a while.
    const place = await startNotifiedWorld({
      settings: ({ mint }) => {
        mint.failWith(503);
        return {};
      },
    });
    try {
      const token = await place.mint.mintNotificationToken();
      const answer = await place.notify(batch(), { token });
      expect([answer.status, answer.headers['tallylight-reason']]).toEqual([503, 'CannotVerify']);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(place.endpoint.received).toEqual([]);
      place.mint.failWith(undefined);
      await eventually(async () => (await place.notify(batch(), { token })).status === 202, {
        withinMs: 40_000,
      });
    } finally {
      await place.close();
    }
  });
});
