import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, expect, test } from '@jest/globals';
import { collectedLog } from '../support/collected-log.ts';
import { eventually } from '../support/eventually.ts';
import { batch, callIs } from '../support/notified-bot.ts';
import { json, send } from '../support/raw-http.ts';
import { startWorld } from '../support/world.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

interface Seen {
  readonly name: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** Graph, a media handler and a bot that agree to everything. */
async function startPeer(): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((req, res) => {
    void buffer(req).then(() => {
      const { method = '', url: path = '', headers } = req;
      seen.push({ name: method, path, headers });
      const completed = JSON.stringify({ id: 'op', status: 'completed' });
      if (path.endsWith('/updateRecordingStatus'))
        res.writeHead(200, { 'content-type': 'application/json', traceresponse: 'of Graph' }).end(completed);
      else res.writeHead(method === 'DELETE' ? 204 : 201).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const trace = '0af7651916cd43dd8448eb211c80319c';
const headers = {
  traceparent: `00-${trace}-b7ad6b7169203331-01`,
  tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7;x=1',
};

test('a trace is forwarded unchanged to Graph, to media handlers and to bots, and its id is in the lines', async () => {
  const peer = await startPeer();
  const log = collectedLog();
  const route = { path: '/media/{callId}/*', upstream: peer.url, methods: ['POST'], reads: 'pass' } as const;
  const world = await startWorld({
    settings: {
      graphUrl: peer.url,
      mediaRoutes: [{ ...route, websocket: true }],
      callbacks: [{ path: '/callbacks/*', upstream: peer.url }],
    },
    log,
  });
  cleanUp.push(() => world.close());
  const { call } = await world.bot();
  const token = await world.mint.mint();
  const ask = (method: string, path: string, body?: unknown, bearer = token) => {
    const sent = body === undefined ? {} : json(body);
    return send(world.proxy.url, {
      ...{ method, path, token: bearer, headers: { ...headers, ...sent.headers } },
      ...(sent.body === undefined ? {} : { body: sent.body }),
    });
  };
  const calls = `/v1.0/communications/calls/${call}`;
  expect((await ask('POST', `/media/${call}/early`, { a: 1 })).status).toBe(403);
  const started = await ask('POST', `${calls}/updateRecordingStatus`, { status: 'recording' });
  expect(started.headers['tallylight-gate']).toBe('open');
  expect(started.headers.traceresponse).toBe('of Graph');
  expect((await ask('POST', `${calls}/keepAlive`, {})).status).toBe(201);
  expect((await ask('POST', `/media/${call}/media`, { a: 1 })).status).toBe(201);
  const notification = await world.mint.mintNotificationToken();
  await ask('POST', '/callbacks/calls', batch(callIs(call, 'established')), notification);
  await eventually(() => log.lines.some(({ facts }) => facts.event === 'notified'));
  expect((await ask('DELETE', calls)).status).toBe(204);

  const paths = [
    `${calls}/updateRecordingStatus`,
    `${calls}/keepAlive`,
    `/media/${call}/media`,
    '/callbacks/calls',
    calls,
  ];
  expect(peer.seen.map(({ path }) => path)).toEqual(expect.arrayContaining(paths));
  for (const { headers: got } of peer.seen) expect(got).toMatchObject(headers);
  const events = log.lines.filter(({ facts }) => facts.event !== undefined);
  expect(events.map(({ facts }) => facts.event)).toEqual(
    expect.arrayContaining(['startRequested', 'startConfirmed', 'notified', 'stopRequested', 'ended']),
  );
  for (const { facts } of events)
    expect(facts.trace_id ?? facts.event).toMatch(/^(?:0af7651916cd43dd8448eb211c80319c|writesRefused)$/);
  expect(log.lines.find(({ text }) => text === 'a request was refused')?.facts).toMatchObject({
    trace_id: trace,
  });
});

test('a traceparent that is not valid is forwarded as it came, and no line has it', async () => {
  const peer = await startPeer();
  const log = collectedLog();
  const world = await startWorld({ settings: { graphUrl: peer.url }, log });
  cleanUp.push(() => world.close());
  const { call } = await world.bot();
  const traceparent = `00-${trace}-0000000000000000-01`;
  await send(world.proxy.url, {
    ...{ method: 'POST', path: `/v1.0/communications/calls/${call}/updateRecordingStatus` },
    token: await world.mint.mint(),
    headers: { traceparent, 'content-type': 'application/json' },
    body: '{"status":"recording"}',
  });
  expect(peer.seen[0]?.headers.traceparent).toBe(traceparent);
  expect(log.lines.some(({ facts }) => facts.event === 'startConfirmed')).toBe(true);
  expect(log.lines.filter(({ facts }) => facts.trace_id !== undefined)).toEqual([]);
});
