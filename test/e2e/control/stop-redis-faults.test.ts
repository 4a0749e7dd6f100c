import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot, type Reply } from '../../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../../src/sandbox/peers.ts';
import { eventually } from '../../support/eventually.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';

let directory: string;
let peers: Peers;
let redis: TestRedis;
let proxies: ProxyProcess[] = [];

const start = (): Promise<ProxyProcess> =>
  startProxyProcess({
    ...settingsFor(peers, directory),
    TALLYLIGHT_GRAPH_TIMEOUT_MS: '1500',
    TALLYLIGHT_SESSION_TTL_MS: '1500',
    TALLYLIGHT_DRAIN_MS: '500',
    TALLYLIGHT_REDIS_URL: redis.url,
  });

const isReady = async ({ adminUrl }: ProxyProcess): Promise<boolean> =>
  (await send(adminUrl, { path: '/readyz/gates' })).status === 200;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-stop-'));
  peers = await startPeers('127.0.0.1', 0, directory);
  redis = await startRedis();
  proxies = await Promise.all([start(), start()]);
});
afterAll(async () => {
  for (const proxy of proxies) proxy.kill('SIGKILL');
  await Promise.all(proxies.map(({ exited }) => exited));
  await redis.stop();
  await peers.close();
  await rm(directory, { recursive: true });
});

const at = async (): Promise<[a: Bot, b: Bot]> => {
  for (const proxy of proxies) await eventually(() => isReady(proxy), { what: 'gates that may open' });
  const call = peers.graph.incomingCall({ answered: true });
  const token = await peers.mint.mint();
  const [a, b] = proxies.map((proxy) => new Bot(proxy.url, token, call)) as [Bot, Bot];
  await eventually(async () => (await b.report('recording')).status === 200, { what: 'recording' });
  for (const bot of [a, b]) expect((await bot.upload('open', 64)).status).toBe(201);
  return [a, b];
};

const asked = ({ call }: Bot): string[] =>
  peers.graph.log
    .filter((entry) => entry.call === call)
    .map(({ action, asked: status }) => String(status ?? action));

const stops = [
  ['notRecording', (bot: Bot): Promise<Reply> => bot.report('notRecording'), 'notRecording'],
  ['failed', (bot: Bot): Promise<Reply> => bot.report('failed'), 'failed'],
  ['a hang-up', (bot: Bot): Promise<Reply> => bot.hangUp(), 'hangUp'],
] as const;

/** Redis can be read in each of these. */
const refusals = [
  [
    'appends no evidence (ACL)',
    ['acl', 'setuser', 'default', '-xadd'],
    ['acl', 'setuser', 'default', '+xadd'],
  ],
  [
    'changes no call (ACL)',
    ['acl', 'setuser', 'default', '-hincrby'],
    ['acl', 'setuser', 'default', '+hincrby'],
  ],
] as const;

describe.each(refusals)('Redis that %s', (_, break_, mend) => {
  test.each(stops)(
    '%s closes both instances, and is completed without being asked for again',
    async (__, stop, name) => {
      const [a, b] = await at();
      const upload = a.slowUpload('long');
      upload.send(640);
      await eventually(() =>
        peers.sink.received.some(({ callId, bytes }) => callId === a.call && bytes === 640),
      );
      await redis.cli(...break_);
      try {
        const answer = await stop(b);
        expect(answer).toMatchObject({ status: 503, headers: { 'tallylight-reason': 'StoreUnavailable' } });
        expect(answer.body).toContain('closed on this instance');
        expect((await b.upload('late', 64)).status).toBe(403);
        await eventually(async () => (await a.upload('late', 64)).status === 403);
        expect((await upload.over)?.status ?? 403).not.toBe(201);
        for (let again = 0; again < 5; again++)
          for (const bot of [a, b]) expect((await bot.upload('late', 64)).status).toBe(403);
        expect(asked(b)).not.toContain(name);
      } finally {
        await redis.cli(...mend);
      }
      await eventually(() => asked(b).includes(name), { what: 'the stop at Graph' });
      expect(asked(b).filter((one) => one === name)).toHaveLength(1);
      for (const bot of [a, b]) expect((await bot.upload('late', 64)).status).toBe(403);
    },
  );
});

test.each(stops)('Redis that is full takes a stop: %s', async (_, stop, name) => {
  const [a, b] = await at();
  await redis.cli('config', 'set', 'maxmemory', '100kb');
  try {
    expect((await stop(b)).status).toBeLessThan(300);
    for (const bot of [a, b]) expect((await bot.upload('late', 64)).status).toBe(403);
    expect(asked(b).filter((one) => one === name)).toHaveLength(1);
    // No session is extended, so nothing is admitted for any other call either.
    for (const proxy of proxies) await eventually(async () => !(await isReady(proxy)));
  } finally {
    await redis.cli('config', 'set', 'maxmemory', '0');
  }
});

test('Redis that does not answer: the instance that heard a stop admits nothing, the others nothing after one TTL', async () => {
  const [a, b] = await at();
  await redis.kill('SIGSTOP');
  try {
    const stopping = b.report('notRecording');
    await eventually(async () => (await b.upload('late', 64)).status === 403);
    await eventually(async () => (await a.upload('late', 64)).status !== 201);
    expect((await stopping).status).toBe(503);
    expect(asked(b)).not.toContain('notRecording');
  } finally {
    await redis.kill('SIGCONT');
  }
  await eventually(() => asked(b).includes('notRecording'), { what: 'the stop at Graph' });
  for (const bot of [a, b]) expect((await bot.upload('late', 64)).status).toBe(403);
});
