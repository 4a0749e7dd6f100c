import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { callbackPath, startPeers } from '../../../src/server/sandbox/peers.ts';
import { notificationIssuerOf } from '../../../src/server/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { startRedis } from '../../support/redis.ts';
import { makeCertificate } from './certificate.ts';
import { answeredCall, clientOf, freePort } from './house.ts';
import { startProgram } from './program.ts';

test('after a restart of the proxy in the middle of a call, the recording is reported again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-restart-'));
  const { certFile, keyFile, cert } = makeCertificate(directory);
  const bot = await startProgram('communications-bot', { SSL_CERT_FILE: certFile });
  const { url: botUrl } = (await bot.told('listening')).facts;
  const peers = await startPeers('127.0.0.1', 0, directory);
  const redis = await startRedis();
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
    await eventually(async () => (await send(started.adminUrl, { path: '/readyz/gates' })).status === 200);
    return started;
  };
  let proxy = await start();
  const client = clientOf(peers.mint, 'jwt', url);
  peers.graph.connect({ webhook: client.notificationUrl!, ca: cert });
  await bot.ask('build', client);
  const call = await answeredCall({ bot, world: peers });
  const upload = async (): Promise<unknown> => {
    const facts = { url: `${url}/media/${call}/frame`, method: 'POST', bytes: 640, expectContinue: false };
    return ((await bot.ask('upload', facts)) as { status: number }).status;
  };
  const record = async (): Promise<void> => {
    // A store that is new, or was left by a session without a word, holds status changes back for a while.
    await eventually(async () => {
      const report = bot.ask('updateRecordingStatus', { call, status: 'Recording' });
      return report.then(
        () => true,
        () => false,
      );
    });
    await eventually(async () => (await upload()) === 201);
  };
  await record();

  proxy.kill('SIGKILL');
  await proxy.exited;
  const failure = await bot.failure('keepAlive', { call });
  expect(failure.inner?.type).toBe('System.Net.Http.HttpRequestException');
  proxy = await start();
  expect(await upload()).toBe(403);
  await record();
  await bot.ask('updateRecordingStatus', { call, status: 'NotRecording' });
  expect(await upload()).toBe(403);
  await bot.ask('delete', { call });

  proxy.kill('SIGTERM');
  await proxy.exited;
  await bot.close();
  await peers.close();
  await redis.stop();
  await rm(directory, { recursive: true });
});
