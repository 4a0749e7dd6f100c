import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { sandboxApp, sandboxSecret } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { type ProxyProcess, settingsFor, startProxyProcess } from '../../support/process.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { gatesOpen, metricsOf } from '../../support/worker-test-bed.ts';

/** An application that is none of the bots here. */
const nobody = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

let directory: string;
let peers: Peers;
let redis: TestRedis;
let files: { readonly redis: string; readonly credential: string; readonly secret: string };
let proxy: ProxyProcess | undefined;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-secret-files-'));
  peers = await startPeers('127.0.0.1', 0, directory);
  redis = await startRedis({ appendOnly: true });
  await redis.cli('acl', 'setuser', 'gate', 'on', '>red-secret', '~*', '&*', '+@all');
  files = {
    redis: join(directory, 'redis-url'),
    credential: join(directory, 'credential.json'),
    secret: join(directory, 'client-secret'),
  };
});
afterAll(async () => {
  proxy?.kill('SIGKILL');
  await proxy?.exited;
  await redis.stop();
  await peers.close();
  await rm(directory, { recursive: true });
});

/** As a mounted secret lays them: a line break at the end, one file for each. */
async function start(more: Readonly<Record<string, string>>): Promise<ProxyProcess> {
  await writeFile(files.redis, `${redis.url.replace('//', '//gate:red-secret@')}\n`);
  await writeFile(files.secret, `${sandboxSecret}\n`);
  await credential(sandboxApp);
  const settings: Record<string, string> = settingsFor(peers, directory);
  delete settings.TALLYLIGHT_GRAPH_CREDENTIAL;
  proxy = await startProxyProcess({
    ...settings,
    TALLYLIGHT_REDIS_URL_FILE: files.redis,
    TALLYLIGHT_GRAPH_CREDENTIAL_FILE: files.credential,
    ...more,
  });
  await gatesOpen(proxy);
  return proxy;
}

/** Who may use it is what tells one version from the next. */
const credential = (app: string): Promise<void> => {
  const { tokenEndpoint } = peers.mint;
  const given = { tokenEndpoint, clientId: sandboxApp, clientSecretFile: files.secret, apps: [app] };
  return writeFile(files.credential, `${JSON.stringify(given, null, 2)}\n`);
};

const said = (text: string): Record<string, unknown>[] =>
  (proxy?.lines ?? [])
    .filter((line) => line.startsWith('{') && line.includes(text))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function end(): Promise<void> {
  proxy?.kill('SIGTERM');
  expect(await proxy?.exited).toBe(0);
  const shown = proxy?.lines.join('\n') ?? '';
  expect(shown).not.toContain('red-secret');
  expect(shown).not.toContain(sandboxSecret);
  proxy = undefined;
}

/** How many lines with this text there were when it came. */
const saidAgain = async (text: string, before: number): Promise<Record<string, unknown>> =>
  eventually(() => said(text)[before], { what: text });

test('without workers SIGHUP takes another Graph credential that obtains a token, and no other', async () => {
  const { url, adminUrl } = await start({});
  const reloads = async (outcome: string): Promise<number | undefined> =>
    (await metricsOf({ adminUrl })).get(`tallylight_graph_credential_reloads_total{outcome="${outcome}"}`);
  const loadedAt = async (): Promise<number> =>
    (await metricsOf({ adminUrl })).get(
      'tallylight_reload_last_success_timestamp_seconds{what="graphCredential"}',
    ) ?? 0;
  const newBot = async (): Promise<Bot> =>
    new Bot(url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
  const bot = await newBot();
  await eventually(async () => (await bot.report('recording')).status === 200, { what: 'recording' });
  expect((await bot.upload('part', 640)).status).toBe(201);
  const began = await loadedAt();
  expect(began).toBeGreaterThan(0);

  // A secret that the token endpoint refuses.
  await writeFile(files.secret, 'rotated-too-early\n');
  proxy?.kill('SIGHUP');
  const refused = await saidAgain('the Graph credentials could not be reloaded', 0);
  expect(refused).toMatchObject({
    level: 'error',
    setting: 'TALLYLIGHT_GRAPH_CREDENTIAL',
    error: expect.stringContaining(`no Graph access token for client ${sandboxApp}`),
  });
  expect([await reloads('ok'), await reloads('failed'), await loadedAt()]).toEqual([0, 1, began]);
  expect((await (await newBot()).report('recording')).status).toBe(200);
  await gatesOpen({ adminUrl });

  // Settings that are no longer valid change nothing.
  await rm(files.credential);
  proxy?.kill('SIGHUP');
  const invalid = await saidAgain('the settings are no longer valid', 0);
  expect(invalid.error).toContain('TALLYLIGHT_GRAPH_CREDENTIAL_FILE names a file that cannot be read');
  expect(await reloads('failed')).toBe(2);
  expect((await bot.upload('later', 640)).status).toBe(201);

  // Another credential, and another setting besides, which is not taken.
  await writeFile(files.secret, `${sandboxSecret}\n`);
  await credential(nobody);
  await writeFile(files.redis, `${redis.url.replace('//', '//gate:another@')}\n`);
  proxy?.kill('SIGHUP');
  expect(await saidAgain('the Graph credentials were reloaded', 0)).toMatchObject({ clients: [sandboxApp] });
  expect(await saidAgain('settings have changed in their files', 0)).toMatchObject({
    level: 'warn',
    settings: ['TALLYLIGHT_REDIS_URL'],
  });
  expect([await reloads('ok'), await reloads('failed')]).toEqual([1, 2]);
  expect(await loadedAt()).toBeGreaterThan(began);
  expect((await (await newBot()).report('recording')).headers['tallylight-reason']).toBe(
    'GraphCredentialMissing',
  );

  // The same again is no change; and back.
  proxy?.kill('SIGHUP');
  await saidAgain('settings have changed in their files', 1);
  expect(await reloads('ok')).toBe(2);
  expect(said('the Graph credentials were reloaded')).toHaveLength(1);
  await credential(sandboxApp);
  proxy?.kill('SIGHUP');
  await saidAgain('the Graph credentials were reloaded', 1);
  expect((await bot.report('notRecording')).status).toBe(200);
  await end();
});

test('with workers SIGHUP takes another Graph credential from its file, and says that another Redis needs a restart', async () => {
  const { url, adminUrl } = await start({ TALLYLIGHT_WORKERS: '2' });
  const bot = new Bot(url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
  await eventually(async () => (await bot.report('recording')).status === 200, { what: 'recording' });
  await credential(nobody);
  proxy?.kill('SIGHUP');
  await eventually(() => said('a worker has exited').length === 2, { what: 'two workers having left' });
  const late = new Bot(url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
  expect((await late.report('recording')).headers['tallylight-reason']).toBe('GraphCredentialMissing');
  const reloads = async (outcome: string): Promise<number | undefined> =>
    (await metricsOf({ adminUrl })).get(`tallylight_graph_credential_reloads_total{outcome="${outcome}"}`);
  expect([await reloads('ok'), await reloads('failed')]).toEqual([1, 0]);

  await writeFile(files.redis, `${redis.url.replace('//', '//gate:another@')}\n`);
  proxy?.kill('SIGHUP');
  const [refused] = await eventually(() => {
    const lines = said('no worker is replaced');
    return lines.length > 0 ? lines : undefined;
  });
  expect(refused?.error).toContain('TALLYLIGHT_REDIS_URL cannot be changed');
  expect([await reloads('ok'), await reloads('failed')]).toEqual([1, 1]);
  await end();
});
