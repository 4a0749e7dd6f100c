import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openStream } from '../../../src/sandbox/bot/websocket-client.ts';
import { startRawUpstream, type Heard, type RawUpstream } from '../../hostile/raw-upstream.ts';
import { openRaw, send, sendRaw, type Answer } from '../../support/raw-http.ts';
import { settingsFor, startProxyProcess } from '../../support/process.ts';
import { startStreamHandler, type StreamHandler } from '../../support/stream-handler.ts';
import { startWorld, type World } from '../../support/world.ts';

const own = 'Tallylight-Authorization';
const sharedKey = 'SharedKey devstoreaccount1:c2lnbmF0dXJl+/=';

let world: World;
let store: RawUpstream;
let streams: StreamHandler;
let token: string;
let call: string;
beforeAll(async () => {
  [store, streams] = await Promise.all([startRawUpstream(), startStreamHandler()]);
  const route = { upstream: store.url, methods: ['PUT', 'POST'], reads: 'pass' } as const;
  world = await startWorld({
    settings: {
      mediaRoutes: [
        { ...route, path: '/store/{callId}/*', token: own, encodedSlash: 'keep' },
        { ...route, path: '/hosted/{callId}/*', token: own, host: 'keep' },
        { ...route, path: '/plain/{callId}/*' },
        { ...route, path: '/by-query', token: own, callId: { query: 'call' } },
        {
          ...{ path: '/live/{callId}', upstream: streams.url, methods: [], reads: 'refuse', websocket: true },
          ...{ token: own, host: 'keep' },
        },
      ],
    },
  });
  token = await world.mint.mint();
  const bot = await world.bot();
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
  call = bot.call;
});
afterAll(async () => {
  await world.close();
  await Promise.all([store.close(), streams.close()]);
});

const ask = (target: string, lines: readonly string[], body = 'media'): Promise<Answer | undefined> =>
  sendRaw(
    world.proxy.url,
    [`PUT ${target} HTTP/1.1`, ...lines, `Content-Length: ${body.length}`, '', body].join('\r\n'),
  );
const host = 'Host: proxy.example:8443';
const ours = (): string => `${own}: Bearer ${token}`;
const theirs = `Authorization: ${sharedKey}`;
/** What reached the store under this name. */
const heardAs = (name: string): Heard => {
  const found = store.heard.find(({ target }) => target.includes(name));
  if (found === undefined) throw new Error(`nothing reached the store as ${name}`);
  return found;
};
const valuesOf = ({ headers }: Heard, name: string): string[] =>
  headers.filter(([key]) => key === name).map(([, value]) => value);

