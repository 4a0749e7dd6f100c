import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { callbackPath, startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { notificationIssuerOf } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { makeCertificate } from './certificate.ts';
import { freePort } from '../../support/free-port.ts';
import { answeredCall, clientOf } from './test-bed.ts';
import { startProgram, type Program } from './program.ts';

let directory: string;
let bot: Program;
let peers: Peers;
let redis: TestRedis;
let proxy: ProxyProcess | undefined;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-restart-'));
  peers = await startPeers('127.0.0.1', 0, directory);
  redis = await startRedis();
});
afterAll(async () => {
  proxy?.kill('SIGKILL');
  await bot.close();
  await peers.close();
  await redis.stop();
  await rm(directory, { recursive: true });
});

test('a recording goes on after a restart of the proxy in the middle of a call, and can be stopped', async () => {
  const { certFile, keyFile, cert } = makeCertificate(directory);
  bot = await startProgram('communications-bot', { SSL_CERT_FILE: certFile });
  const { url: botUrl } = (await bot.told('listening')).facts;
  const port = await freePort();
  const url = `https://localhost:${port}`;
  const start = async (): Promise<ProxyProcess> => {
    const started = await startProxyProcess({
      ...settingsFor(peers, directory),
      TALLYLIGHT_PORT: String(port),
      TALLYLIGHT_PUBLIC_URL: url,
      // This proxy ends TLS itself.
      TALLYLIGHT_TLS_CERT_FILE: certFile,
      TALLYLIGHT_TLS_KEY_FILE: keyFile,
      TALLYLIGHT_REDIS_URL: redis.url,
      TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: callbackPath, upstream: botUrl }]),
      TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notificationIssuerOf(peers.mint)]),
    });
    proxy = started;
    await eventually(async () => (await send(started.adminUrl, { path: '/readyz/gates' })).status === 200);
    return started;
  };
  const client = clientOf(peers.mint, 'jwt', url);
  peers.graph.connect({ webhook: client.notificationUrl!, ca: cert });
  await bot.ask('build', client);
  const first = await start();
  const call = await answeredCall({ bot, world: peers });
  const upload = async (): Promise<number> => {
    const facts = { url: `${url}/media/${call}/frame`, method: 'POST', bytes: 640, expectContinue: false };
    return ((await bot.ask('upload', facts)) as { status: number }).status;
  };
  // A store that is new holds status changes back for a while.
  await eventually(() =>
    bot.ask('updateRecordingStatus', { call, status: 'Recording' }).then(
      () => true,
      () => false,
    ),
  );
  expect(await upload()).toBe(201);

  first.kill('SIGKILL');
  await first.exited;
  const failure = await bot.failure('keepAlive', { call });
  expect(failure.inner?.type).toBe('System.Net.Http.HttpRequestException');
  await start();
  await eventually(async () => (await upload()) === 201);
  await bot.ask('updateRecordingStatus', { call, status: 'NotRecording' });
  expect(await upload()).toBe(403);
});
