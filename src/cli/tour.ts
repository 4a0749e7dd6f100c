#!/usr/bin/env node
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, messageOf } from '../core/errors.ts';
import { verifyJournal } from '../evidence/verify/verify.ts';
import { askConsole } from './console-client.ts';
import { consoleCommands } from './console-commands.ts';
import { failStart } from '../server/failed-start.ts';
import { createLog } from '../server/log.ts';
import { loadSettings } from '../settings/settings.ts';
import { Bot } from '../sandbox/bot/bot.ts';
import { breakable, type BreakableStore } from '../sandbox/breakable-store.ts';
import type { SandboxSettings } from '../settings/settings.ts';
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts';

interface Place {
  readonly sandbox: Sandbox;
  readonly store: BreakableStore;
  readonly bot: (options?: { policyBased?: boolean }) => Promise<Bot>;
}

const times = {
  TALLYLIGHT_SESSION_TTL_MS: '1000',
  TALLYLIGHT_DRAIN_MS: '500',
  TALLYLIGHT_GRAPH_TIMEOUT_MS: '2000',
};

/** A bot's whole life, law by law. Each throws where the law does not hold. */
const laws: readonly (readonly [string, (place: Place) => Promise<void>])[] = [
  ['Law 1, no byte before: an upload is refused until Graph has confirmed recording', noByteBefore],
  ['Law 1, no byte before: a pending, refused or lost response opens no gate', onlyConfirmedOpens],
  ['Law 2, no byte after: when Graph receives notRecording, no upload is in progress', noByteAfter],
  ['Law 2, no byte after: a WebSocket ends at a frame boundary before Graph receives the stop', streamEnds],
  ['Law 2, no byte after: recording ends before a hang-up is sent', hangUpEndsRecording],
  [
    'Promise 3, signalling continues: keepAlive is forwarded while the store is down, media is refused',
    signallingPasses,
  ],
  ['Promise 4, every stop completes: a stalled upload is aborted within the drain limit', everyStopEnds],
  ['By hand: what an operator closes at the console opens only when Graph confirms recording', closedByHand],
  ['Notifications: when Graph ends a call, its gate closes without a request from the bot', graphEndsCalls],
  ['Notifications: they open no gate; only a response from Graph does', notificationsOpenNothing],
];

async function noByteBefore({ sandbox, bot }: Place): Promise<void> {
  const it = await bot();
  same((await it.upload('early', 640)).status, 403, 'an early upload');
  same((await it.report('recording')).status, 200, 'recording');
  same((await it.upload('first', 640)).status, 201, 'an upload while recording');
  same(stored(sandbox, it).join(), 'first', 'what was stored');
}

async function onlyConfirmedOpens({ sandbox, bot }: Place): Promise<void> {
  const it = await bot();
  for (const answer of [
    { pending: { then: 'failed', afterMs: 100 } },
    'serverError',
    'throttled',
    'reset',
  ] as const) {
    sandbox.graph.script({ action: 'updateRecordingStatus', call: it.call, answer });
    await it.report('recording');
    same((await it.upload('unconfirmed', 640)).status, 403, `an upload after ${JSON.stringify(answer)}`);
  }
  const stranger = await bot({ policyBased: false });
  same(
    (await stranger.report('recording')).headers['tallylight-reason'],
    'NotPolicyCall',
    'the reason for 8506',
  );
  same(stored(sandbox, it).length + stored(sandbox, stranger).length, 0, 'writes stored');
}

async function noByteAfter({ sandbox, bot }: Place): Promise<void> {
  const it = await recordingBot(bot);
  const upload = it.slowUpload('long');
  upload.send(64_000);
  await until(() => received(sandbox, it).some(({ bytes }) => bytes > 0), 'the upload reached the sink');
  same((await it.report('notRecording')).status, 200, 'notRecording');
  await upload.over;
  const stop = sandbox.graph.log.find(
    ({ call, asked }) => asked === 'notRecording' && samePlace(call, it.call),
  );
  const [write] = await until(
    () => received(sandbox, it).filter(({ endedAt }) => endedAt !== null),
    'the upload ended',
  );
  if (stop === undefined || (write?.lastByteAt ?? 0) > stop.receivedAt)
    throw broken('a byte arrived after Graph received the stop');
  same(write?.complete, false, 'completeness of the aborted upload');
  same((await it.upload('late', 640)).status, 403, 'an upload after the stop');
}

