import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { Arrivals, Bundle, calm, startRelay, type Relay } from './relay.ts';
import { watchForStops } from './sightings.ts';

let server: Server;
let relay: Relay;
/** What came to the far side, by connection, and how each ended. */
let arrived: {
  readonly socket: Socket;
  readonly port: number;
  text: string;
  end: 'end' | 'reset' | undefined;
}[];
const stops = watchForStops();
const arrivals = new Arrivals();

beforeEach(async () => {
  arrived = [];
  server = createServer((socket) => {
    const one: (typeof arrived)[number] = {
      socket,
      port: socket.remotePort ?? 0,
      text: '',
      end: undefined,
    };
    arrived.push(one);
    socket.on('data', (chunk: Buffer) => (one.text += chunk.toString()));
    socket.on('end', () => (one.end = 'end'));
    socket.on('error', () => (one.end = 'reset'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  relay = await startRelay({ target, watch: stops.newWatcher(), arrivals });
});
afterEach(async () => {
  await relay.close();
  for (const { socket } of arrived) socket.destroy();
  server.close();
});

async function client({ url }: Relay = relay): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

test('passes bytes and ends on, and tells when the bytes had come', async () => {
  const socket = await client();
  relay.weather = { ...calm, delayMs: 100 };
  const before = performance.now();
  socket.end('one');
  await eventually(() => arrived[0]?.end === 'end');
  expect(arrived[0]?.text).toBe('one');
  expect(performance.now() - before).toBeGreaterThanOrEqual(99);
  const port = arrived[0]?.port ?? 0;
  const at = arrivals.at(port, 3) ?? Infinity;
  expect(Number(process.hrtime.bigint()) / 1e6 - at).toBeGreaterThanOrEqual(99);
  expect(arrivals.at(port, 4)).toBeUndefined();
  expect(arrivals.at(1, 3)).toBeUndefined();
});

test('a reset comes after what was sent before it, and nothing comes after a cut', async () => {
  const socket = await client();
  relay.weather = { ...calm, delayMs: 50 };
  socket.write('one');
  await eventually(() => arrived.length === 1);
  socket.resetAndDestroy();
  await eventually(() => arrived[0]?.end === 'reset');
  expect(arrived[0]?.text).toBe('one');

  const other = await client();
  relay.weather = { ...calm, delayMs: 10_000 };
  other.write('two');
  await eventually(() => arrived.length === 2);
  relay.cut();
  await eventually(() => arrived[1]?.end === 'reset');
  expect(arrived[1]?.text).toBe('');
});

test('silence holds everything back, the news of a reset included', async () => {
  const socket = await client();
  socket.write('one');
  await eventually(() => arrived[0]?.text === 'one');
  relay.weather = { ...calm, silent: 'both' };
  socket.write('two');
  await eventually(() => arrivals.at(arrived[0]?.port ?? 0, 6) !== undefined);
  socket.resetAndDestroy();
  await once(socket, 'close');
  expect(arrived[0]).toMatchObject({ text: 'one', end: undefined });
  relay.weather = calm;
  // To a reader with bytes unread, Linux shows a reset as an end.
  await eventually(() => arrived[0]?.end);
  expect(arrived[0]?.text).toBe('onetwo');
});

test('where only answers are lost, what is asked arrives', async () => {
  const socket = await client();
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  socket.write('one');
  await eventually(() => arrived[0]?.text === 'one');
  arrived[0]?.socket.write('heard');
  await eventually(() => heard === 'heard');
  relay.weather = { ...calm, silent: 'back' };
  arrived[0]?.socket.write('lost');
  socket.write('two');
  await eventually(() => arrived[0]?.text === 'onetwo');
  relay.cut();
  await eventually(() => socket.closed);
  expect(heard).toBe('heard');
});

test('several relays are troubled and cut as one, and what comes back may be translated', async () => {
  const shouting = await startRelay({
    target: relay.target,
    translate: (chunk) => Buffer.from(chunk.toString().toUpperCase()),
  });
  const both = new Bundle([relay, shouting]);
  both.weather = { ...calm, bytesPerMs: 10 };
  expect([relay.weather, shouting.weather]).toEqual([both.weather, both.weather]);
  const socket = await client(shouting);
  socket.write('one');
  await eventually(() => arrived[0]?.text === 'one');
  arrived[0]?.socket.write('two');
  const [heard] = (await once(socket, 'data')) as [Buffer];
  expect(heard.toString()).toBe('TWO');
  both.cut();
  await eventually(() => socket.closed);
  await shouting.close();
});

test('a slow reader holds the sender back, and then nobody knows when the bytes had come', async () => {
  relay.weather = { ...calm, bytesPerMs: 1000 };
  const socket = await client();
  const total = 256 * 1024;
  socket.write(Buffer.alloc(total, 'x'));
  await eventually(() => arrived[0]?.text.length === total);
  expect(arrivals.at(arrived[0]?.port ?? 0, total)).toBeUndefined();
});

test('connections without a target are reset', async () => {
  relay.target = undefined;
  const socket = connect(Number(new URL(relay.url).port), '127.0.0.1');
  await expect(once(socket, 'close')).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('stops are seen when their first byte is, and starts are not', async () => {
  const call = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
  const path = `/v1.0/communications/calls/${call}`;
  const socket = await client();
  const send = async (text: string): Promise<void> => {
    const before = arrived[0]?.text.length ?? 0;
    socket.write(text);
    await eventually(() => arrived[0]?.text.length === before + text.length);
  };
  const post = `POST ${path}/updateRecordingStatus HTTP/1.1\r\nHost: graph\r\n\r\n`;
  await send(`${post}{"status":"recording"}`);
  await send(`POST ${path}/keepAlive HTTP/1.1\r\nHost: graph\r\n\r\n`);
  expect(stops.sightings).toEqual([]);
  await send(post);
  const before = Number(process.hrtime.bigint()) / 1e6;
  expect(stops.sightings).toEqual([]);
  await send('{"status":"notRecording"}');
  await send(`DELETE ${path} HTTP/1.1\r\nHost: graph\r\n\r\n`);
  expect(stops.sightings.map((sighting) => sighting.call)).toEqual(Array(2).fill(call.replaceAll('-', '')));
  expect(stops.sightings[0]?.at).toBeLessThan(before);
});
