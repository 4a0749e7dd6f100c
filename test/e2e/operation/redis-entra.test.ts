import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startPeers } from '../../../src/sandbox/peers.ts';
import { startAzureRedis } from '../../support/azure-redis.ts';
import { eventually } from '../../support/eventually.ts';
import { failedStart, settingsFor, startProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { metricsOf } from '../../support/worker-test-bed.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function certificate(directory: string): Promise<{ key: string; cert: string; file: string }> {
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
  ]);
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8'), file: cert };
}

test('a proxy logs in to a managed Redis over TLS; without a token its gates close, and stops are carried out later', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-entra-'));
  cleanUp.push(() => rm(directory, { recursive: true }));
  const { key, cert, file } = await certificate(directory);
  const azure = await startAzureRedis({ tls: { key, cert } });
  cleanUp.push(() => azure.stop());
  azure.lifetimeSeconds = 2;
  const peers = await startPeers('127.0.0.1', 0, directory);
  cleanUp.push(() => peers.close());
  const { federatedTokenFile, ...config } = azure.config;
  const settings = {
    ...settingsFor(peers, directory),
    TALLYLIGHT_REDIS_URL: azure.url,
    TALLYLIGHT_REDIS_ENTRA: JSON.stringify(config),
    AZURE_FEDERATED_TOKEN_FILE: federatedTokenFile,
    NODE_EXTRA_CA_CERTS: file,
  };
  const clear = await failedStart({
    ...settings,
    TALLYLIGHT_REDIS_URL: azure.url.replace('rediss', 'redis'),
  });
  expect(clear).toMatchObject({ code: 3, output: expect.stringContaining('tokens are only sent over TLS') });

  const proxy = await startProxyProcess(settings);
  cleanUp.push(() => {
    proxy.kill('SIGTERM');
    return proxy.exited;
  });
  const { graph, mint } = peers;
  const bot = new Bot(proxy.url, await mint.mint(), graph.incomingCall({ answered: true }));
  await eventually(async () => (await bot.report('recording')).headers['tallylight-gate'] === 'open');
  await eventually(async () => (await bot.upload('a', 64)).status === 201);

  const requests = async (outcome: string): Promise<number> =>
    (await metricsOf(proxy)).get(`tallylight_redis_token_requests_total{outcome="${outcome}"}`) ?? -1;
  const told = await metricsOf(proxy);
  const expiry = told.get('tallylight_redis_token_expiry_timestamp_seconds') ?? 0;
  const success = told.get('tallylight_redis_token_last_success_timestamp_seconds') ?? 0;
  expect(expiry - success).toBeGreaterThan(0);
  expect(expiry - success).toBeLessThanOrEqual(2);
  expect(await requests('ok')).toBeGreaterThan(0);
  const failed = await requests('failed');
  azure.isDown = true;
  const asked = azure.requests.length;
  await eventually(() => azure.requests.length > asked);
  await azure.expire(azure.issued);
  await eventually(async () => (await bot.upload('a', 64)).status !== 201);
  await eventually(async () => {
    const { body } = await send(proxy.adminUrl, { path: '/readyz/gates' });
    return body.includes('there is no access token for it: the token endpoint answered 500');
  });
  expect(await requests('failed')).toBeGreaterThan(failed);
  // The bot's signalling goes on.
  expect((await send(proxy.adminUrl, { path: '/readyz' })).status).toBe(200);
  expect((await bot.report('notRecording')).headers['tallylight-reason']).toBe('StoreUnavailable');

  azure.isDown = false;
  await eventually(() => graph.log.some(({ asked: what }) => what === 'notRecording'));
  await eventually(() => proxy.lines.some((line) => line.includes('a retried stop has finished')));
  const output = proxy.lines.join('\n');
  for (const token of azure.issued) expect(output).not.toContain(token);
  expect(output).not.toContain(await readFile(federatedTokenFile, 'utf8'));
});