async function streamEnds({ sandbox, bot }: Place): Promise<void> {
  const it = await bot();
  const early = it.stream('early');
  same(
    await early.opened.then(
      () => 'opened',
      () => 'refused',
    ),
    'refused',
    'an early WebSocket',
  );
  same((await it.report('recording')).status, 200, 'recording');
  const stream = it.stream('audio');
  await stream.opened;
  for (let frame = 0; frame < 50; frame++) stream.send(Buffer.alloc(640, frame));
  await until(() => received(sandbox, it).some(({ bytes }) => bytes > 0), 'the stream reached the sink');
  same((await it.report('notRecording')).status, 200, 'notRecording');
  same((await stream.over)?.code, 1008, 'the status code of the Close frame');
  const stop = sandbox.graph.log.find(
    ({ call, asked }) => asked === 'notRecording' && samePlace(call, it.call),
  );
  const [write] = received(sandbox, it);
  if (stop === undefined || (write?.endedAt ?? Infinity) > stop.receivedAt)
    throw broken('the stream had not ended when Graph received the stop');
  same(write?.complete, true, 'completeness of the stream that was closed in order');
  same((write?.bytes ?? 0) % 640, 0, 'bytes of a truncated frame');
}

async function hangUpEndsRecording({ sandbox, bot }: Place): Promise<void> {
  const it = await recordingBot(bot);
  const upload = it.slowUpload('long');
  upload.send(640);
  await until(() => received(sandbox, it).length > 0, 'the upload reached the sink');
  same((await it.hangUp()).status, 204, 'the hang-up');
  await upload.over;
  same((await it.upload('late', 640)).status, 403, 'an upload after the hang-up');
}

async function signallingPasses({ store, bot }: Place): Promise<void> {
  const it = await recordingBot(bot);
  store.break();
  try {
    same((await it.post('keepAlive')).status, 200, 'keepAlive with the store down');
    await until(
      async () => (await it.upload('blind', 640)).status === 503,
      'media is refused with the store down',
    );
    same((await it.report('notRecording')).status, 503, 'a status change with the store down');
  } finally {
    store.mend();
  }
  await until(
    async () => (await it.report('notRecording')).status === 200,
    'the stop is sent once the store is back',
  );
}

async function everyStopEnds({ sandbox, bot }: Place): Promise<void> {
  const it = await recordingBot(bot);
  const stall = sandbox.sink.script({ call: it.call, then: 'stall' });
  const upload = it.slowUpload('stalled');
  upload.send(640);
  await until(() => received(sandbox, it).length > 0, 'the upload reached the sink');
  const began = performance.now();
  same((await it.report('notRecording')).status, 200, 'notRecording');
  const bound = 500 + 1000 + 2000;
  if (performance.now() - began > bound) throw broken(`the stop took longer than ${bound} ms`);
  stall.release();
  await upload.over;
}

async function closedByHand({ sandbox, bot }: Place): Promise<void> {
  const it = await recordingBot(bot);
  const { request } = consoleCommands.close;
  const url = sandbox.proxy.consoleUrl ?? '';
  const reply = await askConsole({ url }, request(it.call, { reason: 'the tour' }));
  same(reply.kind === 'failed' ? reply.why : reply.status, 200, 'the close');
  same((await it.upload('late', 640)).status, 403, 'an upload after the close');
  same((await it.report('recording')).status, 200, 'recording again');
  same((await it.upload('again', 640)).status, 201, 'an upload while recording');
}

async function graphEndsCalls({ sandbox, bot }: Place): Promise<void> {
  const it = await recordingBot(bot);
  const upload = it.slowUpload('long');
  upload.send(640);
  await until(() => received(sandbox, it).length > 0, 'the upload reached the sink');
  sandbox.graph.endCall(it.call);
  await upload.over;
  await until(
    async () => (await it.report('recording')).headers['tallylight-reason'] === 'CallEnded',
    'the end of the call is known',
  );
  same((await it.upload('late', 640)).status, 403, 'an upload after the end of the call');
}

