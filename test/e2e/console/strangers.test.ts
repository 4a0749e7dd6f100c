import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CallRow } from '../../../src/console/row.ts';
import { sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { askConsole, type ConsoleAnswer, listenToConsole, localConsole } from '../../support/console.ts';
import { eventually } from '../../support/eventually.ts';
import { startIssuer, type TestIssuer } from '../../support/issuer.ts';
import { consoleOf, operator } from '../../support/operators.ts';
import { startWorld, type World } from '../../support/world.ts';

const log = collectedLog();
let issuer: TestIssuer;
let world: World;
let url: string;
beforeAll(async () => {
  issuer = await startIssuer();
  world = await startWorld({ settings: { console: consoleOf(issuer) }, log });
  url = world.proxy.consoleUrl ?? '';
});
afterAll(async () => {
  await world.close();
  await issuer.stop();
});

type Headers = Readonly<Record<string, string>>;

const codeOf = ({ status, body }: ConsoleAnswer): unknown[] => [
  status,
  (body as { readonly error?: { readonly code: string } }).error?.code,
];
const get = (path: string, headers: Headers): Promise<ConsoleAnswer> => askConsole(url, path, { headers });
const closeCall = (call: string, headers: Headers): Promise<ConsoleAnswer> =>
  askConsole(url, `/api/calls/${call}/close`, { method: 'POST', body: { reason: 'audit' }, headers });
const setHold = (scope: object, headers: Headers): Promise<ConsoleAnswer> =>
  askConsole(url, '/api/hold', { method: 'POST', body: { ...scope, reason: 'audit' }, headers });

async function recordingCall(): Promise<string> {
  const bot = await world.bot();
  await bot.report('recording');
  const headers = await operator(issuer, [sandboxTenant]);
  await eventually(async () => (await get(`/api/calls/${bot.call}`, headers)).status === 200);
  return bot.call;
}

const shownTo = async (headers: Headers): Promise<readonly string[]> => {
  const { body } = await get('/api/calls?limit=1000', headers);
  return (body as { readonly calls: readonly CallRow[] }).calls.map(({ id }) => id);
};

const everything: readonly (readonly [method: string, path: string, body?: object])[] = [
  ['GET', '/api/calls'],
  ['GET', '/api/calls/00000000-0000-4000-8000-00000000dead'],
  ['GET', '/api/events'],
  ['GET', '/api/holds'],
  ['POST', '/api/calls/00000000-0000-4000-8000-00000000dead/close', { reason: 'audit' }],
  ['POST', '/api/hold', { all: true, reason: 'audit' }],
  ['DELETE', '/api/hold/00000000-0000-4000-8000-00000000dead', { reason: 'audit' }],
  ['POST', '/api/hold/00000000-0000-4000-8000-00000000dead/release', { reason: 'audit' }],
];

describe.each(everything)('%s %s', (method, path, body) => {
  const ask = (headers: Headers): Promise<ConsoleAnswer> =>
    askConsole(url, path, { method, headers, ...(body === undefined ? {} : { body }) });

  test('is refused without a token', async () => {
    expect(codeOf(await ask({}))).toEqual([401, 'TokenMissing']);
  });

  test('is refused with a token of the media plane, and with one of another audience', async () => {
    expect(codeOf(await ask({ authorization: `Bearer ${await world.mint.mint()}` }))).toEqual([
      401,
      'TokenInvalid',
    ]);
    const other = await operator(issuer, [sandboxTenant], { aud: 'api://tallylight' });
    expect(codeOf(await ask(other))).toEqual([401, 'TokenInvalid']);
  });

  test('is refused with the roles of a bot, and with none', async () => {
    for (const roles of [['Calls.AccessMedia.All'], [], undefined, 'Tallylight.Operate'])
      expect(codeOf(await ask(await operator(issuer, [sandboxTenant], { roles })))).toEqual([
        403,
        'TokenNotAllowed',
      ]);
  });

  test('is refused with the other role, and the log says who asked', async () => {
    const roles = [method === 'GET' ? 'Tallylight.Operate' : 'Tallylight.View'];
    const answer = await ask(await operator(issuer, [sandboxTenant], { roles, sub: 'grace' }));
    expect(codeOf(answer)).toEqual([403, 'TokenNotAllowed']);
    expect(
      log.lines.some(
        ({ level, facts }) => level === 'warn' && facts.subject === 'grace' && facts.path === path,
      ),
    ).toBe(true);
  });

  test('is refused for a host that is not the console', async () => {
    const authorization = (await operator(issuer, [sandboxTenant])).authorization;
    for (const host of ['attacker.example', 'attacker.example:80', '127.0.0.1.attacker.example', '[::1'])
      expect(codeOf(await ask({ authorization, host }))).toEqual([403, 'HostUnknown']);
  });

  test('is refused for a page of another origin', async () => {
    const authorization = (await operator(issuer, [sandboxTenant])).authorization;
    for (const origin of [
      'https://attacker.example',
      'null',
      'http://127.0.0.1:1',
      `${url}.attacker.example`,
    ])
      expect(codeOf(await ask({ authorization, origin }))).toEqual([403, 'OriginRefused']);
    if (method === 'GET')
      expect(codeOf(await ask({ authorization, 'sec-fetch-site': 'cross-site' }))).toEqual([
        403,
        'OriginRefused',
      ]);
  });
});

test('who acts without a token must come from the page of the console', async () => {
  const local = await startWorld({ settings: { console: localConsole } });
  try {
    const at = local.proxy.consoleUrl ?? '';
    const without = await fetch(`${at}/api/hold`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"all":true,"reason":"x"}',
    });
    expect(without.status).toBe(403);
    expect((await askConsole(at, '/api/holds')).body).toEqual({ holds: [] });
  } finally {
    await local.close();
  }
});

