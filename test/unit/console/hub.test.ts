import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { Hub } from '../../../src/console/events/hub.ts';
import { Projection } from '../../../src/console/projection/projection.ts';
import type { Head } from '../../../src/console/row.ts';
import { eventually } from '../../support/eventually.ts';
import { recordOf } from '../../support/console-records.ts';

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

async function serve(calls: number): Promise<{
  projection: Projection;
  hub: Hub;
  cuts: () => number;
  connect: () => Promise<net.Socket>;
}> {
  const projection = new Projection({ now: () => Date.now(), policyName: () => undefined });
  for (let n = 0; n < calls; n++) projection.take(...recordOf(n, 'startRequested'));
  let cuts = 0;
  const hub = new Hub({
    ...{ projection, headFor: () => head, maxListeners: 10, name: 'test', stalledMs: 300, page: 100 },
    report: { listeners: () => undefined, cut: () => (cuts += 1) },
  });
  const server = http.createServer((_req, res) => hub.add(res, null, Infinity, undefined));
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
  const { projection, hub, cuts, connect } = await serve(20_000);
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
  const { projection, hub, connect } = await serve(1);
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