async function notificationsOpenNothing({ sandbox, bot }: Place): Promise<void> {
  const it = await bot();
  const pending = sandbox.graph.script({
    action: 'updateRecordingStatus',
    call: it.call,
    answer: { pending: {} },
  });
  const answer = it.report('recording');
  const asked = await until(
    () =>
      sandbox.graph.log.filter(({ action, call }) => action === 'getOperation' && samePlace(call, it.call)),
    'the proxy reads the operation',
  );
  const operation = asked[0]?.path.split('/').at(-1);
  const told = await sandbox.graph.notify(it.call, [
    {
      changeType: 'deleted',
      resourceUrl: `/communications/calls/${it.call}/operations/${operation}`,
      resourceData: { '@odata.type': '#microsoft.graph.updateRecordingStatusOperation', status: 'completed' },
    },
  ]);
  same(told.status, 202, 'the notification that says it is completed');
  await until(
    () =>
      sandbox.graph.log.filter(({ action, call }) => action === 'getOperation' && samePlace(call, it.call))
        .length > asked.length,
    'the proxy reads the operation again',
  );
  same((await it.upload('told', 640)).status, 403, 'an upload before Graph has responded');
  pending.release();
  same((await answer).status, 200, 'recording, once Graph has completed it');
  same((await it.upload('confirmed', 640)).status, 201, 'an upload after the confirmation');
}

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-tour-'));
  const settings = loadSettings({
    ...times,
    TALLYLIGHT_PORT: '0',
    TALLYLIGHT_ADMIN_PORT: '0',
    TALLYLIGHT_SANDBOX_DIR: directory,
  });
  let store: BreakableStore | undefined;
  const sandbox = await startSandbox(settings as SandboxSettings, {
    log: createLog('silent'),
    wrapStore: (inner) => (store = breakable(inner)),
  });
  let failed = 0;
  const tell = async (law: string, check: () => Promise<void>): Promise<void> => {
    try {
      await check();
      process.stdout.write(`passed  ${law}\n`);
    } catch (error) {
      failed += 1;
      process.stdout.write(`FAILED  ${law}\n        ${messageOf(error)}\n`);
    }
  };
  if (store === undefined) throw new Fault('Internal', 'the sandbox has opened no store');
  const place: Place = {
    sandbox,
    store,
    bot: async (options = {}) =>
      new Bot(
        sandbox.proxy.url,
        await sandbox.mint.mint(),
        sandbox.graph.incomingCall({ answered: true, ...options }),
      ),
  };
  for (const [law, check] of laws) await tell(law, () => check(place));
  await sandbox.close();
  await tell('Evidence: every hash chain is valid, and every state change is allowed', async () => {
    const folder = join(directory, 'evidence');
    const files = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
    const { misfit, records } = await verifyJournal(files.map((name) => join(folder, name)));
    if (misfit !== null || records === 0) throw broken(`${records} records, ${JSON.stringify(misfit)}`);
  });
  await rm(directory, { recursive: true });
  process.exitCode = failed === 0 ? 0 : 1;
}

async function recordingBot(bot: Place['bot']): Promise<Bot> {
  const it = await bot();
  same((await it.report('recording')).status, 200, 'recording');
  return it;
}

const samePlace = (one: string | null, other: string): boolean =>
  one?.replaceAll('-', '') === other.replaceAll('-', '');
const received = ({ sink }: Sandbox, { call }: Bot): Sandbox['sink']['received'] =>
  sink.received.filter(({ callId }) => samePlace(callId, call));
const stored = (sandbox: Sandbox, bot: Bot): string[] =>
  received(sandbox, bot)
    .filter(({ complete }) => complete)
    .map(({ path }) => path.split('/').at(-1) ?? '');
const broken = (message: string): Fault => new Fault('Internal', message);

function same(found: unknown, wanted: unknown, what: string): void {
  if (found !== wanted) throw broken(`${what}: expected ${String(wanted)}, found ${String(found)}`);
}

async function until<T>(probe: () => T | Promise<T>, what: string): Promise<T> {
  const end = performance.now() + 10_000;
  for (;;) {
    const value = await probe();
    if (Array.isArray(value) ? value.length > 0 : value) return value;
    if (performance.now() > end) throw broken(`timed out waiting until ${what}`);
    await sleep(10);
  }
}

await main().catch(failStart);