describe('a route whose token is in a header of its own', () => {
  test('passes the credential of the store on as it came, and nothing of ours', async () => {
    const answer = await ask(`/store/${call}/whole`, [host, ours(), theirs, 'x-ms-date: now']);
    expect(answer?.status).toBe(200);
    const heard = heardAs('whole');
    expect(valuesOf(heard, 'authorization')).toEqual([sharedKey]);
    expect(valuesOf(heard, 'x-ms-date')).toEqual(['now']);
    expect(valuesOf(heard, 'host')).toEqual([new URL(store.url).host]);
    expect(JSON.stringify(heard.headers)).not.toContain(token);
    expect(heard.headers.map(([name]) => name).filter((name) => name.startsWith('tallylight-'))).toEqual([
      'tallylight-call',
      'tallylight-epoch',
      'tallylight-write',
    ]);
  });

  test('passes reads on with that credential too', async () => {
    const answer = await send(world.proxy.url, {
      ...{ method: 'HEAD', path: `/store/${call}/read?comp=metadata` },
      headers: { [own]: `Bearer ${token}`, authorization: sharedKey },
    });
    expect(answer.status).toBe(200);
    expect(valuesOf(heardAs('read'), 'authorization')).toEqual([sharedKey]);
  });

  test('needs no credential of a store', async () => {
    expect((await ask(`/store/${call}/none?sig=a%2Fb%3D&sv=x`, [host, ours()]))?.status).toBe(200);
    const heard = heardAs('none');
    expect(heard.target).toBe(`/store/${call}/none?sig=a%2Fb%3D&sv=x`);
    expect(valuesOf(heard, 'authorization')).toEqual([]);
  });

  test('passes names and queries on byte for byte', async () => {
    const target = `/store/${call}/2026%2Fseg%2c1%21(a)%20%7e.wav?comp=block&blockid=AA%3D%3D&&a=%2f+`;
    expect((await ask(target, [host, ours(), theirs]))?.status).toBe(200);
    expect(heardAs('seg').target).toBe(target);
  });

  test('passes what was coded within chunks on as it came, with the length that it had', async () => {
    const coded = `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n`;
    const lines = [host, ours(), theirs, 'Content-Encoding: aws-chunked', 'x-amz-decoded-content-length: 5'];
    expect((await ask(`/store/${call}/coded`, lines, coded))?.status).toBe(200);
    const heard = heardAs('coded');
    expect(heard.body.toString()).toBe(coded);
    expect(valuesOf(heard, 'content-encoding')).toEqual(['aws-chunked']);
    expect(valuesOf(heard, 'content-length')).toEqual([String(coded.length)]);
  });

  test('asks for the body after admission only', async () => {
    const connection = openRaw(world.proxy.url);
    const lines = [host, ours(), theirs, 'Content-Length: 5', 'Expect: 100-continue', '', ''];
    connection.write([`PUT /store/${call}/expected HTTP/1.1`, ...lines].join('\r\n'));
    expect(await connection.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 100 Continue/);
    connection.write('hello');
    expect(await connection.until(/HTTP\/1\.1 200/)).toMatch(/200 OK/);
    connection.destroy();
    expect(valuesOf(heardAs('expected'), 'expect')).toEqual([]);
  });

  test.each<[string, () => readonly string[], number, string]>([
    ['our token in Authorization', () => [`Authorization: Bearer ${token}`], 401, 'TokenMissing'],
    ['a credential of the store alone', () => [theirs], 401, 'TokenMissing'],
    ['no credential', () => [], 401, 'TokenMissing'],
    ['an empty header', () => [`${own}:`, `Authorization: Bearer ${token}`], 401, 'TokenMissing'],
    ['another scheme', () => [`${own}: Basic ${token}`, theirs], 401, 'TokenInvalid'],
    ['the token alone', () => [`${own}: ${token}`, theirs], 401, 'TokenInvalid'],
    ['the credential of the store', () => [`${own}: ${sharedKey}`, theirs], 401, 'TokenInvalid'],
    [
      'a token that is none',
      () => [`${own}: Bearer none`, `Authorization: Bearer ${token}`],
      401,
      'TokenInvalid',
    ],
    ['two tokens in one header', () => [`${own}: Bearer ${token}, Bearer ${token}`], 401, 'TokenInvalid'],
    ['the header twice', () => [ours(), ours(), theirs], 400, 'HeaderRepeated'],
    [
      'the header twice, in other letters',
      () => [ours(), `TALLYLIGHT-authorization: x`],
      400,
      'HeaderRepeated',
    ],
    ['two credentials of the store', () => [ours(), theirs, theirs], 400, 'HeaderRepeated'],
    ['our token in both headers', () => [ours(), `Authorization: Bearer ${token}`], 401, 'TokenInvalid'],
    [
      'a name that is read as ours by some',
      () => [`Tallylight_Authorization: Bearer ${token}`],
      401,
      'TokenMissing',
    ],
    ['a folded header', () => [`${own}:`, ` Bearer ${token}`], 400, 'TargetInvalid'],
  ])('refuses %s', async (_, lines, status, reason) => {
    const before = store.begun.size;
    const answer = await ask(`/store/${call}/refused`, [host, ...lines()]);
    expect([answer?.status, answer?.headers['tallylight-reason']]).toEqual([status, reason]);
    expect(store.begun.size).toBe(before);
  });

  test('takes no token from the query', async () => {
    const target = `/store/${call}/refused?${own}=Bearer%20${token}&access_token=${token}`;
    expect((await ask(target, [host, theirs]))?.headers['tallylight-reason']).toBe('TokenMissing');
  });

  test('takes it from the same header where the call id is none', async () => {
    expect((await ask('/store/none/x', [host, ours()]))?.headers['tallylight-reason']).toBe('CallIdInvalid');
    expect((await ask('/by-query', [host, ours()]))?.headers['tallylight-reason']).toBe('CallIdInvalid');
    expect((await ask('/store/none/x', [host, `Authorization: Bearer ${token}`]))?.status).toBe(401);
  });

  test('lets nobody drop what it adds', async () => {
    const lines = [
      host,
      ours(),
      theirs,
      `Connection: close, ${own}, tallylight-write`,
      'Tallylight-Write: mine',
    ];
    expect((await ask(`/store/${call}/named`, lines))?.status).toBe(200);
    const heard = heardAs('named');
    expect(valuesOf(heard, 'tallylight-write')).toHaveLength(1);
    expect(valuesOf(heard, 'tallylight-write')).not.toEqual(['mine']);
    expect(valuesOf(heard, 'tallylight-authorization')).toEqual([]);
  });

  test('refuses before it lets anything through to a gate that is closed', async () => {
    const bot = await world.bot();
    const answer = await ask(`/store/${bot.call}/closed`, [host, ours(), theirs]);
    expect(answer?.headers['tallylight-reason']).toBe('RecordingNotActive');
    expect([...store.begun].filter((target) => target.includes(bot.call))).toEqual([]);
  });
});

