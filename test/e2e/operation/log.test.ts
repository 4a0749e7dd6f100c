import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import {
  notificationIssuerOf,
  sandboxApp,
  sandboxSecret,
  sandboxTenant,
} from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { openFifo } from '../../support/fifo.ts';
import { batch, callIs } from '../../support/notified-bot.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import { startRedis } from '../../support/redis.ts';
import { json, send } from '../../support/raw-http.ts';
import { metricsOf } from '../../support/worker-test-bed.ts';

const testBed = processTestBed('log');
const builtMain = fileURLToPath(new URL('../../../dist/src/cli/main.js', import.meta.url));

type Line = Readonly<Record<string, unknown>>;
const parsed = (lines: readonly string[]): Line[] => lines.map((line) => JSON.parse(line) as Line);

/** One application, and Graph's notifications through the proxy. */
const whole = (): Record<string, string> => ({
  TALLYLIGHT_ACCESS_LOG: 'on',
  TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify({
    tokenEndpoint: testBed.peers.mint.tokenEndpoint,
    clientId: sandboxApp,
    clientSecret: sandboxSecret,
    apps: [sandboxApp],
  }),
  TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: '/callbacks/*', upstream: testBed.peers.callbackBot.url }]),
  TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notificationIssuerOf(testBed.peers.mint)]),
});

test('a start and the whole life of a call on two instances have no line above info, and tell the story', async () => {
  // With which a store has nothing to warn of.
  const redis = await startRedis({ appendOnly: true });
  testBed.later(() => redis.stop());
  const settings = { ...whole(), TALLYLIGHT_REDIS_URL: redis.url };
  const proxies = [await testBed.start(settings), await testBed.start(settings)] as const;
  const [one, other] = proxies;
  const { mint, graph } = testBed.peers;
  const id = graph.incomingCall({ answered: true });
  const token = await mint.mint();
  const notify = async (state: string): Promise<void> => {
    const { headers, body } = json(batch(callIs(id, state)));
    const sent = { method: 'POST', path: '/callbacks/calls', token: await mint.mintNotificationToken() };
    expect(
      (await send(one.url, { ...sent, ...(body === undefined ? {} : { body }), headers: headers ?? {} }))
        .status,
    ).toBe(202);
  };
  await notify('established');
  const clientRequestId = randomUUID();
  const report = (status: string) =>
    send(one.url, {
      method: 'POST',
      path: `/v1.0/communications/calls/${id}/updateRecordingStatus`,
      token,
      headers: { 'content-type': 'application/json', 'client-request-id': clientRequestId },
      body: JSON.stringify({ status }),
    });
  const bots = proxies.map(({ url }) => new Bot(url, token, id));
  expect((await bots[1]?.upload('early', 10))?.status).toBe(403);
  await eventually(async () => (await report('recording')).status === 200);
  for (const bot of bots) await eventually(async () => (await bot.upload('media', 100)).status === 201);
  expect((await report('notRecording')).status).toBe(200);
  expect((await bots[0]?.hangUp())?.status).toBe(204);
  await notify('terminated');
  for (const proxy of proxies) {
    proxy.kill('SIGTERM');
    expect(await proxy.exited).toBe(0);
  }

  const lines = [...parsed(one.lines), ...parsed(other.lines)];
  expect(lines.filter(({ level }) => level !== 'info')).toEqual([]);

  const story = lines
    .filter(({ event }) => event !== undefined)
    .sort((a, b) => Number(a.seq) - Number(b.seq));
  const expected = ['bound', 'notified', 'startRequested', 'startConfirmed', 'stopRequested', 'drained'];
  const events = story.map(({ event }) => event);
  expect(events.filter((event) => expected.includes(String(event))).slice(0, 6)).toEqual(expected);
  expect(events.at(-1)).toBe('ended');
  for (const line of story)
    expect(line).toMatchObject({
      ...{ call: id, tenant: sandboxTenant, app: sandboxApp, requestId: expect.any(String) },
      ...{ epoch: expect.any(Number), instance: expect.any(String), from: expect.any(String) },
    });
  const confirmed = story.find(({ event }) => event === 'startConfirmed');
  expect(confirmed).toMatchObject({ clientRequestId, graphStatus: 200, graphRequestId: expect.any(String) });
  expect(story.find(({ event }) => event === 'drained')).toMatchObject({ admitted: 2, bytes: 200 });

  const refused = lines.find(({ msg, surface }) => msg === 'a request was refused' && surface === 'media');
  expect(refused).toMatchObject({ call: id, reason: 'RecordingNotActive', app: sandboxApp });
  const access = lines.filter(({ msg }) => msg === 'request');
  expect(access).toContainEqual(
    expect.objectContaining({
      route: '/media/{callId}/*',
      call: id,
      status: 201,
      method: 'POST',
      client: '127.0.0.1',
    }),
  );
  expect(access).toContainEqual(
    expect.objectContaining({ action: 'updateRecordingStatus', call: id, status: 200, clientRequestId }),
  );
  expect(access).toContainEqual(expect.objectContaining({ route: '/callbacks/*', status: 202 }));
  expect(access).toContainEqual(expect.objectContaining({ status: 403, reason: 'RecordingNotActive' }));
});

