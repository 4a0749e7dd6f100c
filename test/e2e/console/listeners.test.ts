import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { send } from '../../support/raw-http.ts';
import type { CallRow } from '../../../src/console/row.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';
import { askConsole, listenToConsole, localConsole } from '../../support/console.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

const many = 5000;

let world: World;
let url: string;
beforeAll(async () => {
  world = await startWorld({
    settings: { console: localConsole, limits: { ...defaultLimits, maxConsoleListeners: many + 1 } },
  });
  url = world.proxy.consoleUrl ?? '';
});
afterAll(() => world.close());

/** A listener that counts the states it is told of, without parsing more than it must. */
async function plainListener(): Promise<{ readonly socket: net.Socket; readonly told: () => string }> {
  const { hostname, port, host } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  let told = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (told += chunk));
  socket.write(`GET /api/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  return { socket, told: () => told };
}

const listeners = async (): Promise<number> => {
  const { body } = await send(world.proxy.adminUrl, { path: '/metrics' });
  return Number(/^tallylight_console_listeners (\d+)$/m.exec(body)?.[1]);
};

test('5,000 listeners are told of a change, one more is refused, and all can leave', async () => {
  const all: Awaited<ReturnType<typeof plainListener>>[] = [];
  for (let begun = 0; begun < many; begun += 250)
    all.push(...(await Promise.all(Array.from({ length: 250 }, () => plainListener()))));
  await eventually(async () => (await listeners()) === many);
  const last = await listenToConsole(url);
  expect(last.status).toBe(200);
  const { status, headers, body } = await askConsole(url, '/api/events');
  expect({ status, body }).toMatchObject({ status: 503, body: { error: { code: 'TooManyListeners' } } });
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);

  const bot = await world.bot();
  await bot.report('recording');
  await eventually(() => all.every(({ told }) => told().includes(`"id":"${bot.call}","state":"recording"`)), {
    withinMs: 120_000,
  });
  // Media goes on meanwhile.
  expect((await bot.upload('meanwhile', 1000)).status).toBe(201);
  for (const { socket } of all) socket.destroy();
  last.close();
  await eventually(async () => (await listeners()) === 0, { withinMs: 120_000 });
});

test('a client that comes back gets what it has missed, and everything if that is not known', async () => {
  const bot = await world.bot();
  await bot.report('recording');
  const first = await listenToConsole(url);
  const state = await eventually(() =>
    first.events.findLast(
      ({ id, data }) => id !== undefined && JSON.stringify(data).includes(`"${bot.call}"`),
    ),
  );
  first.close();
  await bot.report('notRecording');
  const again = await listenToConsole(url, { 'last-event-id': state.id ?? '' });
  const missed = await eventually(() => again.events.find(({ id }) => id !== undefined));
  expect(missed.event).toBe('calls');
  await eventually(() =>
    again.events
      .filter(({ event }) => event === 'calls')
      .flatMap(({ data }) => (data as { readonly changed: readonly CallRow[] }).changed)
      .find(({ id, state: now }) => id === bot.call && now === 'idle'),
  );
  again.close();
  for (const unknown of [
    'other-5',
    `${(state.id ?? '').split('-')[0] ?? ''}-999999999`,
    '\u00e9',
    'x'.repeat(500),
  ]) {
    const stream = await listenToConsole(url, { 'last-event-id': unknown });
    expect((await eventually(() => stream.events[0])).event).toBe('snapshot');
    stream.close();
  }
});

test('streams that were asked for in advance on one connection do not outlive it', async () => {
  await eventually(async () => (await listeners()) === 0);
  const { socket, told } = await plainListener();
  await eventually(() => told().includes('event: head'));
  socket.write(`GET /api/events HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`.repeat(3));
  const later = await plainListener();
  await eventually(() => later.told().includes('event: head'));
  socket.destroy();
  later.socket.destroy();
  await eventually(async () => (await listeners()) === 0, { withinMs: 10_000 });
});
