import { createPublicKey, randomUUID, type JsonWebKey } from 'node:crypto';
import { SignJWT, type JWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  sandboxApp,
  sandboxSecret,
  sandboxTenant,
  startTokenMint,
  type TokenMint,
} from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { json, send, type Answer } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
let call: string;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.close();
});
beforeEach(() => {
  call = world.graph.incomingCall({ answered: true });
});

const ask = (
  method: string,
  path: string,
  authorization: string | undefined,
  body?: unknown,
  { proxy } = world,
): Promise<Answer> => {
  const sending = body === undefined ? {} : json(body);
  return send(proxy.url, {
    method,
    path: `/v1.0/communications/calls/${call}${path}`,
    ...sending,
    headers: { ...sending.headers, ...(authorization === undefined ? {} : { authorization }) },
  });
};

async function refused(authorization: string | undefined, status: number, reason: string): Promise<void> {
  const before = world.graph.log.length;
  for (const answer of [
    await ask('POST', '/updateRecordingStatus', authorization, { status: 'recording' }),
    await ask('POST', '/keepAlive', authorization),
    await ask('GET', '', authorization),
    await ask('DELETE', '', authorization),
  ]) {
    expect(answer.headers['tallylight-reason']).toBe(reason);
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.body).not.toContain('eyJ');
  }
  expect(world.graph.log.slice(before)).toEqual([]);
}

const seconds = (): number => Math.floor(Date.now() / 1000);
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const publicJwk = async (): Promise<JWK> =>
  (JSON.parse((await send(world.mint.url, { path: '/keys' })).body) as { keys: JWK[] }).keys[0]!;
const claims = (): Record<string, unknown> => ({
  iss: world.mint.issuer,
  aud: world.mint.audience,
  tid: sandboxTenant,
  azp: sandboxApp,
  roles: ['Calls.AccessMedia.All'],
  exp: seconds() + 600,
});

describe('a token that', () => {
  test('is missing is asked for', async () => {
    await refused(undefined, 401, 'TokenMissing');
    await refused('', 401, 'TokenMissing');
  });

  test.each([
    'Bearer',
    'Bearer ',
    'Bearer x',
    'Bearer a.b.c',
    'Bearer one two',
    'Basic YTpi',
    'Bearer a, Bearer b',
    'x',
  ])('comes as "%s" is invalid', async (authorization) => {
    await refused(authorization, 401, 'TokenInvalid');
  });

  test('is longer than the limit is invalid', async () => {
    await refused(`Bearer ${'a'.repeat(12_000)}.b.c`, 401, 'TokenInvalid');
  });

  test('has expired is told to be renewed', async () => {
    await refused(`Bearer ${await world.mint.mint({ exp: seconds() - 300 })}`, 401, 'TokenExpired');
  });

  test.each<[string, () => Promise<string>]>([
    ['is not valid yet', () => world.mint.mint({ nbf: seconds() + 300 })],
    ['has no end', () => world.mint.mint({ exp: undefined } as Record<string, unknown>)],
    ['is for another audience', () => world.mint.mint({ aud: 'api://other' })],
    ['is a token for Graph', () => world.mint.mintGraphToken()],
    ['is of another issuer', () => world.mint.mint({ iss: 'https://issuer.example' })],
    ['names no tenant', () => world.mint.mint({ tid: undefined })],
    ['names no application', () => world.mint.mint({ azp: undefined })],
    ['names two applications', () => world.mint.mint({ appid: randomUUID() })],
    [
      'is not signed',
      () => Promise.resolve(`${base64url({ alg: 'none', typ: 'JWT' })}.${base64url(claims())}.`),
    ],
    [
      'is signed with the public key as if it were a secret',
      async () => {
        const jwk = await publicJwk();
        const pem = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }).export({
          type: 'spki',
          format: 'pem',
        });
        return new SignJWT(claims())
          .setProtectedHeader({ alg: 'HS256', kid: jwk.kid! })
          .sign(new TextEncoder().encode(pem.toString()));
      },
    ],
    [
      'has another payload than was signed',
      async () => {
        const [head, , signature] = (await world.mint.mint()).split('.');
        return `${head!}.${base64url({ ...claims(), azp: randomUUID() })}.${signature!}`;
      },
    ],
  ])('%s is invalid', async (_, make) => {
    await refused(`Bearer ${await make()}`, 401, 'TokenInvalid');
  });

  test('is of a forger who knows the issuer and the key id is invalid', async () => {
    const forger: TokenMint = await startTokenMint();
    try {
      const token = await forger.mint({ iss: world.mint.issuer });
      const [, ...rest] = token.split('.');
      const { kid } = await publicJwk();
      await refused(`Bearer ${[base64url({ alg: 'RS256', kid }), ...rest].join('.')}`, 401, 'TokenInvalid');
    } finally {
      await forger.close();
    }
  });

  test('has no role for calls is not allowed', async () => {
    await refused(`Bearer ${await world.mint.mint({ roles: ['User.Read.All'] })}`, 403, 'TokenNotAllowed');
  });

  test('comes with a scheme in another letter case is taken', async () => {
    expect((await ask('POST', '/keepAlive', `bEaReR ${await world.mint.mint()}`)).status).toBe(200);
  });
});

