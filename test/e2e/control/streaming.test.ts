import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defaultLimits } from '../../../src/settings/limits.ts';
import { sandboxApp } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { json, openRaw, send, type RawConnection } from '../../support/raw-http.ts';
import { standstill } from '../../support/standstill.ts';
import { startWorld, type World } from '../../support/world.ts';

/** A Graph that does what the test says. */
let graph: Server;
let answer: RequestListener;
let world: World;
let token: string;
beforeAll(async () => {
  graph = createServer((req, res) => answer(req, res));
  await new Promise<void>((resolve) => graph.listen(0, '127.0.0.1', resolve));
  const { port } = graph.address() as AddressInfo;
  // What stalls here stalls on purpose.
  const limits = { ...defaultLimits, bodyTimeoutMs: 120_000, answerTimeoutMs: 120_000 };
  world = await startWorld({
    settings: { graphUrl: `http://127.0.0.1:${port}`, graphTimeoutMs: 20_000, limits },
  });
  token = await world.mint.mint();
});
afterAll(async () => {
  await world.close();
  graph.close();
  graph.closeAllConnections();
});

const call = '99999999-9999-4999-8999-999999999999';
const path = (action: string): string => `/v1.0/communications/calls/${call}/${action}`;
const head = (method: string, action: string, headers: string): string =>
  `${method} ${path(action)} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n${headers}\r\n`;

const piece = Buffer.alloc(64 * 1024, 'x');
const pieces = 1024;
const total = piece.length * pieces;
/** Far more than what the kernel and the streams on the way hold, and far less than everything. */
const buffered = total / 2;

/** Writes everything with back-pressure; `sent` tells how far it got. */
function pour(
  to: { write(chunk: Buffer): boolean; once(event: 'drain', run: () => void): unknown },
  done: () => void,
): { sent: () => number } {
  let written = 0;
  const more = (): void => {
    while (written < pieces) {
      written += 1;
      if (!to.write(piece)) {
        to.once('drain', more);
        return;
      }
    }
    done();
  };
  more();
  return { sent: () => written * piece.length };
}

describe('a stream', () => {
  test('of an answer goes only as fast as the client reads', async () => {
    let sent: (() => number) | undefined;
    answer = (_req, res) => {
      res.writeHead(200, { 'content-length': total });
      ({ sent } = pour(res, () => res.end()));
    };
    const connection = openRaw(world.proxy.url);
    connection.socket.pause();
    connection.write(head('GET', 'participants', ''));
    const far = await eventually(() => sent);
    expect(await standstill(far, 'the answer')).toBeLessThan(buffered);
    let received = 0;
    connection.socket.removeAllListeners('data');
    connection.socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    connection.socket.resume();
    await eventually(() => received > total);
    connection.destroy();
    await connection.closed;
  });

  test('of a request goes only as fast as Graph reads', async () => {
    let reading: IncomingMessage | undefined;
    let received = 0;
    answer = (req, res) => {
      reading = req;
      req.on('end', () => res.end('{}'));
    };
    const connection = openRaw(world.proxy.url);
    connection.write(head('POST', 'playPrompt', `Content-Length: ${total}\r\n`));
    const { sent } = pour(connection.socket, () => undefined);
    expect(await standstill(sent, 'the request')).toBeLessThan(buffered);
    const req = await eventually(() => reading);
    req.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    expect((await connection.answer)?.status).toBe(200);
    expect(received).toBe(total);
    connection.destroy();
    await connection.closed;
  });

  async function aborts(ask: (connection: RawConnection) => void, behave: RequestListener): Promise<void> {
    let over = false;
    let asked = false;
    answer = (req, res) => {
      asked = true;
      res.on('close', () => {
        over = !res.writableFinished;
      });
      behave(req, res);
    };
    const connection = openRaw(world.proxy.url);
    ask(connection);
    await eventually(() => asked);
    connection.socket.resetAndDestroy();
    await connection.closed;
    await eventually(() => over);
  }

  test('of an answer ends towards Graph when the client goes away', async () => {
    await aborts(
      (connection) => {
        connection.socket.pause();
        connection.write(head('GET', 'participants', ''));
      },
      (_req, res) => {
        res.writeHead(200, { 'content-length': total });
        pour(res, () => res.end());
      },
    );
  });

  test('of a request ends towards Graph when the client goes away', async () => {
    await aborts(
      (connection) => connection.write(`${head('POST', 'playPrompt', 'Content-Length: 100000\r\n')}{`),
      (req) => req.resume(),
    );
  });

  test('that waits for its answer ends towards Graph when the client goes away', async () => {
    await aborts(
      (connection) => connection.write(head('GET', 'participants', '')),
      () => undefined,
    );
  });

  test('of an answer that breaks in the middle is broken for the client too', async () => {
    answer = (_req, res) => {
      res.writeHead(200, { 'content-length': 100 });
      res.write('half', () => res.destroy());
    };
    await expect(send(world.proxy.url, { path: path('participants'), token })).rejects.toThrow();
  });

  test('that does not begin is refused as unreachable, one that is cut before its head too', async () => {
    answer = (_req, res) => res.destroy();
    const reply = await send(world.proxy.url, { path: path('participants'), token });
    expect(reply.status).toBe(502);
    expect(reply.headers['tallylight-reason']).toBe('GraphUnreachable');
  });

  test('of an answer in chunks, with trailers and an early hint, arrives whole', async () => {
    answer = (_req, res) => {
      res.writeEarlyHints({ link: '</x>; rel=preload' });
      res.writeHead(200, { trailer: 'Tallylight-Gate' });
      res.write('one ');
      res.addTrailers({ 'Tallylight-Gate': 'open' });
      res.end('two');
    };
    const reply = await send(world.proxy.url, { path: path('participants'), token });
    expect(reply.body).toBe('one two');
    expect(reply.headers.trailer).toBeUndefined();
  });
});

