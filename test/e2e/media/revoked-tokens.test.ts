import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { frameOf, opcodes } from '../../../src/core/http/websocket.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { openStream } from '../../../src/sandbox/bot/websocket-client.ts';
import { sandboxApp } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { recordsIn } from '../../support/notified-bot.ts';
import { startStreamHandler, type StreamHandler } from '../../support/stream-handler.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
let handler: StreamHandler;
let directory: string;
let file: string;
const logged: string[] = [];
const note = (_: unknown, text: string): void => void logged.push(text);
const log: Log = { debug: note, info: note, warn: note, error: note };

/** As an operator should: the file is exchanged as a whole. */
async function revoke(list: unknown): Promise<void> {
  await writeFile(`${file}.new`, typeof list === 'string' ? list : JSON.stringify(list));
  await rename(`${file}.new`, file);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-revoked-'));
  file = join(directory, 'revoked.json');
  await revoke([]);
  handler = await startStreamHandler();
  world = await startWorld({
    log,
    settings: ({ sink }) => ({
      revokedTokensFile: file,
      mediaRoutes: [
        { path: '/media/{callId}/*', upstream: sink.url, methods: ['POST'], reads: 'pass' },
        {
          ...{ path: '/live/{callId}', upstream: handler.url, methods: ['POST'] },
          ...{ reads: 'refuse', websocket: true },
        },
      ],
    }),
  });
});
afterEach(() => revoke([]));
afterAll(async () => {
  await world.close();
  await handler.close();
  await rm(directory, { recursive: true });
});

interface Recorder {
  readonly bot: Bot;
  readonly token: string;
}

/** Another token for the same call, whose owner has the first. */
async function recorder(call: string, jti: string): Promise<Recorder> {
  const token = await world.mint.mint({ jti });
  return { bot: new Bot(world.proxy.url, token, call), token };
}

async function recordedCall(): Promise<{ owner: Bot; call: string }> {
  const owner = await world.bot();
  expect((await owner.report('recording')).headers['tallylight-gate']).toBe('open');
  return { owner, call: owner.call };
}

const begun = (call: string, bytes: number): Promise<unknown> =>
  eventually(() => world.sink.received.some((one) => one.callId === call && one.bytes >= bytes));
const revoked = { status: 401, headers: { 'tallylight-reason': 'TokenRevoked' } };
const rightNow = (): string => new Date(Date.now() + 1000).toISOString();

test('what was begun with a token ends when it is revoked, and nothing begins any more', async () => {
  const { owner, call } = await recordedCall();
  const { bot, token } = await recorder(call, 'stolen');
  // The token is remembered as a good one by now.
  expect((await bot.upload('first', 64)).status).toBe(201);
  const upload = bot.slowUpload('long');
  upload.send(640);
  await begun(call, 640);
  const stream = openStream(`${world.proxy.url}/live/${call}`, { token });
  await stream.opened;
  stream.send('one');
  const held = handler.streams.at(-1)!;
  await eventually(() => held.frames.length === 1);
  const honest = owner.slowUpload('honest');
  honest.send(640);

  await revoke([{ jti: 'stolen', note: 'found in a ticket' }]);

  expect(await upload.over).toMatchObject(revoked);
  expect(await stream.over).toEqual({ code: 1008, reason: 'TokenRevoked' });
  expect(await bot.upload('next', 64)).toMatchObject(revoked);
  expect(await bot.report('notRecording')).toMatchObject(revoked);
  // Nobody else is touched, and the gate is as it was.
  honest.send(640);
  honest.end();
  expect((await honest.over)?.status).toBe(201);
  expect((await owner.report('notRecording')).headers['tallylight-gate']).toBe('closed');
  expect(held.frames.length).toBe(1);
  const writes = await eventually(async () => {
    const records = await recordsIn(world.directory);
    return records.find(({ call: of, event }) => of === call.replaceAll('-', '') && event === 'drained')
      ?.detail.writes;
  });
  expect(writes).toMatchObject({ admitted: 4, aborted: 2 });
});

test('a token is accepted again once no entry names it', async () => {
  const { call } = await recordedCall();
  const { bot } = await recorder(call, 'again');
  await revoke([{ jti: 'again' }]);
  await eventually(async () => (await bot.upload('a', 64)).headers['tallylight-reason'] === 'TokenRevoked');
  await revoke([]);
  await eventually(async () => (await bot.upload('a', 64)).status === 201);
});

test('all tokens of an application may be revoked as of a moment', async () => {
  const { call } = await recordedCall();
  const { bot } = await recorder(call, 'old');
  await revoke([{ app: sandboxApp, issuedBefore: rightNow() }]);
  await eventually(async () => (await bot.upload('a', 64)).headers['tallylight-reason'] === 'TokenRevoked');
  const later = Math.floor(Date.now() / 1000) + 10;
  const renewed = new Bot(world.proxy.url, await world.mint.mint({ iat: later }), call);
  expect((await renewed.upload('a', 64)).status).toBe(201);
});

test('a list that breaks leaves the previous one in force, and the log says so', async () => {
  const { call } = await recordedCall();
  const { bot } = await recorder(call, 'still');
  await revoke([{ jti: 'still' }]);
  await eventually(async () => (await bot.upload('a', 64)).headers['tallylight-reason'] === 'TokenRevoked');
  await revoke('[{"jti":');
  await eventually(() =>
    logged.includes('the list of revoked tokens could not be read again; the previous list stays in force'),
  );
  expect(await bot.upload('a', 64)).toMatchObject(revoked);
});

test('a frame in flight is not finished for a token that was revoked', async () => {
  const { call } = await recordedCall();
  const { token } = await recorder(call, 'mid-frame');
  const stream = openStream(`${world.proxy.url}/live/${call}`, { token });
  await stream.opened;
  const held = handler.streams.at(-1)!;
  const frame = frameOf(opcodes.binary, Buffer.alloc(1000), Buffer.from([9, 8, 7, 6]));
  stream.write(frame.subarray(0, 500));
  await eventually(() => held.rest.length > 0);
  await revoke([{ jti: 'mid-frame' }]);
  expect(await stream.over).toEqual({ code: 1008, reason: 'TokenRevoked' });
  expect(held.frames).toEqual([]);
});