test('without access lines an upload that passes has no line', async () => {
  const proxy = await testBed.start();
  const bot = await testBed.recordingBot(proxy);
  await eventually(async () => (await bot.upload('media', 10)).status === 201);
  const before = proxy.lines.length;
  for (let count = 0; count < 5; count += 1) expect((await bot.upload('media', 10)).status).toBe(201);
  expect((await bot.report('notRecording')).status).toBe(200);
  await eventually(() => proxy.lines.some((line) => line.includes('stopConfirmed')));
  const events = parsed(proxy.lines.slice(before)).map(({ event }) => event);
  expect(events).toEqual(['stopRequested', 'drained', 'stopConfirmed']);
});

/** A proxy whose standard output is what the test says. */
function startOn(stdout: number | 'pipe') {
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, ...testBed.settings({ ...whole(), TALLYLIGHT_LOG_LEVEL: 'trace' }) };
  const child = spawn(process.execPath, [builtMain], { env, stdio: ['ignore', stdout, 'inherit'] });
  testBed.later(() => child.kill('SIGKILL'));
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { child, exited };
}

const urlIn = (lines: readonly string[]): string | undefined =>
  parsed(lines.filter((line) => line.startsWith('{'))).find(({ msg }) => msg === 'listening')?.url as
    string | undefined;

/** Records a call, writes many lines, and ends the process. */
async function lifeAt(url: string, { child, exited }: ReturnType<typeof startOn>): Promise<void> {
  const bot = await testBed.recordingBot({ url });
  const slow = bot.slowUpload('long');
  slow.send(100);
  await eventually(async () => (await bot.upload('media', 10)).status === 201);
  // More lines than a pipe holds.
  for (let count = 0; count < 300; count += 1) expect((await bot.upload('media', 1)).status).toBe(201);
  expect((await bot.report('notRecording')).status).toBe(200);
  expect((await slow.over)?.status).not.toBe(201);
  expect((await bot.upload('late', 1)).status).toBe(403);
  await testBed.recordingBot({ url });
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
}

test('a reader of the log that goes away neither ends the process nor holds up a gate', async () => {
  const running = startOn('pipe');
  const lines: string[] = [];
  running.child.stdout?.on('data', (chunk: Buffer) => lines.push(...chunk.toString().split('\n')));
  await eventually(() => urlIn(lines) !== undefined);
  const adminUrl = String(parsed(lines.filter((line) => line.includes('"listening"')))[0]?.adminUrl);
  const waiting = async (): Promise<number> =>
    (await metricsOf({ adminUrl })).get('tallylight_log_waiting_bytes') ?? -1;
  await eventually(async () => (await waiting()) === 0);
  running.child.stdout?.destroy();
  const bot = await testBed.newBot({ url: urlIn(lines) ?? '' });
  await eventually(async () => {
    expect((await bot.upload('early', 1)).status).toBe(403);
    return (await waiting()) > 0;
  });
  await lifeAt(urlIn(lines) ?? '', running);
});

test('a reader of the log that stands still holds up neither a gate nor the end of the process', async () => {
  const pipe = openFifo();
  testBed.later(() => pipe.close());
  const running = startOn(pipe.fd);
  await eventually(() => urlIn(pipe.lines) !== undefined);
  pipe.standStill();
  await lifeAt(urlIn(pipe.lines) ?? '', running);
});