describe.each<[string, string, string, object | undefined]>([
  ['a request that only passes', 'GET', 'participants', undefined],
  ['a status change', 'POST', 'updateRecordingStatus', { status: 'recording' }],
])('the headers of %s', (_, method, action, body) => {
  const ask = (headers: Record<string, string>): ReturnType<typeof send> => {
    const sending = body === undefined ? {} : json(body);
    return send(world.proxy.url, {
      method,
      path: path(action),
      token,
      ...sending,
      headers: { ...sending.headers, ...headers },
    });
  };

  test('that are for one hop, or say who the client is, stay here; the others go on', async () => {
    let seen: IncomingMessage['headers'] = {};
    answer = (req, res) => {
      seen = req.headers;
      req.resume();
      res.end('{}');
    };
    const dropped = {
      connection: 'x-one-hop',
      'x-one-hop': '1',
      'keep-alive': 'timeout=5',
      te: 'trailers',
      'proxy-authorization': 'Basic YTpi',
      'proxy-connection': 'keep-alive',
      'x-http-method-override': 'DELETE',
      'x-http-method': 'DELETE',
      'x-method-override': 'DELETE',
      'x-forwarded-for': '10.0.0.1',
      'x-forwarded-host': 'elsewhere.example',
      forwarded: 'for=10.0.0.1',
      'x-original-url': '/v1.0/me',
      'x-rewrite-url': '/v1.0/me',
      'x-microsoft-tenant': 'other',
      'x-skypetoken': 'other',
      'tallylight-call': call,
      'tallylight-gate': 'open',
    };
    const kept = {
      'client-request-id': 'request-1',
      'scenario-id': 'scenario-1',
      accept: 'application/json;odata.metadata=none',
      prefer: 'x',
      sdkversion: 'graph-comms-1',
      'x-other': 'é'.normalize('NFD').replace(/[^\x20-\x7e]/g, ''),
    };
    await ask({ ...dropped, ...kept });
    expect(seen).toMatchObject(kept);
    for (const name of Object.keys(dropped)) {
      if (name === 'connection') expect(seen.connection).not.toContain('x-one-hop');
      else expect(seen).not.toHaveProperty(name);
    }
    expect(seen.host).toBe(new URL(`http://127.0.0.1:${(graph.address() as AddressInfo).port}`).host);
    expect(seen.authorization).toMatch(/^Bearer /);
    expect(seen.authorization).not.toContain(token);
    expect((await world.mint.verifyGraphToken(seen.authorization?.slice(7) ?? '')).app).toBe(sandboxApp);
  });

  test('of Graph’s answer come back, but for one hop’s and for what only the proxy may say', async () => {
    answer = (req, res: ServerResponse) => {
      req.resume();
      res.writeHead(429, {
        'request-id': 'request-1',
        'client-request-id': 'client-1',
        'Scenario-Id': 'scenario-1',
        'x-ms-ags-diagnostic': '{"ServerInfo":{}}',
        'Retry-After': '2.128',
        'Set-Cookie': ['a=1', 'b=2'],
        Connection: 'x-one-hop, keep-alive',
        'X-One-Hop': '1',
        'Proxy-Authenticate': 'Basic',
        'Tallylight-Gate': 'open',
        'Tallylight-Reason': 'RecordingNotActive',
        'Tallylight-Call': call,
        Location: 'https://elsewhere.example/x',
      });
      res.end('{"error":{"code":"x"}}');
    };
    const reply = await ask({});
    expect(reply.status).toBe(429);
    expect(reply.headers).toMatchObject({
      'request-id': 'request-1',
      'client-request-id': 'client-1',
      'scenario-id': 'scenario-1',
      'x-ms-ags-diagnostic': '{"ServerInfo":{}}',
      'retry-after': '2.128',
      'set-cookie': ['a=1', 'b=2'],
    });
    for (const name of [
      'x-one-hop',
      'proxy-authenticate',
      'tallylight-reason',
      'tallylight-call',
      'location',
    ])
      expect(reply.headers).not.toHaveProperty(name);
    expect(reply.headers['tallylight-gate']).toBe(body === undefined ? undefined : 'closed');
    expect(reply.body).toBe('{"error":{"code":"x"}}');
  });
});
