import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { sandboxApp, sandboxTenant } from '../../src/server/sandbox/token-mint.ts';
import { eventually } from '../support/eventually.ts';
import { startIssuer, tampered } from '../support/issuer.ts';
import { batch, callIs, startNotifiedWorld, type NotifiedWorld } from '../support/notified-bot.ts';
import { send, sendRaw } from '../support/raw-http.ts';

const mebibyte = 1024 * 1024;
const joinAudience = 'https://api.botframework.com';
const otherTenant = '99999999-9999-4999-8999-999999999999';

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld();
});
beforeEach(async () => {
  world.endpoint.answer = (res) => res.writeHead(202).end();
  await world.endpoint.comeUp();
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
});

const notices = (kind: string, outcome: string): Promise<number> =>
  world.metric('tallylight_notices_total', `kind="${kind}"`, `outcome="${outcome}"`);

/** Sends, and waits until these many more notices of a kind had this outcome. */
async function counted(
  kind: string,
  outcome: string,
  more: number,
  sendIt: () => Promise<unknown>,
): Promise<void> {
  const before = await notices(kind, outcome);
  await sendIt();
  await eventually(async () => (await notices(kind, outcome)) >= before + more, {
    what: `${more} notices ${kind} ${outcome}`,
  });
  expect(await notices(kind, outcome)).toBe(before + more);
}

const isOpen = async (call: string): Promise<boolean> => {
  const path = `/media/${call}/probe`;
  return (
    (await send(world.proxy.url, { method: 'POST', path, token: await world.mint.mint(), body: 'x' }))
      .status === 201
  );
};

async function recordingCall(): Promise<string> {
  const bot = await world.bot();
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  return bot.call;
}

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

  test('that is too large', async () => {
    const token = await world.mint.mintNotificationToken();
    const before = world.endpoint.received.length;
    const body = Buffer.alloc(mebibyte + 1, ' ');
    const whole = await world.notify(body, { token });
    const announced = await sendRaw(
      world.proxy.url,
      `POST /pod-7/api/calling/x HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Length: ${mebibyte + 1}\r\n\r\n`,
    );
    const chunked = await sendRaw(
      world.proxy.url,
      Buffer.concat([
        Buffer.from(
          `POST /pod-7/api/calling/x HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
            `Transfer-Encoding: chunked\r\n\r\n${(mebibyte + 1).toString(16)}\r\n`,
        ),
        body,
        Buffer.from('\r\n0\r\n\r\n'),
      ]),
    );
    for (const answer of [whole, announced, chunked])
      expect([answer?.status, answer?.headers['tallylight-reason']]).toEqual([413, 'BodyTooLarge']);
    expect(world.endpoint.received).toHaveLength(before);
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
    '/pod-7/api/calling',
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
          { issuer: mint.notifications.issuer, metadataUri: mint.notifications.metadataUri, audience: sandboxApp, tenants: [otherTenant] },
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
    const place = await startNotifiedWorld();
    try {
      const token = await place.mint.mintNotificationToken();
      place.mint.failWith(503);
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

describe('a body that teaches nothing reaches the bot all the same', () => {
  test.each<[string, string | Buffer]>([
    ['is not JSON', '<event><kind>incoming</kind></event>'],
    ['is no text', Buffer.from([0xff, 0xfe, 0x00])],
    ['is empty', ''],
    ['has no value', '{"@odata.type":"#microsoft.graph.commsNotifications"}'],
    ['has a value that is no list', '{"value":{"0":{"changeType":"deleted"}}}'],
    ['has a value that is null', '{"value":null}'],
    ['is a list', '[]'],
    ['is a word', '"value"'],
    ['is nested without end', '['.repeat(60_000)],
    ['has depth', `{"value":${'['.repeat(20_000)}${']'.repeat(20_000)},"value":1}`],
  ])('when it %s, and is counted as unreadable', async (_, body) => {
    await counted('ignored', 'unreadable', 1, async () => {
      expect((await world.notify(body)).status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)!.body).toEqual(Buffer.from(body));
  });

  test('when it is in the legacy format, to which the bot answers 204', async () => {
    world.endpoint.answer = (res) => res.writeHead(204).end();
    const legacy = { callLegId: randomUUID(), links: {}, conversationInvitation: {} };
    await counted('ignored', 'unreadable', 1, async () => {
      expect((await world.notify(legacy)).status).toBe(204);
    });
  });

  test('when it is in another encoding', async () => {
    const body = Buffer.from(JSON.stringify(batch(callIs(randomUUID(), 'established'))), 'utf16le');
    await counted('ignored', 'unreadable', 1, () =>
      world.notify(body, { headers: { 'content-type': 'application/json; charset=utf-16le' } }),
    );
  });

  test('one by one: what can be read beside it is learned', async () => {
    const call = randomUUID();
    const odd = [null, 7, 'x', [], {}, { changeType: 'created' }, { changeType: 'x', resource: `/app/calls/${call}` }];
    const ignored = await notices('ignored', 'unreadable');
    await counted('call', 'learned', 1, () =>
      world.notify(batch(...odd, callIs(call, 'established'), ...odd)),
    );
    expect(await notices('ignored', 'unreadable')).toBe(ignored + 2 * odd.length);
    expect((await world.evidence(call, 'notified'))[0]?.detail).toMatchObject({ state: 'established' });
  });

  test('of exactly 1 MiB, and is learned', async () => {
    const call = randomUUID();
    const text = JSON.stringify(batch(callIs(call, 'established')));
    const body = text.padEnd(mebibyte, ' ');
    await counted('call', 'learned', 1, async () => {
      expect((await world.notify(body)).status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)!.body.length).toBe(mebibyte);
    await world.evidence(call, 'notified');
  });
});

describe('10,000 notifications of as many calls in one batch', () => {
  test('reach the bot at once, and are all learned in the end', async () => {
    const calls = Array.from({ length: 10_000 }, () => randomUUID().replaceAll('-', ''));
    const body = batch(
      ...calls.map((call) => ({ changeType: 'created', resourceUrl: `app/calls/${call}` })),
    );
    const before = await notices('call', 'learned');
    let learnedBefore = Infinity;
    world.endpoint.answer = async (res) => {
      learnedBefore = (await notices('call', 'learned')) - before;
      res.writeHead(202).end();
    };
    expect((await world.notify(body)).status).toBe(202);
    expect(learnedBefore).toBeLessThan(10_000);
    await eventually(async () => (await notices('call', 'learned')) === before + 10_000, {
      withinMs: 50_000,
      what: 'everything to be learned',
    });
    await world.evidence(calls[0]!, 'notified');
    await world.evidence(calls.at(-1)!, 'notified');
  });
});