describe('an operator who is limited to tenants', () => {
  const foreign = '99999999-9999-4999-8999-999999999999';

  test('sees and closes calls of these tenants, and no others exist for it', async () => {
    const call = await recordingCall();
    const [own, other] = [await operator(issuer, [sandboxTenant]), await operator(issuer, [foreign])];
    expect(await shownTo(own)).toContain(call);
    expect(await shownTo(other)).toEqual([]);
    expect(codeOf(await get(`/api/calls/${call}`, other))).toEqual([404, 'CallNotFound']);
    expect(codeOf(await closeCall(call, other))).toEqual([404, 'CallNotFound']);
    const stream = await listenToConsole(url, other);
    const first = await eventually(() => stream.events[0]);
    expect(first).toMatchObject({ event: 'snapshot', data: { calls: [], head: { onAir: 0 } } });
    expect((await closeCall(call, own)).status).toBe(200);
    expect(stream.events.filter(({ event }) => event === 'calls')).toEqual([]);
    stream.close();
  });

  test('sets and releases holds of these tenants alone', async () => {
    const [own, other] = [await operator(issuer, [sandboxTenant]), await operator(issuer, [foreign])];
    for (const scope of [{ all: true }, { app: sandboxTenant }, { tenant: foreign }])
      expect(codeOf(await setHold(scope, own))).toEqual([403, 'TokenNotAllowed']);
    const set = await setHold({ tenant: sandboxTenant }, own);
    expect([200, 202]).toContain(set.status);
    const { id } = (set.body as { readonly hold: { readonly id: string } }).hold;
    const release = (headers: Headers): Promise<ConsoleAnswer> =>
      askConsole(url, `/api/hold/${id}`, { method: 'DELETE', body: { reason: 'over' }, headers });
    expect(codeOf(await release(other))).toEqual([403, 'TokenNotAllowed']);
    expect((await get('/api/holds', other)).body).toEqual({ holds: [] });
    const view = await operator(issuer, [sandboxTenant], { roles: ['Tallylight.View'] });
    expect(codeOf(await release(view))).toEqual([403, 'TokenNotAllowed']);
    expect([200, 202]).toContain((await release(own)).status);
  });

  test('is refused where the claim names no tenants', async () => {
    for (const tenants of [undefined, 'all', ['*'], [7], {}])
      expect(codeOf(await get('/api/calls', await operator(issuer, [], { tenants })))).toEqual([
        403,
        'TokenNotAllowed',
      ]);
  });
});

