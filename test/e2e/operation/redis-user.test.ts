import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { aclLine } from '../../../src/store/redis/permissions.ts';
import { eventually } from '../../support/eventually.ts';
import { failedStart, settingsFor, startProxyProcess } from '../../support/process.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { gatesOpen } from '../../support/worker-test-bed.ts';
import { verifyEvidence } from '../../support/world.ts';

let directory: string;
let peers: Peers;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-redis-user-'));
  peers = await startPeers('127.0.0.1', 0, directory);
});
afterAll(async () => {
  await peers.close();
  await rm(directory, { recursive: true });
});

/** Grants what the line says and may be asked for besides, then `changes`. Returns the URL of the user. */
async function userOf(redis: TestRedis, ...changes: readonly string[]): Promise<string> {
  const granted = aclLine('tallylight').split(' ').slice(3);
  await redis.cli('acl', 'setuser', 'gate', 'on', '>secret', ...granted, '+config|get', ...changes);
  return redis.url.replace('//', '//gate:secret@');
}

test.each<[string, readonly string[], number]>([
  ['the rights that are documented', [], 0],
  ['no channels', ['resetchannels'], 1],
  ['no way to publish', ['-publish'], 1],
])('two instances keep the laws with a Redis user of %s', async (_, changes, warnings) => {
  const redis = await startRedis({ appendOnly: true });
  const home = await mkdtemp(join(directory, 'home-'));
  const settings = { ...settingsFor(peers, home), TALLYLIGHT_REDIS_URL: await userOf(redis, ...changes) };
  const one = await startProxyProcess(settings);
  const other = await startProxyProcess(settings);
  await gatesOpen(one);
  await gatesOpen(other);
  const bot = new Bot(one.url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
  await eventually(async () => (await bot.report('recording')).status === 200, { what: 'recording' });
  const elsewhere = new Bot(other.url, await peers.mint.mint(), bot.call);
  expect((await elsewhere.upload('part', 640)).status).toBe(201);
  const upload = elsewhere.slowUpload('long');
  upload.send(640);
  const write = await eventually(() =>
    peers.sink.received.find(
      ({ callId, path, bytes }) => callId === bot.call && path.includes('long') && bytes > 0,
    ),
  );
  expect((await bot.report('notRecording')).status).toBe(200);
  await upload.over;
  expect(write.complete).toBe(false);
  expect((await elsewhere.upload('late', 640)).status).toBe(403);
  for (const proxy of [one, other]) {
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
    const warned = proxy.lines.filter((line) => /"level":"(?:warn|error)"/.test(line));
    expect(warned.filter((line) => line.includes('ACL SETUSER'))).toHaveLength(warnings);
    expect(warned.filter((line) => /NOPERM|can't run this command/.test(line))).toEqual([]);
  }
  expect((await verifyEvidence(home)).misfit).toBeNull();
  await redis.stop();
});

test('an instance does not start with a Redis user who may not append evidence, and says what to grant', async () => {
  const redis = await startRedis();
  const { code, output } = await failedStart({
    ...settingsFor(peers, directory),
    TALLYLIGHT_REDIS_URL: await userOf(redis, '-xadd'),
  });
  await redis.stop();
  expect(code).toBe(4);
  expect(output).toContain(
    'its user may not run XADD; grant the required permissions: ACL SETUSER <user> ~tallylight:*',
  );
  expect(output).not.toContain('secret@');
});
