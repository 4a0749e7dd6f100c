import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { defaultLimits, type LimitValues } from '../../src/settings/limits.ts';
import { eventually } from '../support/eventually.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

const start = async (limits: Partial<LimitValues>): Promise<void> => {
  world = await startWorld({ settings: { limits: { ...defaultLimits, ...limits } } });
};

const metric = async (line: string): Promise<number> => {
  const text = await (await fetch(`${world.proxy.adminUrl}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((one) => one.startsWith(line))
      ?.split(' ')
      .at(-1) ?? 0,
  );
};

async function recordingBot(): Promise<Bot> {
  const bot = await world.bot();
  expect((await bot.report('recording')).status).toBe(200);
  return bot;
}

describe('uploads at a time', () => {
  test('are limited for one call; others are not held up, and room comes back', async () => {
    await start({ maxUploadsPerCall: 2 });
    const bot = await recordingBot();
    const under = [bot.slowUpload('one'), bot.slowUpload('two')];
    for (const upload of under) upload.send(640);
    await eventually(() => world.sink.received.length === 2);
    const refused = await bot.upload('three', 640);
    expect(refused).toMatchObject({ status: 429, headers: { 'tallylight-reason': 'TooManyUploads' } });
    expect(refused.headers['retry-after']).toBe('1');
    expect((await (await recordingBot()).upload('other', 640)).status).toBe(201);
    for (const upload of under) upload.end();
    await Promise.all(under.map(({ over }) => over));
    expect((await bot.upload('three', 640)).status).toBe(201);
  });

  test('are not a reason at a closed gate: what would be tried again later is refused for good', async () => {
    await start({ maxUploadsPerCall: 1 });
    const bot = await recordingBot();
    const upload = bot.slowUpload('one');
    upload.send(640);
    await eventually(() => world.sink.received.length === 1);
    const stop = bot.report('notRecording');
    const late = await eventually(async () => {
      const answer = await bot.upload('late', 640);
      return answer.status === 403 ? answer : undefined;
    });
    expect(late.headers['tallylight-reason']).toBe('RecordingNotActive');
    upload.end();
    expect((await stop).status).toBe(200);
  });
});

const unknownCall = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

test('calls that are looked up and are nobody’s have a rate; a call that is known is not held up', async () => {
  await start({ unknownCallsPerSecond: 3 });
  const known = await recordingBot();
  const token = await world.mint.mint();
  const strangers = Array.from({ length: 40 }, (_, n) => new Bot(world.proxy.url, token, unknownCall(n)));
  const refused = await eventually(async () => {
    const answers = await Promise.all(strangers.map((bot) => bot.upload('early', 64)));
    expect(answers.every(({ status }) => status === 403 || status === 429)).toBe(true);
    const tooMany = answers.filter(({ status }) => status === 429);
    return tooMany.length > 0 ? tooMany : undefined;
  });
  expect(new Set(refused.map(({ headers }) => headers['tallylight-reason']))).toEqual(
    new Set(['TooManyUnknownCalls']),
  );
  expect((await known.upload('frame', 640)).status).toBe(201);
  expect((await known.post('keepAlive')).status).toBe(200);
});

test('a stop is never one too many', async () => {
  await start({ unknownCallsPerSecond: 1 });
  const token = await world.mint.mint();
  await eventually(async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, n) => new Bot(world.proxy.url, token, unknownCall(n)).post('keepAlive')),
    );
    return answers.some(({ status }) => status === 429);
  });
  const bot = await world.bot();
  expect((await bot.report('notRecording')).status).toBe(200);
  expect((await (await world.bot()).hangUp()).status).toBe(204);
});

test('early media is told that the gate is closed, for as many calls as the application looks up too many', async () => {
  await start({ unknownCallsPerSecond: 5 });
  const early = await world.bot();
  const token = await world.mint.mint();
  const all = Array.from({ length: 30 }, (_, n) => new Bot(world.proxy.url, token, unknownCall(n)));
  // Whose call it is was read with the first, so it does not count; neither is it one of the unknown ones.
  await early.post('keepAlive');
  for (let wave = 0; wave < 4; wave++) {
    const [answer] = await Promise.all([
      early.upload(`early-${wave}`, 64),
      ...all.map((bot) => bot.upload('early', 64)),
    ]);
    expect(answer).toMatchObject({ status: 403, headers: { 'tallylight-reason': 'RecordingNotActive' } });
  }
});

test('a connection too many is told so, and the others are served', async () => {
  await start({ maxConnections: 3 });
  const { hostname, port } = new URL(world.proxy.url);
  const idle = [1, 2, 3].map(() => connect(Number(port), hostname));
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  const told = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(Number(port), hostname);
    socket.on('data', (chunk) => (text += chunk.toString())).on('close', () => resolve(text));
  });
  expect(told).toMatch(/^HTTP\/1\.1 503 [^]*Tallylight-Reason: TooManyConnections/);
  idle.pop()?.destroy();
  await eventually(async () => (await (await world.bot()).post('keepAlive')).status === 200);
  for (const socket of idle) socket.destroy();
  expect(
    await metric('tallylight_gate_decisions_total{surface="control",reason="TooManyConnections"}'),
  ).toBeGreaterThan(0);
});

test('a head that is too large, and a body that is too large, are refused', async () => {
  await start({ maxHeaderBytes: 4096, maxBodyBytes: 1024 });
  const bot = await world.bot();
  const large = await bot.post('updateRecordingStatus', {
    status: 'recording',
    clientContext: 'x'.repeat(2000),
  });
  expect(large).toMatchObject({ status: 413, headers: { 'tallylight-reason': 'BodyTooLarge' } });
  const { status } = await fetch(`${world.proxy.url}/v1.0/communications/calls`, {
    headers: { filler: 'x'.repeat(8000) },
  });
  expect([400, 431]).toContain(status);
});

test('a flood of refused uploads leaves no memory behind', async () => {
  await start({});
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const bots = await Promise.all(Array.from({ length: 20 }, () => world.bot()));
  const flood = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++)
      await Promise.all(bots.map((bot) => bot.upload(`early-${round}`, 640)));
  };
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  await flood(30);
  const before = used();
  await flood(150);
  // 3,000 refusals: a kilobyte left behind by each would show.
  expect(used() - before).toBeLessThan(2.5 * 1024 * 1024);
  expect(world.sink.received).toEqual([]);
});
