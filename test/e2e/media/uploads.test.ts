import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { breakable, type BreakableStore } from '../../../src/sandbox/breakable-store.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import { openRaw } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
let store: BreakableStore;
let stallingUpstream: Server;
beforeAll(async () => {
  store = breakable(memoryStore({ livedMs: Infinity }));
  stallingUpstream = createServer(() => undefined).listen(0, '127.0.0.1');
  world = await startWorld({
    openStore: () => store,
    settings: ({ sink }) => ({
      mediaRoutes: [
        { path: '/media/{callId}/*', upstream: sink.url, methods: ['POST', 'PUT'], reads: 'pass' },
        { path: '/gated/{callId}/*', upstream: sink.url, methods: ['POST'], reads: 'whileRecording' },
        { path: '/writeonly/{callId}', upstream: sink.url, methods: ['POST'], reads: 'refuse' },
        {
          path: '/by-header',
          upstream: `${sink.url}/media`,
          methods: ['POST'],
          reads: 'pass',
          callId: { header: 'X-Call-Id' },
        },
        {
          path: '/by-query',
          upstream: `${sink.url}/media`,
          methods: ['POST'],
          reads: 'pass',
          callId: { query: 'call' },
        },
        { path: '/dead/{callId}', upstream: 'http://127.0.0.1:1', methods: ['POST'], reads: 'pass' },
        {
          path: '/stalls/{callId}',
          upstream: `http://127.0.0.1:${(stallingUpstream.address() as AddressInfo).port}`,
          methods: ['POST'],
          reads: 'pass',
        },
      ],
    }),
  });
});
afterAll(async () => {
  await world.close();
  stallingUpstream.closeAllConnections();
  stallingUpstream.close();
});

const head = async (method: string, path: string, more: readonly string[] = []): Promise<string> =>
  [
    `${method} ${path} HTTP/1.1`,
    'Host: proxy',
    `Authorization: Bearer ${await world.mint.mint()}`,
    ...more,
    '',
    '',
  ].join('\r\n');

const bytesAt = (call: string): number =>
  world.sink.received.filter(({ callId }) => callId === call).reduce((sum, { bytes }) => sum + bytes, 0);

describe('a media write', () => {
  test('is refused before its body is read', async () => {
    const bot = await world.bot();
    const connection = openRaw(world.proxy.url);
    connection.write(await head('POST', `/media/${bot.call}/x`, ['Content-Length: 1000000000']));
    const answer = await connection.until(/\}$/);
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toMatch(/Tallylight-Reason: RecordingNotActive/);
    connection.destroy();
  });

  test('is asked for its body only after admission', async () => {
    const bot = await world.bot();
    const lines = ['Content-Length: 5', 'Expect: 100-continue'];
    const refused = openRaw(world.proxy.url);
    refused.write(await head('POST', `/media/${bot.call}/x`, lines));
    expect(await refused.until(/\}$/)).not.toMatch(/100 Continue/);
    refused.destroy();

    await bot.report('recording');
    const admitted = openRaw(world.proxy.url);
    admitted.write(await head('POST', `/media/${bot.call}/x`, lines));
    expect(await admitted.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 100 Continue/);
    admitted.write('hello');
    expect(await admitted.until(/201/)).toMatch(/HTTP\/1\.1 201/);
    admitted.destroy();
  });

  test('with an expectation other than 100-continue is refused', async () => {
    const bot = await world.bot();
    const connection = openRaw(world.proxy.url);
    connection.write(
      await head('POST', `/media/${bot.call}/x`, ['Content-Length: 5', 'Expect: the-unexpected']),
    );
    expect(await connection.until(/\}$/)).toMatch(/^HTTP\/1\.1 417 /);
    connection.destroy();
  });

  test.each([
    ['a path that climbs', 'POST', (call: string) => `/media/${call}/../../etc`, 400, 'TargetInvalid'],
    [
      'a path that climbs in disguise',
      'POST',
      (call: string) => `/media/${call}/%2e%2e/x`,
      400,
      'TargetInvalid',
    ],
    ['an encoded separator', 'POST', (call: string) => `/media/${call}/a%2fb`, 400, 'TargetInvalid'],
    ['a call id that is not one', 'POST', () => '/media/everything/x', 400, 'CallIdInvalid'],
    ['a method that is not offered', 'DELETE', (call: string) => `/media/${call}/x`, 405, 'MethodNotAllowed'],
    ['a header that names no call', 'POST', () => '/by-header', 400, 'CallIdInvalid'],
    [
      'two calls in the query',
      'POST',
      (call: string) => `/by-query?call=${call}&call=${call}`,
      400,
      'CallIdInvalid',
    ],
  ])('with %s is refused', async (_what, method, path, status, reason) => {
    const bot = await world.bot();
    await bot.report('recording');
    const connection = openRaw(world.proxy.url);
    connection.write(await head(method, path(bot.call), ['Content-Length: 0']));
    const answer = await connection.until(/\}$/);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(new RegExp(`Tallylight-Reason: ${reason}`));
    connection.destroy();
  });

  test('may name its call in a header or in the query', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    for (const [path, lines] of [
      ['/by-header', [`X-Call-Id: ${bot.call.toUpperCase()}`]],
      [`/by-query?call=${bot.call.replaceAll('-', '')}`, []],
    ] as const) {
      const connection = openRaw(world.proxy.url);
      connection.write(await head('POST', path, ['Content-Length: 0', ...lines]));
      expect(await connection.until(/\r\n\r\n/)).not.toMatch(/Tallylight-Reason/);
      connection.destroy();
    }
  });

  test('is cut by its own instance when no heartbeat gets through', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const upload = bot.slowUpload('long');
    upload.send(640);
    await eventually(() => bytesAt(bot.call) > 0);
    store.break();
    try {
      await upload.over;
      expect((await bot.upload('blind', 640)).status).toBe(503);
    } finally {
      store.mend();
    }
    await eventually(async () => (await bot.upload('again', 640)).status === 201);
  });
});

