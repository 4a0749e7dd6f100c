import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { callEnds } from '../../../src/core/call/ends.ts';
import { contradictions } from '../../../src/core/call/roster.ts';
import { version } from '../../../src/server/version.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';
import { redisStore } from '../../../src/store/redis/client.ts';
import { eventually } from '../../support/eventually.ts';
import { patient, startRedis } from '../../support/redis.ts';
import { startWorld, type World, type WorldOptions } from '../../support/world.ts';

const run = promisify(execFile);

let world: World;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-'));
});
const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
  await rm(directory, { recursive: true });
});

async function start(options: WorldOptions): Promise<void> {
  world = await startWorld(options);
  cleanUp.push(() => world.close());
}

/** A scrape: the values by series. */
async function scrape(): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${world.proxy.adminUrl}/metrics`)).text();
  const lines = text.split('\n').filter((line) => /^[a-z]/.test(line));
  return new Map(lines.map((line) => [line.replace(/ [^ ]+$/, ''), Number(line.split(' ').at(-1))] as const));
}

const valueOf = async (series: string): Promise<number | undefined> => (await scrape()).get(series);

test('before the first call everything that alerts are about is there', async () => {
  await start({});
  const now = await eventually(async () => {
    const found = await scrape();
    return found.has('tallylight_key_set_last_success_timestamp_seconds') &&
      found.has('tallylight_graph_credential_last_success_timestamp_seconds')
      ? found
      : undefined;
  });
  for (const kind of Object.keys(contradictions))
    expect(now.get(`tallylight_contradictions_total{kind="${kind}"}`)).toBe(0);
  for (const reason of Object.keys(callEnds))
    expect(now.get(`tallylight_calls_ended_total{reason="${reason}"}`)).toBe(0);
  expect(now.get('tallylight_key_set_fetches_total{outcome="failed"}')).toBe(0);
  expect(now.get('tallylight_key_set_fetches_total{outcome="ok"}')).toBeGreaterThan(0);
  expect(now.get('tallylight_graph_credential_requests_total{outcome="ok"}')).toBe(1);
  expect(now.get('tallylight_enforcing')).toBe(1);
  expect(now.get(`tallylight_build_info{version="${version()}",node="${process.versions.node}"}`)).toBe(1);
  const loaded = now.get('tallylight_reload_last_success_timestamp_seconds{what="policies"}') ?? 0;
  expect(Math.abs(loaded - Date.now() / 1000)).toBeLessThan(3600);
  expect(now.get('tallylight_evidence_free_bytes')).toBeGreaterThan(0);
  expect(now.get('tallylight_requests_limit{plane="media"}')).toBe(defaultLimits.maxUploads);
  expect(now.get('tallylight_requests_limit{plane="control"}')).toBe(defaultLimits.maxControlRequests);
  expect(now.get('tallylight_requests_limit{plane="callbacks"}')).toBe(defaultLimits.maxNotifications);
  // Neither is there: a certificate, nor a store that has memory of its own.
  expect([...now.keys()].filter((name) => /certificate_expiry|store_memory/.test(name))).toEqual([]);
});

test('an upload counts while it lasts: its bytes, its place; and its recording when it is closed', async () => {
  await start({});
  const bot = await world.bot();
  expect((await bot.report('recording')).status).toBe(200);
  const upload = bot.slowUpload('one');
  upload.send(640);
  await eventually(async () => (await valueOf('tallylight_admitted_live_bytes_total')) === 640);
  expect(await valueOf('tallylight_admitted_bytes_total')).toBe(0);
  expect(await valueOf('tallylight_requests_in_flight{plane="media"}')).toBe(1);
  upload.send(360);
  await eventually(async () => (await valueOf('tallylight_admitted_live_bytes_total')) === 1000);
  upload.end();
  expect((await upload.over)?.status).toBe(201);
  bot.stream('two');
  await eventually(async () => (await valueOf('tallylight_websockets_open')) === 1);
  expect(await valueOf('tallylight_recording_duration_seconds_count')).toBe(0);
  expect((await bot.report('notRecording')).status).toBe(200);
  const after = await eventually(async () => {
    const found = await scrape();
    return found.get('tallylight_websockets_open') === 0 ? found : undefined;
  });
  expect(after.get('tallylight_requests_in_flight{plane="media"}')).toBe(0);
  expect(after.get('tallylight_admitted_bytes_total')).toBe(
    after.get('tallylight_admitted_live_bytes_total'),
  );
  expect(after.get('tallylight_recording_duration_seconds_count')).toBe(1);
  expect(after.get('tallylight_stop_oldest_unconfirmed_seconds')).toBe(0);
});

test('Redis tells its memory, and a limit if it has one', async () => {
  const redis = await startRedis({ settings: ['--maxmemory', '64mb'] });
  cleanUp.push(() => redis.stop());
  await start({ openStore: () => redisStore(redis.url, { durability: 'ignore', ...patient }) });
  const limit = 'tallylight_store_memory_limit_bytes';
  const now = await eventually(async () => {
    const found = await scrape();
    return found.has(limit) ? found : undefined;
  });
  expect(now.get(limit)).toBe(64 * 1024 * 1024);
  const used = now.get('tallylight_store_memory_bytes') ?? 0;
  expect(used).toBeGreaterThan(100_000);
  expect(used).toBeLessThan(64 * 1024 * 1024);
  await redis.cli('config', 'set', 'maxmemory', '0');
  await eventually(async () => !(await scrape()).has(limit));
  expect(await valueOf('tallylight_store_memory_bytes')).toBeGreaterThan(100_000);
  await redis.kill('SIGTERM');
  await eventually(async () => !(await scrape()).has('tallylight_store_memory_bytes'));
});

test('a certificate tells its end, and whether its renewal was taken', async () => {
  const tls = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
  const renew = async (days: number): Promise<number> => {
    const made = ['-keyout', tls.keyFile, '-out', tls.certFile];
    const asked = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', String(days), '-subj', '/CN=name'];
    await run('openssl', ['req', ...asked, ...made]);
    return Date.parse(new X509Certificate(await readFile(tls.certFile)).validTo) / 1000;
  };
  const first = await renew(2);
  await start({ settings: { tls } });
  const expiry = 'tallylight_certificate_expiry_timestamp_seconds{use="server"}';
  const reloads = (outcome: string): string => `tallylight_certificate_reloads_total{outcome="${outcome}"}`;
  const now = await scrape();
  expect([now.get(expiry), now.get(reloads('ok')), now.get(reloads('failed'))]).toEqual([first, 0, 0]);
  const loaded = 'tallylight_reload_last_success_timestamp_seconds{what="certificate"}';
  const before = now.get(loaded) ?? 0;
  expect(before).toBeGreaterThan(0);
  await writeFile(tls.certFile, 'not a certificate');
  await eventually(async () => ((await valueOf(reloads('failed'))) ?? 0) > 0);
  expect(await valueOf(expiry)).toBe(first);
  expect(await valueOf(loaded)).toBe(before);
  const second = await renew(9);
  expect(second).toBeGreaterThan(first);
  await eventually(async () => (await valueOf(expiry)) === second);
  expect(await valueOf(reloads('ok'))).toBe(1);
  expect(await valueOf(loaded)).toBeGreaterThan(before);
});