describe('a route with the usual header', () => {
  test('lets nothing of either through, and takes no other', async () => {
    const mine = `Authorization: Bearer ${token}`;
    expect((await ask(`/plain/${call}/usual`, [host, mine, `${own}: ${sharedKey}`]))?.status).toBe(200);
    const heard = heardAs('usual');
    expect(JSON.stringify(heard.headers)).not.toMatch(/authorization|SharedKey|Bearer/i);
    expect((await ask(`/plain/${call}/other`, [host, ours()]))?.headers['tallylight-reason']).toBe(
      'TokenMissing',
    );
  });
});

describe('a route that keeps the host', () => {
  test.each(['proxy.example', 'proxy.example:8443', '127.0.0.1:1', '[::1]:8443', 'my_store.internal'])(
    'passes %s on',
    async (name) => {
      const target = `/hosted/${call}/${encodeURIComponent(name).replace(/%/g, '-')}`;
      expect((await ask(target, [`Host: ${name}`, ours(), theirs]))?.status).toBe(200);
      expect(valuesOf(heardAs(target), 'host')).toEqual([name]);
    },
  );

  test.each(['', 'a b', 'user@store', 'store/x', 'a, b', '[::1', '[::1]x', 'store:port', 'störe'])(
    'refuses %j',
    async (name) => {
      const answer = await ask(`/hosted/${call}/strange`, [`Host: ${name}`, ours(), theirs]);
      expect(answer?.status).toBe(400);
      expect([...store.begun].filter((target) => target.includes('strange'))).toEqual([]);
    },
  );

  test('refuses a request without a host', async () => {
    const request = `PUT /hosted/${call}/strange HTTP/1.0\r\n${ours()}\r\nContent-Length: 1\r\n\r\nx`;
    expect((await sendRaw(world.proxy.url, request))?.headers['tallylight-reason']).toBe('TargetInvalid');
  });
});

describe('a WebSocket of such a route', () => {
  const headers = { authorization: sharedKey, host: 'proxy.example' };

  test('brings the handler its credential and host', async () => {
    const stream = openStream(`${world.proxy.url}/live/${call}`, {
      headers: { ...headers, [own]: `Bearer ${token}` },
    });
    await stream.opened;
    const { req } = streams.streams.at(-1)!;
    expect(req.headers).toMatchObject(headers);
    expect(req.rawHeaders.join('\n')).not.toContain(token);
    stream.destroy();
  });

  test.each([
    ['with the token elsewhere', () => [`Authorization: Bearer ${token}`], 401],
    ['with two tokens', () => [ours(), ours()], 400],
    ['with a host that is none', () => [ours(), 'Host: a/b'], 400],
  ])('is refused %s', async (_, more, status) => {
    const before = streams.streams.length;
    const lines = more();
    const answer = await sendRaw(
      world.proxy.url,
      [
        `GET /live/${call} HTTP/1.1`,
        ...(lines.some((line) => line.startsWith('Host')) ? [] : [host]),
        ...['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
        ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', ...lines, '', ''],
      ].join('\r\n'),
    );
    expect(answer?.status).toBe(status);
    expect(streams.streams).toHaveLength(before);
  });
});

test('a host that is kept does not choose whose certificate counts', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-'));
  const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', keyFile, '-out', certFile],
  ]);
  const names: (string | false | null | undefined)[] = [];
  const hosts: (string | undefined)[] = [];
  const tls = { key: await readFile(keyFile), cert: await readFile(certFile) };
  const server = createServer(tls, (req, res) => {
    hosts.push(req.headers.host);
    req.resume().on('end', () => res.end('kept'));
  });
  server.on('secureConnection', (socket) => names.push(socket.servername));
  server.listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const routes = ['localhost', '127.0.0.1'].map((name, index) => ({
    ...{ path: `/s${index}/{callId}/*`, upstream: `https://${name}:${port}`, token: own, host: 'keep' },
  }));
  const proxy = await startProxyProcess({
    ...settingsFor(world, directory),
    TALLYLIGHT_MEDIA_ROUTES: JSON.stringify(routes),
    NODE_EXTRA_CA_CERTS: certFile,
  });
  try {
    const headers = { [own]: `Bearer ${token}` };
    for (const path of ['/s0', '/s0', '/s1', '/s1']) {
      const asked = {
        path: `${path}/${call}/x`,
        headers: { ...headers, host: `other${hosts.length}.example` },
      };
      expect(await send(proxy.url, asked)).toMatchObject({ status: 200, body: 'kept' });
    }
    expect(hosts).toEqual(['other0.example', 'other1.example', 'other2.example', 'other3.example']);
    // One connection to each, and no name for an address.
    expect(names).toEqual(['localhost', false]);
  } finally {
    proxy.kill('SIGKILL');
    await proxy.exited;
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  }
});