describe('an upstream', () => {
  test('that refuses connections gives 502 and leaves the gate open', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const connection = openRaw(world.proxy.url);
    connection.write((await head('POST', `/dead/${bot.call}`, ['Content-Length: 5'])) + 'hello');
    expect(await connection.until(/\}$/)).toMatch(/^HTTP\/1\.1 502 [^]*UpstreamUnreachable/);
    connection.destroy();
    expect((await bot.upload('x', 1)).status).toBe(201);
  });

  test('that answers early is passed on as it is', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    world.sink.script({ call: bot.call, then: 413 });
    expect([413, 502]).toContain((await bot.upload('big', 4_000_000)).status);
    expect((await bot.upload('x', 1)).status).toBe(201);
  });

  test('that resets midway gives 502', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    world.sink.script({ call: bot.call, then: 'reset', afterBytes: 1000 });
    expect((await bot.upload('big', 100_000)).headers['tallylight-reason']).toBe('UpstreamFailed');
  });

  test('that stalls does not hold up a stop', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    const connection = openRaw(world.proxy.url);
    connection.write((await head('POST', `/stalls/${bot.call}`, ['Content-Length: 5'])) + 'hello');
    await eventually(
      () => new Promise((resolve) => stallingUpstream.getConnections((_error, count) => resolve(count > 0))),
    );
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(await connection.until(/\}$/)).toMatch(/RecordingStopped/);
    connection.destroy();
  });
});

describe('a read of a media route', () => {
  const read = async (path: string): Promise<string> => {
    const connection = openRaw(world.proxy.url);
    connection.write(await head('GET', path));
    const answer = await connection.until(/\r\n\r\n/);
    connection.destroy();
    return answer.split('\r\n')[0] ?? '';
  };

  test('passes, waits for recording, or is refused, as the route says', async () => {
    const bot = await world.bot();
    expect(await read(`/media/${bot.call}/nothing`)).toMatch(/404/);
    expect(await read(`/gated/${bot.call}/x`)).toMatch(/403/);
    expect(await read(`/writeonly/${bot.call}`)).toMatch(/403/);
    await bot.report('recording');
    expect(await read(`/gated/${bot.call}/x`)).toMatch(/404/);
  });

  test('is no way to bring a body in', async () => {
    const bot = await world.bot();
    const connection = openRaw(world.proxy.url);
    connection.write((await head('GET', `/media/${bot.call}/x`, ['Content-Length: 5'])) + 'hello');
    expect(await connection.until(/\}$/)).toMatch(/^HTTP\/1\.1 400 [^]*a read must not have a body/);
    connection.destroy();
    expect(bytesAt(bot.call)).toBe(0);
  });

  test('of a call that is bound to another application finds no such call', async () => {
    const bot = await world.bot();
    await bot.report('recording');
    await bot.upload('first', 640);
    const connection = openRaw(world.proxy.url);
    const stranger = await world.mint.mint({ azp: '33333333-3333-4333-8333-333333333333' });
    connection.write(
      `GET /media/${bot.call}/ HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${stranger}\r\n\r\n`,
    );
    expect(await connection.until(/\}$/)).toMatch(/^HTTP\/1\.1 404 [^]*CallNotFound/);
    connection.destroy();
  });

  test('needs a token like any other request', async () => {
    const bot = await world.bot();
    const connection = openRaw(world.proxy.url);
    connection.write(`GET /media/${bot.call}/x HTTP/1.1\r\nHost: proxy\r\n\r\n`);
    expect(await connection.until(/\}$/)).toMatch(/^HTTP\/1\.1 401 [^]*TokenMissing/);
    connection.destroy();
  });
});
