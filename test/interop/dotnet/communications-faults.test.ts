import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { settableClock } from '../../support/faketime.ts';
import { makeCertificate } from './certificate.ts';
import { answeredCall, startTestBed, type TestBed } from './test-bed.ts';

const sdk = 'Microsoft.Graph.Communications.Core.Exceptions.ServiceException';
/** Nobody listens there. */
const nowhere = 'http://127.0.0.1:9';

let directory: string;
let testBed: TestBed;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-faults-'));
  testBed = await startTestBed('jwt');
  await testBed.bot.ask('build', testBed.client);
});
afterAll(async () => {
  await testBed.close();
  await rm(directory, { recursive: true });
});

test.each(['serviceBaseUrl', 'notificationUrl'] as const)('a %s that is http is refused', async (name) => {
  const url = testBed.client[name]!.replace('https:', 'http:');
  const { type, message } = await testBed.bot.failure('build', { ...testBed.client, [name]: url });
  expect(type).toBe('System.ArgumentException');
  const { origin } = new URL(url);
  expect(message).toBe(`The URL '${origin}' is not secure. HTTPS is required. (Parameter '${name}Input')`);
});

test.each([
  ['throttled', 429, 'TooManyRequests'],
  ['serverError', 500, 'InternalServerError'],
] as const)('a request that Graph answers as %s is not repeated', async (answer, status, code) => {
  const { bot, world } = testBed;
  const call = await answeredCall(testBed);
  const script = world.graph.script({ action: 'keepAlive', call, answer, times: 9 });
  expect(await bot.failure('keepAlive', { call })).toMatchObject({ type: sdk, status, code });
  expect(script.used).toBe(1);
});

test('a token of a clock that is five minutes ahead is refused, and the refusal says why', async () => {
  const { bot, world, client } = testBed;
  const seconds = Math.floor(Date.now() / 1000) + 300;
  const mint = createServer((_, res) => {
    const claims = { iat: seconds, nbf: seconds, exp: seconds + 3600 };
    void world.mint.mint(claims).then((token) => res.end(JSON.stringify({ access_token: token })));
  });
  mint.listen(0, '127.0.0.1');
  await once(mint, 'listening');
  await bot.ask('build', { ...client, mint: `http://127.0.0.1:${(mint.address() as AddressInfo).port}` });
  const call = world.graph.incomingCall();
  await bot.told('incoming', { call });
  const failure = await bot.failure('answer', { call, blob: '' });
  expect(failure).toMatchObject({ type: sdk, status: 401, code: 'TokenInvalid' });
  expect(failure.message).toContain('it is not valid yet (nbf)');
  expect(world.graph.log.filter((entry) => entry.call === call)).toEqual([]);
  mint.close();
  await once(mint, 'close');
  await bot.ask('build', client);
});

describe('while the proxy is not there', () => {
  test('a request is tried four times, and then fails', async () => {
    const { bot, front } = testBed;
    const call = await answeredCall(testBed);
    const { target } = front;
    const before = front.connections.length;
    front.target = nowhere;
    front.cut();
    const failure = await bot.failure('updateRecordingStatus', { call, status: 'NotRecording' });
    expect(failure).toMatchObject({
      type: sdk,
      code: 'generalException',
      inner: { type: 'System.Net.Http.HttpRequestException' },
    });
    expect(front.connections.length - before).toBe(4);
    front.target = target;
  });

  test('a request waits for its return', async () => {
    const { bot, front, world } = testBed;
    const call = await answeredCall(testBed);
    const { target } = front;
    const before = front.connections.length;
    front.target = nowhere;
    front.cut();
    const reported = bot.ask('updateRecordingStatus', { call, status: 'Recording' });
    await eventually(() => front.connections.length > before);
    front.target = target;
    await reported;
    expect(world.graph.recordingState(call)).toBe('recording');
  });
});

test('a certificate that is not trusted', async () => {
  const { certFile } = makeCertificate(directory, 'another');
  const other = await startTestBed('jwt', { env: { SSL_CERT_FILE: certFile } });
  await other.bot.ask('build', other.client);
  const call = other.world.graph.incomingCall();
  await other.bot.told('incoming', { call });
  expect(await other.bot.failure('answer', { call, blob: '' })).toMatchObject({
    type: sdk,
    code: 'generalException',
    inner: {
      message: 'The SSL connection could not be established, see inner exception.',
      inner: {
        type: 'System.Security.Authentication.AuthenticationException',
        message:
          'The remote certificate is invalid because of errors in the certificate chain: UntrustedRoot',
      },
    },
  });
  expect(other.world.graph.log).toEqual([]);
  await other.close();
});

describe("the bot's clock", () => {
  const withClock = async (aheadMs: number, act: (other: TestBed) => Promise<void>): Promise<void> => {
    const clock = await settableClock(directory);
    await clock.set(aheadMs);
    const other = await startTestBed('jwt', { env: clock.env });
    await other.bot.ask('build', other.client);
    await act(other);
    await other.close();
  };

  test.each([300_000, -300_000])('may be off by five minutes (%d ms)', async (aheadMs) => {
    await withClock(aheadMs, async (other) => {
      const call = await answeredCall(other);
      await other.bot.ask('updateRecordingStatus', { call, status: 'Recording' });
      expect(other.world.graph.recordingState(call)).toBe('recording');
    });
  });

  test('that is further behind takes no invitation', async () => {
    await withClock(-330_000, async ({ bot, world }) => {
      world.graph.incomingCall();
      await eventually(() => world.graph.deliveries.some(({ status }) => status === 401));
      const [delivery] = world.graph.deliveries;
      expect(delivery?.headers).toMatchObject({ 'www-authenticate': 'Bearer error="invalid_token"' });
      expect(await bot.ask('calls')).toEqual([]);
    });
  });
});