describe('a session', () => {
  const begin = async (headers: Headers): Promise<ConsoleAnswer> =>
    askConsole(url, '/api/session', { method: 'POST', headers });

  test('stands for a token in a cookie that scripts and other sites cannot use', async () => {
    const begun = await begin(
      await operator(issuer, [sandboxTenant], { name: '<img src=x onerror=alert(1)>' }),
    );
    expect(begun.status).toBe(204);
    const [set = ''] = begun.headers['set-cookie'] ?? [];
    expect(set).toMatch(/^tallylight=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=35\d\d$/);
    const cookie = set.split(';')[0] ?? '';
    const { status, body, headers } = await get('/api/session', { cookie });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      who: { issuer: issuer.issuer, subject: 'ada', name: '<img src=x onerror=alert(1)>' },
      roles: ['Tallylight.View', 'Tallylight.Operate'],
      tenants: [sandboxTenant],
      enforcing: true,
      observeUntil: null,
    });
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(headers['x-content-type-options']).toBe('nosniff');
    // A cookie comes by itself, so what acts must come from the page.
    const answer = await askConsole(url, '/api/hold', {
      method: 'POST',
      body: { tenant: sandboxTenant, reason: 'x' },
      headers: { cookie, origin: 'https://attacker.example' },
    });
    expect(codeOf(answer)).toEqual([403, 'OriginRefused']);
    const ended = await askConsole(url, '/api/session', { method: 'DELETE', headers: { cookie } });
    expect(ended.status).toBe(204);
    expect(codeOf(await get('/api/session', { cookie }))).toEqual([401, 'TokenMissing']);
  });

  test('ends with its token, and so does its event stream', async () => {
    const token = await issuer.mint(
      { aud: 'api://tallylight-console', sub: 'ada', roles: ['Tallylight.View'], tenants: [sandboxTenant] },
      { expiresIn: 3 },
    );
    const [set = ''] = (await begin({ authorization: `Bearer ${token}` })).headers['set-cookie'] ?? [];
    const cookie = set.split(';')[0] ?? '';
    const stream = await listenToConsole(url, { cookie });
    expect(stream.status).toBe(200);
    await stream.ended;
    await eventually(async () => (await get('/api/calls', { cookie })).status === 401);
  });

  test.each(['tallylight=', 'tallylight=guess', 'other=1', 'xtallylight=1'])(
    'is not begun by the cookie %s',
    async (cookie) => {
      expect(codeOf(await get('/api/session', { cookie }))).toEqual([401, 'TokenMissing']);
    },
  );
});

describe('every answer', () => {
  test.each(['/', '/api/session', '/api/nothing', '/%2e%2e/package.json'])(
    'forbids scripts of others: %s',
    async (path) => {
      const { headers } = await get(path, {});
      expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['x-content-type-options']).toBe('nosniff');
    },
  );

  test('that would be a file outside of the page is none', async () => {
    for (const path of ['/../app.ts', '/%2e%2e/api/app.ts', '/..%2fapi%2fapp.ts', '/.git/config'])
      expect([400, 403, 404]).toContain((await get(path, {})).status);
  });
});

test('a body that is not JSON, or too large, is refused', async () => {
  const headers = await operator(issuer, [sandboxTenant]);
  const send = (body: string, type = 'application/json'): Promise<ConsoleAnswer> =>
    askConsole(url, '/api/hold', { method: 'POST', body, headers: { ...headers, 'content-type': type } });
  expect(codeOf(await send('{"all":'))).toEqual([400, 'BodyInvalid']);
  expect(codeOf(await send(JSON.stringify({ reason: 'x'.repeat(10_000) })))).toEqual([413, 'BodyTooLarge']);
  expect(codeOf(await send('all=true', 'application/x-www-form-urlencoded'))).toEqual([
    415,
    'ContentTypeUnsupported',
  ]);
  expect(codeOf(await askConsole(url, '/api/hold', { headers }))).toEqual([405, 'MethodNotAllowed']);
});
