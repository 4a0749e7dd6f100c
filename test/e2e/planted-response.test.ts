import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { eventually } from '../support/eventually.ts';
import { startWorld, type World } from '../support/world.ts';

/**
 * A Graph that writes a whole `200 completed` on a connection that is kept alive, before the next request is sent,
 * and answers every request itself with what the test wants. Nobody may take the planted answer for Graph's.
 */
let graph: Server;
let world: World;
const connections = new Set<Socket>();
let requests: string[] = [];
/** The real answers, in order; the last one is for all that follow. */
let real: string[] = [];

const answerOf = (status: number, body: string): string =>
  `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\nConnection: keep-alive\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const completed = answerOf(200, '{"id":"planted","status":"completed"}');
const failed = answerOf(500, '{"error":{"code":"InternalServerError","message":"no"}}');
const refused = answerOf(400, '{"error":{"code":"BadRequest","message":"no"}}');
const fine = answerOf(200, '{}');

beforeAll(async () => {
  graph = createServer((socket) => {
    // Or the kernel keeps what is planted until the next request acknowledges what came before.
    socket.setNoDelay(true);
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const head = /^([A-Z]+ \S+) HTTP\/1\.1\r\n([\s\S]*?)\r\n\r\n/.exec(text);
      if (head === null) return;
      const length = Number(/content-length: (\d+)/i.exec(head[2] ?? '')?.[1] ?? 0);
      if (text.length < head[0].length + length) return;
      text = text.slice(head[0].length + length);
      requests.push(head[1] ?? '');
      const answer = real.length > 1 ? real.shift() : real[0];
      socket.write(answer ?? '');
    });
  });
  graph.listen(0, '127.0.0.1');
  await once(graph, 'listening');
  const { port } = graph.address() as AddressInfo;
  world = await startWorld({ settings: { graphUrl: `http://127.0.0.1:${port}` } });
});
afterAll(async () => {
  await world.close();
  for (const socket of connections) socket.destroy();
  graph.close();
});

/** Writes a whole success on every connection that is open: nobody has asked for it. */
function plant(): void {
  for (const socket of connections) socket.write(completed);
}

/** Keeps the event loop from seeing what has arrived, as a busy process does. */
function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end) continue;
}

/** A client whose bytes are on the wire when `ask` returns; one request at a time on one connection. */
class Client {
  readonly #socket: Socket;
  readonly #token: string;
  readonly #call: string;

  constructor(token: string, call: string) {
    const { hostname, port } = new URL(world.proxy.url);
    this.#socket = connect(Number(port), hostname);
    this.#token = token;
    this.#call = call;
  }

  ask(method: string, path: string, body = ''): Promise<string> {
    const type = body === '' ? '' : 'Content-Type: application/json\r\n';
    this.#socket.write(
      `${method} /v1.0/communications/calls/${this.#call}${path} HTTP/1.1\r\nHost: proxy\r\n` +
        `Authorization: Bearer ${this.#token}\r\n${type}Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    return new Promise((resolve) => {
      let text = '';
      const onData = (chunk: Buffer): void => {
        text += chunk.toString('latin1');
        const [, length = 0] = /content-length: (\d+)\r\n/i.exec(text) ?? [];
        const end = text.indexOf('\r\n\r\n');
        if (end < 0 || text.length < end + 4 + Number(length)) return;
        this.#socket.off('data', onData);
        resolve(text);
      };
      this.#socket.on('data', onData);
    });
  }

  report(status: string): Promise<string> {
    return this.ask('POST', '/updateRecordingStatus', JSON.stringify({ status }));
  }

  close(): void {
    this.#socket.destroy();
  }
}

let client: Client;
let bot: Bot;
beforeEach(async () => {
  const call = world.graph.incomingCall({ answered: true });
  const token = await world.mint.mint();
  client = new Client(token, call);
  bot = new Bot(world.proxy.url, token, call);
  // Tokens and connections are there from now on, so that nothing delays the requests that follow.
  real = [fine];
  expect(await client.ask('POST', '/keepAlive')).toMatch(/^HTTP\/1\.1 200/);
  requests = [];
});
afterEach(() => {
  client.close();
});

/** How a planted answer and a request meet. */
const meetings: readonly (readonly [string, (ask: () => Promise<string>) => Promise<string>])[] = [
  [
    'long before its request',
    async (ask) => {
      plant();
      await sleep(20);
      return ask();
    },
  ],
  [
    'before its request, while the process is busy',
    (ask) => {
      plant();
      busy(50);
      return ask();
    },
  ],
  [
    'after the client asked, but before the request goes on, while the process is busy',
    (ask) => {
      const asked = ask();
      plant();
      busy(50);
      return asked;
    },
  ],
];

describe.each(meetings)('an answer that is planted %s', (_, meeting) => {
  test('opens no gate', async () => {
    real = [failed];
    for (let round = 0; round < 5; round++) {
      const answer = await meeting(() => client.report('recording'));
      expect(answer).toMatch(/^HTTP\/1\.1 500/);
      expect(answer).toMatch(/tallylight-gate: closed/i);
    }
    expect((await bot.upload('early', 1)).status).toBe(403);
  });

  test('does not confirm a stop', async () => {
    real = [completed, failed];
    expect(await client.report('recording')).toMatch(/tallylight-gate: open/i);
    expect(await meeting(() => client.report('notRecording'))).toMatch(/^HTTP\/1\.1 500/);
    // Unconfirmed: a new start must not be sent.
    expect(await meeting(() => client.report('recording'))).toMatch(/tallylight-reason: StopUnconfirmed/i);
    expect((await bot.upload('late', 1)).status).toBe(403);
  });

  test('is not taken for the state of an operation', async () => {
    real = [answerOf(200, '{"id":"one","status":"running"}'), failed];
    const asked = meeting(() => client.report('recording'));
    for (let round = 0; round < 3; round++) {
      await eventually(() => requests.filter((line) => line.includes('/operations/one')).length > round);
      plant();
    }
    expect(await asked).toMatch(/tallylight-gate: closed/i);
    expect((await bot.upload('early', 1)).status).toBe(403);
  });

  test('is passed to nobody', async () => {
    for (let round = 0; round < 10; round++) {
      real = [fine];
      await eventually(async () => (await client.ask('GET', '/participants')).startsWith('HTTP/1.1 200'));
      expect(connections.size).toBeGreaterThan(0);
      real = [failed];
      const answer = await meeting(() => client.ask('GET', '/participants'));
      expect(answer).not.toMatch(/^HTTP\/1\.1 2|planted/);
    }
  });

  test('does not hang up a call that Graph keeps', async () => {
    real = [refused];
    expect(await meeting(() => client.ask('DELETE', ''))).toMatch(/^HTTP\/1\.1 400/);
  });
});
