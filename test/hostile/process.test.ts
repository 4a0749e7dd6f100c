import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../src/sandbox/peers.ts';
import { notificationIssuerOf } from '../../src/sandbox/token-mint.ts';
import { cases, edited } from '../fuzz/cases.ts';
import { eventually } from '../support/eventually.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from '../support/process.ts';
import { openRaw, sendRaw } from '../support/raw-http.ts';
import { head } from './place.ts';
import { startRawUpstream, type RawUpstream } from './raw-upstream.ts';

let directory: string;
let peers: Peers;
let upstream: RawUpstream;
let proxy: ProxyProcess;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-'));
  peers = await startPeers('127.0.0.1', 0, directory);
  upstream = await startRawUpstream();
  const { graph, sink } = peers;
  proxy = await startProxyProcess({
    ...settingsFor(
      { ...peers, graph: { ...graph, url: upstream.url }, sink: { ...sink, url: upstream.url } },
      directory,
    ),
    TALLYLIGHT_SESSION_TTL_MS: '3000',
    TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: '/callbacks/*', upstream: upstream.url }]),
    TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notificationIssuerOf(peers.mint)]),
  });
});
afterAll(async () => {
  proxy.kill('SIGKILL');
  await proxy.exited;
  await Promise.all([upstream.close(), peers.close()]);
  await rm(directory, { recursive: true });
});

const pieces = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '\t',
    ':',
    '\r\n\r\n',
    '\r\n ',
    ';',
    '%00',
    '%2e%2e/',
    '/../',
    '//',
    '\\',
    '#',
    '?',
    '\x80',
    '\xff',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 0\r\n',
    'Content-Length: 9\r\n',
    'Connection: close\r\n',
    'Expect: 100-continue\r\n',
  ],
  ...[
    'Connection: Upgrade\r\nUpgrade: h2c\r\n',
    'Host: a\r\n',
    '0\r\n\r\n',
    '5;x=y\r\n',
    'ffffffff\r\n',
    'HTTP/1.0',
    'HTTP/2.0',
    'GET ',
    'CONNECT ',
    '*',
  ],
];

test('a process that is sent requests with a few bytes wrong serves on, and passes on only whole requests', async () => {
  const [token, notificationToken] = await Promise.all([
    peers.mint.mint(),
    peers.mint.mintNotificationToken(),
  ]);
  const call = randomUUID();
  const bot = new Bot(proxy.url, token, call);
  // A store that has just begun waits until no old request can be on its way.
  await eventually(async () => (await bot.report('recording')).status === 200);
  const request = (target: string, bearer: string, body: string, chunked = false): string =>
    head(`POST ${target} HTTP/1.1`, [
      'Host: proxy',
      `Authorization: Bearer ${bearer}`,
      'Content-Type: application/json',
      chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
    ]) + (chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body);
  const whole = [
    request(`/media/${call}/x`, token, 'hello'),
    request(`/media/${call}/x`, token, 'hello', true),
    request(`/v1.0/communications/calls/${call}/playPrompt`, token, '{}'),
    request(`/v1.0/communications/calls/${call}/updateRecordingStatus`, token, '{"status":"recording"}'),
    request('/callbacks/x', notificationToken, '{"value":[]}', true),
  ];
  const one = edited(fc.constantFrom(...whole, whole[0]! + whole[2]!, whole[1]! + whole[4]!), pieces, 3);

  const othersServed = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) {
      const other = request(`/media/${call}/other`, token, 'hello');
      await eventually(async () => (await sendRaw(proxy.url, other))?.status === 200);
    }
  };

  const runs = cases(1 / 20);
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 8, maxLength: 8 }), async (all) => {
      await Promise.all(
        all.map(async (bytes) => {
          const connection = openRaw(proxy.url);
          connection.write(Buffer.from(bytes, 'latin1'));
          // What waits for more is left, once others that came later have been served.
          await Promise.race([connection.answer, othersServed()]);
          connection.destroy();
          await connection.closed;
          expect(connection.answers.filter(({ status }) => Number.isNaN(status) || status === 500)).toEqual(
            [],
          );
        }),
      );
      await eventually(async () => (await sendRaw(proxy.url, whole[0]!))?.status === 200);
    }),
    runs,
  );

  expect(upstream.strange).toEqual([]);
  expect(upstream.heard.filter(({ target }) => !target.endsWith('/other')).length).toBeGreaterThan(
    2 * runs.numRuns,
  );
  const known = /^\/(?:media\/|callbacks\/|v1\.0\/communications\/calls\/|beta\/communications\/calls\/)/;
  expect(upstream.heard.filter(({ target }) => !known.test(target))).toEqual([]);
  expect(upstream.heard.filter(({ target }) => /\/\.{1,2}(?:\/|$|\?)|[\\#]/.test(target))).toEqual([]);
  expect(proxy.lines.filter((line) => /internal error|could not be sent|at \S+ \(/.test(line))).toEqual([]);
  proxy.kill('SIGTERM');
  expect(await proxy.exited).toBe(0);
});
