import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { Hub } from '../../../src/console/events/hub.ts';
import { Projection } from '../../../src/console/projection/projection.ts';
import type { Head } from '../../../src/console/row.ts';
import { eventually } from '../../support/eventually.ts';
import { consoleTenant, recordOf } from '../../support/console-records.ts';

const head: Head = {
  evidence: { waiting: 0, oldestSeconds: 0 },
  anchors: [],
  holds: [],
  enforcing: true,
  observeUntil: null,
  onAir: 0,
  attention: 0,
  asOf: '2026-01-31T12:00:00.000Z',
};

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const addForever = (hub: Hub, res: http.ServerResponse): void => hub.add(res, null, Infinity, undefined);

interface Serving {
  readonly calls: number;
  readonly now?: () => number;
  /** Begins the stream of a response. */
  readonly add?: (hub: Hub, res: http.ServerResponse) => void;
}

async function serve({ calls, now = () => Date.now(), add = addForever }: Serving): Promise<{
  projection: Projection;
  hub: Hub;
  cuts: () => number;
  connect: () => Promise<net.Socket>;
}> {
  const projection = new Projection({ now, policyName: () => undefined });
  for (let n = 0; n < calls; n++) projection.take(...recordOf(n, 'startRequested'));
  let cuts = 0;
  const hub = new Hub({
    ...{ projection, headFor: () => head, maxListeners: 10, name: 'test', stalledMs: 300, page: 100 },
    report: { listeners: () => undefined, cut: () => (cuts += 1) },
  });
  const server = http.createServer((_req, res) => add(hub, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    hub.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const connect = async (): Promise<net.Socket> => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    return socket;
  };
  return { projection, hub, cuts: () => cuts, connect };
}

test('a listener that reads nothing is owed one message at most, and is cut', async () => {
  const { projection, hub, cuts, connect } = await serve({ calls: 20_000 });
  const slow = await connect();
  slow.pause();
  const quick = await connect();
  let told = '';
  quick.setEncoding('utf8').on('data', (chunk: string) => (told += chunk));
  await eventually(() => cuts() === 1);
  await eventually(() => hub.size === 1);
  // The other one has everything, and goes on.
  await eventually(() => (told.match(/"id":"/g)?.length ?? 0) >= 20_000);
  projection.take(...recordOf(20_001, 'startRequested'));
  hub.tell();
  await eventually(() => (told.match(/"id":"/g)?.length ?? 0) >= 20_001);
  expect(cuts()).toBe(1);
  slow.destroy();
});

test('a listener that is behind gets the newest state of a call once', async () => {
  const { projection, hub, connect } = await serve({ calls: 1 });
  const socket = await connect();
  let told = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (told += chunk));
  await eventually(() => told.includes('event: snapshot'));
  projection.take(...recordOf(0, 'startConfirmed', 2));
  projection.take(...recordOf(0, 'stopRequested', 3));
  hub.tell();
  await eventually(() => told.includes('"state":"stopping"'));
  expect(told).not.toContain('"state":"recording"');
});

test('a stream whose token expires while the client reads nothing is told nothing more, and is cut', async () => {
  const errors: unknown[] = [];
  let stream: http.ServerResponse | undefined;
  const { projection, hub, connect } = await serve({
    calls: 1,
    add(to, res) {
      stream = res;
      res.on('error', (error: unknown) => errors.push(error));
      to.add(res, null, Date.now() + 1000, undefined);
      // The client's buffers are full, and what waits here is less than would make the listener wait.
      const filling = setInterval(() => {
        while (res.socket?.writableLength === 0) res.socket.write(Buffer.alloc(1024));
      }, 5);
      closing.push(() => clearInterval(filling));
    },
  });
  const socket = await connect();
  socket.pause();
  await eventually(() => stream?.writableEnded);
  expect(stream?.writableFinished).toBe(false);
  projection.take(...recordOf(0, 'startConfirmed', 2));
  hub.tell();
  await eventually(() => stream?.closed === true || errors.length > 0);
  expect(errors).toEqual([]);
  expect(hub.size).toBe(0);
  socket.destroy();
});

test('what was told to a listener of other tenants is not taken for told', async () => {
  const scopes = [['99999999-9999-4999-8999-999999999999'], [consoleTenant]];
  let lastId = '';
  const { projection, connect } = await serve({
    calls: 1,
    add: (to, res) => to.add(res, scopes.shift() ?? [], Infinity, lastId),
  });
  projection.take(...recordOf(0, 'startConfirmed', 2));
  const listen = async (): Promise<() => string> => {
    const socket = await connect();
    let told = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (told += chunk));
    await eventually(() => told.includes('event: head'));
    return () => told;
  };
  const first = await listen();
  lastId = /^id: (\S+)$/m.exec(first())?.[1] ?? '';
  expect(lastId).not.toBe('');
  expect(first()).not.toContain(consoleTenant);
  expect((await listen())()).toContain(consoleTenant);
});

test('everything comes once, however many calls were removed before', async () => {
  const noon = Date.UTC(2026, 0, 31, 12);
  let now = noon;
  const { projection, hub, connect } = await serve({ calls: 250, now: () => now });
  for (let call = 1000; call < 12_000; call++) projection.take(...recordOf(call, 'ended', 1, { at: noon }));
  now += 86_400_000;
  projection.tick();
  const socket = await connect();
  let told = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (told += chunk));
  projection.take(...recordOf(249, 'startConfirmed', 2));
  hub.tell();
  await eventually(() => told.includes('"state":"recording"'));
  expect(told.match(/event: snapshot/g)).toHaveLength(1);
});
