import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { notificationIssuerOf } from '../../../src/sandbox/token-mint.ts';
import type { Peers } from '../../../src/sandbox/peers.ts';
import type { ProxySettings } from '../../../src/settings/settings.ts';
import { redisStore } from '../../../src/store/redis/client.ts';
import { withFacts } from '../../../src/server/unreachable.ts';
import { type CollectedLog, collectedLog } from '../../support/collected-log.ts';
import { eventually } from '../../support/eventually.ts';
import { json, send } from '../../support/raw-http.ts';
import { startWorld } from '../../support/world.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

/** Nothing listens there: it is assigned to nobody, and no test is given it by chance, as a port that was just closed would be. */
const deadPort = 28;

async function worldWith(settings: (peers: Peers) => Partial<ProxySettings>) {
  const log = collectedLog();
  const world = await startWorld({ settings, log });
  cleanUp.push(() => world.close());
  return { world, log };
}

const warned = (log: CollectedLog, setting: string) =>
  log.lines.find(({ level, facts }) => level === 'warn' && facts.setting === setting)?.facts;

test('Graph that refuses connections is named, with the setting and the cause, once for many requests', async () => {
  const { world, log } = await worldWith(() => ({ graphUrl: `http://127.0.0.1:${deadPort}` }));
  const bot = await world.bot();
  for (let count = 0; count < 3; count += 1) expect((await bot.post('keepAlive')).status).toBe(502);
  expect(warned(log, 'TALLYLIGHT_GRAPH_URL')).toEqual({
    setting: 'TALLYLIGHT_GRAPH_URL',
    host: `127.0.0.1:${deadPort}`,
    cause: expect.stringMatching(/^ECONNREFUSED: .*nothing listens/),
  });
  expect(log.lines.filter(({ facts }) => facts.setting === 'TALLYLIGHT_GRAPH_URL')).toHaveLength(1);
});

test('a certificate that is not trusted is named', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-'));
  cleanUp.push(() => rm(directory, { recursive: true }));
  const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certFile],
  ]);
  const server = createTlsServer({ key: await readFile(keyFile), cert: await readFile(certFile) }).listen(0);
  cleanUp.push(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { world, log } = await worldWith(() => ({ graphUrl: `https://localhost:${port}` }));
  await (await world.bot()).post('keepAlive');
  expect(warned(log, 'TALLYLIGHT_GRAPH_URL')).toMatchObject({
    host: `localhost:${port}`,
    cause: expect.stringMatching(/^DEPTH_ZERO_SELF_SIGNED_CERT: .*NODE_EXTRA_CA_CERTS/),
  });
});

test('a bot whose name DNS does not know is named', async () => {
  const { world, log } = await worldWith(() => ({
    callbacks: [{ path: '/callbacks/*', upstream: 'http://bot.invalid' }],
  }));
  const token = await world.mint.mintNotificationToken();
  const sent = { method: 'POST', path: '/callbacks/calls', token, ...json({ value: [] }) };
  await send(world.proxy.url, sent);
  expect(warned(log, 'TALLYLIGHT_CALLBACKS')).toMatchObject({
    host: 'bot.invalid',
    cause: expect.stringMatching(
      /^(?:ENOTFOUND: DNS does not know the host name|EAI_AGAIN: DNS does not answer)\. Correct the host name/,
    ),
  });
});

test('a media handler and a key server that refuse connections are named', async () => {
  const origin = `http://127.0.0.1:${deadPort}`;
  const { world, log } = await worldWith(({ mint }) => ({
    mediaRoutes: [
      { path: '/media/{callId}/*', upstream: origin, methods: ['POST'], reads: 'pass', websocket: true },
    ],
    notificationIssuers: [{ ...notificationIssuerOf(mint), metadataUri: `${origin}/metadata` }],
  }));
  const bot = await world.bot();
  await eventually(async () => (await bot.report('recording')).status === 200);
  await bot.upload('media', 10);
  const cause = expect.stringMatching(/^ECONNREFUSED: /);
  expect(warned(log, 'TALLYLIGHT_MEDIA_ROUTES')).toMatchObject({ host: new URL(origin).host, cause });
  await eventually(() => warned(log, 'TALLYLIGHT_NOTIFICATION_ISSUERS') !== undefined);
  expect(warned(log, 'TALLYLIGHT_NOTIFICATION_ISSUERS')).toMatchObject({
    keys: `${origin}/metadata (metadata)`,
    error: cause,
  });
});

test('a handler that cannot be asked to discard a write is named', async () => {
  const discard = `http://127.0.0.1:${deadPort}/discard`;
  const { world, log } = await worldWith(({ sink }) => ({
    mediaRoutes: [
      {
        ...{ path: '/media/{callId}/*', upstream: sink.url, methods: ['POST'], reads: 'pass' },
        ...{ websocket: false, discard },
      },
    ],
  }));
  const bot = await world.bot();
  await eventually(async () => (await bot.report('recording')).status === 200);
  const upload = bot.slowUpload('unfinished');
  upload.send(100);
  await eventually(() => world.sink.received.some(({ bytes }) => bytes > 0));
  expect((await bot.report('notRecording')).status).toBe(200);
  await upload.over;
  const line = log.lines.find(({ text }) => text === 'a media handler could not be asked to discard a write');
  expect(line).toMatchObject({
    level: 'warn',
    facts: {
      setting: 'TALLYLIGHT_MEDIA_ROUTES',
      host: `127.0.0.1:${deadPort}`,
      cause: expect.stringMatching(/^ECONNREFUSED: /),
    },
  });
});

test('a token endpoint that refuses connections is named', async () => {
  const tokenEndpoint = `http://127.0.0.1:${deadPort}/token`;
  const { log } = await worldWith(() => ({
    graphCredentials: [{ tokenEndpoint, clientId: 'an-app', clientSecret: 'secret' }],
  }));
  await eventually(() => warned(log, 'TALLYLIGHT_GRAPH_CREDENTIAL') !== undefined);
  expect(warned(log, 'TALLYLIGHT_GRAPH_CREDENTIAL')).toMatchObject({
    endpoint: tokenEndpoint,
    error: expect.stringMatching(/^ECONNREFUSED: /),
  });
});

test('a Redis that refuses connections is named', async () => {
  const log = collectedLog();
  const store = redisStore(`redis://:password@127.0.0.1:${deadPort}`, {
    log: withFacts(log, { setting: 'TALLYLIGHT_REDIS_URL' }),
  });
  cleanUp.push(() => store.close());
  await eventually(() => warned(log, 'TALLYLIGHT_REDIS_URL') !== undefined);
  expect(warned(log, 'TALLYLIGHT_REDIS_URL')).toMatchObject({
    hosts: `127.0.0.1:${deadPort}`,
    cause: expect.stringMatching(/^ECONNREFUSED: /),
  });
  expect(JSON.stringify(log.lines)).not.toContain('password');
});
