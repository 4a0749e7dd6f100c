import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { makeCertificate } from './certificate.ts';
import { answeredCall, startHouse, type House } from './house.ts';
import type { Failure } from './program.ts';

let house: House;
beforeAll(async () => {
  house = await startHouse('jwt');
});
afterAll(async () => {
  await house.close();
});

const root = (failure: Failure): Failure => (failure.inner === null ? failure : root(failure.inner));

test.each(['serviceBaseUrl', 'notificationUrl'] as const)('a %s that is http is refused by the SDK', async (name) => {
  const url = house.client[name]!.replace('https:', 'http:');
  console.log(JSON.stringify(await house.bot.failure('build', { ...house.client, [name]: url })));
  expect(1).toBe(1);
});

test('429', async () => {
  const { bot, world } = house;
  await bot.ask('build', house.client);
  const call = await answeredCall(house);
  const script = world.graph.script({ action: 'updateRecordingStatus', call, answer: 'throttled' , times: 5});
  console.log(JSON.stringify(await bot.failure('updateRecordingStatus', { call, status: 'Recording' })), script.used);
  const s2 = world.graph.script({ action: 'keepAlive', call, answer: 'throttled', times: 5});
  console.log(JSON.stringify(await bot.failure('keepAlive', { call })), s2.used);
  expect(1).toBe(1);
});

test('future tokens', async () => {
  const { bot, world } = house;
  const seconds = Math.floor(Date.now() / 1000) + 300;
  const mint = createServer((_, res) => {
    void world.mint.mint({ iat: seconds, nbf: seconds, exp: seconds + 3600 }).then((access_token) => res.end(JSON.stringify({ access_token })));
  }).listen(0, '127.0.0.1');
  await once(mint, 'listening');
  await bot.ask('build', { ...house.client, mint: `http://127.0.0.1:${(mint.address() as AddressInfo).port}` });
  const call = world.graph.incomingCall();
  await bot.told('incoming', { call });
  console.log(JSON.stringify(await bot.failure('answer', { call, blob: '' })));
  expect(world.graph.log.filter((e) => e.call === call)).toEqual([]);
  mint.close();
});

test('down', async () => {
  const { bot, world, front } = house;
  await bot.ask('build', house.client);
  const call = await answeredCall(house);
  await bot.ask('updateRecordingStatus', { call, status: 'Recording' });
  const before = front.connections.length;
  const target = front.target;
  front.target = 'http://127.0.0.1:9';
  front.cut();
  const t0 = performance.now();
  console.log(JSON.stringify(await bot.failure('updateRecordingStatus', { call, status: 'NotRecording' })), performance.now() - t0, front.connections.slice(before).map((c) => Buffer.concat(c).toString().split('\r\n')[0]));
  front.target = target;
  await bot.ask('updateRecordingStatus', { call, status: 'NotRecording' });
  const n2 = front.connections.length;
  front.target = 'http://127.0.0.1:9';
  front.cut();
  const asked = bot.ask('updateRecordingStatus', { call, status: 'Recording' });
  await eventually(() => front.connections.length > n2);
  front.target = target;
  console.log(await asked.catch((e) => e));
  expect(1).toBe(1);
});

test('untrusted', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-dotnet-'));
  const other = await startHouse('jwt', { SSL_CERT_FILE: makeCertificate(directory).certFile });
  await other.bot.ask('build', other.client);
  const call = other.world.graph.incomingCall();
  await other.bot.told('incoming', { call });
  const n = other.front.connections.length;
  console.log(JSON.stringify(await other.bot.failure('answer', { call, blob: '' }), null, 1), other.front.connections.length - n);
  await other.close();
  await rm(directory, { recursive: true });
  expect(1).toBe(1);
});

test.each(['+310', '-310'])('clock %s', async (off) => {
  const other = await startHouse('jwt', { LD_PRELOAD: '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', FAKETIME: off, FAKETIME_DONT_FAKE_MONOTONIC: '1' });
  try {
  await other.bot.ask('build', other.client);
  const call = other.world.graph.incomingCall();
  await other.bot.told('incoming', { call }).catch((e) => console.log(e, other.world.graph.deliveries));
  console.log(await other.bot.ask('answer', { call, blob: '' }).catch((e) => JSON.stringify(e.failure)));
  await other.bot.told('updated', { call, state: 'Established' });
  await other.bot.ask('updateRecordingStatus', { call, status: 'Recording' });
  } finally {
  await other.close();
  }
  expect(1).toBe(1);
});
afterEach(() => { console.log(house.bot.errors.splice?.call(house.bot.errors, 0).join('\n').slice(0, 3000)); });