describe('a call that belongs to another application', () => {
  test.each<[string, () => Record<string, string>]>([
    ['another application of the tenant', () => ({ azp: randomUUID() })],
    ['the same application in another tenant', () => ({ tid: randomUUID() })],
  ])('does not exist for %s', async (_, other) => {
    const bot = await world.bot();
    call = bot.call;
    await bot.report('recording');
    const stranger = await world.mint.mint(other());
    const before = world.graph.log.length;
    for (const answer of [
      await ask('POST', '/updateRecordingStatus', `Bearer ${stranger}`, { status: 'notRecording' }),
      await ask('POST', '/keepAlive', `Bearer ${stranger}`),
      await ask('GET', '', `Bearer ${stranger}`),
      await ask('GET', '/operations', `Bearer ${stranger}`),
      await ask('DELETE', '', `Bearer ${stranger}`),
    ]) {
      expect(answer.status).toBe(404);
      expect(answer.headers['tallylight-reason']).toBe('CallNotFound');
    }
    const upload = await send(world.proxy.url, {
      method: 'POST',
      path: `/media/${call}/x`,
      token: stranger,
      body: 'x',
    });
    expect(upload.status).toBe(403);
    expect(upload.headers['tallylight-reason']).toBe('RecordingNotActive');
    expect(world.graph.log.slice(before)).toEqual([]);
    expect((await bot.upload('mine', 1)).status).toBe(201);
  });
});

describe('when it cannot be told', () => {
  test('whether a token is good, since the key server is down, that is said, and cured by itself', async () => {
    const other = await startWorld({
      settings: ({ mint }) => {
        mint.failWith(503);
        return {};
      },
    });
    try {
      const token = await other.mint.mint();
      call = other.graph.incomingCall({ answered: true });
      const answer = await ask('POST', '/keepAlive', `Bearer ${token}`, undefined, other);
      expect(answer.status).toBe(503);
      expect(answer.headers['tallylight-reason']).toBe('CannotVerify');
      expect(other.graph.log).toEqual([]);
      other.mint.failWith(undefined);
      await eventually(
        async () => (await ask('POST', '/keepAlive', `Bearer ${token}`, undefined, other)).status === 200,
        {
          withinMs: 20_000,
        },
      );
    } finally {
      await other.close();
    }
  });

  test('which Graph token to bring, since the token endpoint is down, nothing is sent', async () => {
    const dead: TokenMint = await startTokenMint();
    dead.failWith(500);
    const other = await startWorld({
      settings: {
        graphCredentials: [
          { tokenEndpoint: dead.tokenEndpoint, clientId: sandboxApp, clientSecret: sandboxSecret },
        ],
      },
    });
    try {
      const bot = await other.bot();
      for (const answer of [
        await bot.post('keepAlive'),
        await bot.report('recording'),
        await bot.report('notRecording'),
        await bot.hangUp(),
      ]) {
        expect(answer.status).toBe(503);
        expect(answer.headers['tallylight-reason']).toBe('GraphCredentialUnavailable');
      }
      expect(other.graph.log).toEqual([]);
      expect((await bot.upload('x', 1)).status).toBe(403);
      dead.failWith(undefined);
      // Its tokens are not those of this Graph, but now there is one to send.
      await eventually(async () => (await bot.post('keepAlive')).status === 401);
    } finally {
      await other.close();
      await dead.close();
    }
  });

  test('with which credential to speak for the caller, the answer says so', async () => {
    const other = await startWorld({ settings: { graphCredentials: [] } });
    try {
      const bot = await other.bot();
      const answer = await bot.report('recording');
      expect(answer.status).toBe(403);
      expect(answer.headers['tallylight-reason']).toBe('GraphCredentialMissing');
    } finally {
      await other.close();
    }
  });
});
