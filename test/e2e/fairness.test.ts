import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import type { ProxySettings } from '../../src/settings/settings.ts';
import { defaultLimits } from '../../src/settings/limits.ts';
import { eventually } from '../support/eventually.ts';
import { json, send, type Answer } from '../support/raw-http.ts';
import { startWorld, type World } from '../support/world.ts';

/** What is held here is held until the test lets go: nothing may end it for its time. */
const limits: ProxySettings['limits'] = {
  ...defaultLimits,
  bodyTimeoutMs: 120_000,
  answerTimeoutMs: 120_000,
  maxControlRequests: 32,
  maxControlRequestsPerCaller: 16,
  maxGraphConnections: 16,
  maxGraphConnectionsPerCaller: 8,
};

let world: World;
let graph: Server;
/** Requests that Graph holds; the others are answered at once. */
let held: { readonly req: IncomingMessage; readonly res: ServerResponse }[] = [];
let holds: (req: IncomingMessage) => boolean = () => false;
const sockets: Socket[] = [];

async function start(settings: Partial<ProxySettings> = {}): Promise<void> {
  held = [];
  holds = () => false;
  graph = createServer((req, res) => {
    if (holds(req)) {
      held.push({ req, res });
      return;
    }
    req.resume();
    req.on('end', () => {
      const [, operation] = /operations\/([^/?]+)$/.exec(req.url ?? '') ?? [];
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id: operation ?? randomUUID(), status: 'completed' }));
    });
  });
  await new Promise<void>((resolve) => graph.listen(0, '127.0.0.1', resolve));
  const graphUrl = `http://127.0.0.1:${(graph.address() as AddressInfo).port}`;
  world = await startWorld({ settings: { graphUrl, graphTimeoutMs: 60_000, limits, ...settings } });
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  graph.closeAllConnections();
  graph.close();
  await world.close();
});

const callPath = (call: string, action: string): string => `/v1.0/communications/calls/${call}/${action}`;

/** Connections that send `text` and read nothing. */
function flood(count: number, text: (n: number) => string, localAddress = '127.0.0.1'): Socket[] {
  const port = Number(new URL(world.proxy.url).port);
  const opened = Array.from({ length: count }, (_, n) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    socket.write(text(n));
    return socket;
  });
  sockets.push(...opened);
  return opened;
}

const request = (token: string, call: string, action: string, rest: string): string =>
  `POST ${callPath(call, action)} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
  `Content-Type: application/json\r\n${rest}`;

/** A body that has begun, and never ends. */
const trickling =
  (token: string, action = 'keepAlive') =>
  (): string =>
    request(token, randomUUID(), action, 'Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n');

const whole =
  (token: string, call: () => string = randomUUID) =>
  (): string =>
    request(token, call(), 'keepAlive', 'Content-Length: 2\r\n\r\n{}');

const refusals = async (): Promise<number> => {
  const text = await (await fetch(`${world.proxy.adminUrl}/metrics`)).text();
  const counted = [...text.matchAll(/surface="control",reason="(?:TooManyRequests|Overloaded)"\} (\d+)/g)];
  return counted.reduce((sum, [, count]) => sum + Number(count), 0);
};

/** Everything that keeps a call alive or ends it goes through, and uploads go on meanwhile. */
async function expectServed(bot: Bot): Promise<void> {
  for (let n = 0; n < 3; n++) expect((await bot.post('keepAlive', {})).status).toBe(200);
  const uploader = new Bot(world.proxy.url, await world.mint.mint(), bot.call);
  expect((await uploader.upload('frame', 640)).status).toBe(201);
  expect((await bot.report('notRecording')).status).toBe(200);
  expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
}

async function opened(token: string): Promise<Bot> {
  const bot = new Bot(world.proxy.url, token, randomUUID());
  await eventually(async () => (await bot.report('recording')).headers['tallylight-gate'] === 'open');
  return bot;
}

describe('in jwt mode, one application', () => {
  const apps = async (): Promise<{ bot: Bot; other: string }> => {
    await start();
    return {
      bot: await opened(await world.mint.mint()),
      other: await world.mint.mint({ azp: randomUUID() }),
    };
  };

  test('whose bodies trickle holds nobody else up', async () => {
    const { bot, other } = await apps();
    flood(60, trickling(other));
    await eventually(async () => (await refusals()) >= 44);
    await expectServed(bot);
    expect((await bot.hangUp()).status).toBe(200);
  });

  test('for whom Graph does not answer holds nobody else up', async () => {
    const { bot, other } = await apps();
    holds = ({ headers, url = '' }) => headers['client-request-id'] === 'flood' && url.endsWith('keepAlive');
    flood(60, () => whole(other)().replace('Host:', 'client-request-id: flood\r\nHost:'));
    // Half of the connections are its own, the rest of its places waits for a turn.
    await eventually(async () => held.length === 8 && (await refusals()) >= 44);
    await expectServed(bot);
    expect(held).toHaveLength(8);
  });

  test('that reads its answers slowly holds nobody else up', async () => {
    const { bot, other } = await apps();
    holds = ({ url = '' }) => url.endsWith('participants');
    const slow = flood(60, () => request(other, randomUUID(), 'participants', '\r\n').replace('POST', 'GET'));
    for (const socket of slow) socket.pause();
    await eventually(() => held.length === 8);
    const piece = Buffer.alloc(4 * 1024 * 1024, ' ');
    for (const { res } of held) res.writeHead(200, { 'content-length': piece.length }).write(piece);
    await expectServed(bot);
  });

  test('that floods a known call of its own holds nobody else up', async () => {
    const { bot } = await apps();
    const token = await world.mint.mint({ azp: randomUUID() });
    const own = await opened(token);
    holds = ({ url = '' }) => url.includes(own.call);
    flood(
      60,
      whole(token, () => own.call),
    );
    await eventually(async () => held.length === 16 && (await refusals()) >= 36);
    await expectServed(bot);
  });

  test('has room again once its requests are over', async () => {
    const { other } = await apps();
    const held = flood(60, trickling(other));
    await eventually(async () => (await refusals()) >= 44);
    const ask = (): Promise<Answer> =>
      send(world.proxy.url, {
        ...{ method: 'POST', path: callPath(randomUUID(), 'mute'), token: other },
        ...json({}),
      });
    const refused = await ask();
    expect([refused.status, refused.headers['tallylight-reason']]).toEqual([429, 'TooManyRequests']);
    expect(refused.headers['retry-after']).toBe('1');
    for (const socket of held) socket.destroy();
    await eventually(async () => (await ask()).status === 200);
  });

  test('whose small body takes too long is refused, and Graph was never asked', async () => {
    await start({ limits: { ...limits, bodyTimeoutMs: 200 } });
    const token = await world.mint.mint();
    let asked = 0;
    graph.on('request', () => (asked += 1));
    const [socket] = flood(1, trickling(token));
    let text = '';
    socket?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await eventually(() => text.includes('\r\n\r\n'));
    expect(text).toMatch(/^HTTP\/1\.1 408 [^]*Tallylight-Reason: BodyTimeout/);
    expect(asked).toBe(0);
  });
});

describe('in graph mode, a stranger', () => {
  const strangers = async (settings: Partial<ProxySettings> = {}): Promise<Bot> => {
    await start({ controlAuth: 'graph', ...settings });
    return opened(await world.mint.mintGraphToken());
  };
  const madeUp = (): string => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${part({ alg: 'RS256' })}.${part({ tid: randomUUID(), appid: randomUUID() })}.c2ln`;
  };

  test.each<[string, () => string]>([
    ['bodies that trickle', () => trickling(madeUp())()],
    ['answers that trickle', () => trickling(madeUp(), 'answer')()],
    ['whole requests', () => whole(madeUp())()],
  ])('with made-up tokens and %s holds nobody up', async (_, text) => {
    const bot = await strangers();
    const token = madeUp();
    holds = ({ headers }) => headers.authorization !== `Bearer ${token}` && headers['x-flood'] !== undefined;
    flood(100, () => text().replace('Host:', 'x-flood: 1\r\nHost:'), '127.0.0.2');
    await eventually(async () => (await refusals()) >= 90);
    // The bot's token is not the one it opened its call with: its address is another, and so its share.
    const renewed = new Bot(world.proxy.url, await world.mint.mintGraphToken(), bot.call);
    await expectServed(renewed);
  });

  test('cannot take the places of a call whose id and owner it knows from another call', async () => {
    const bot = await strangers();
    const other = await opened(await world.mint.mintGraphToken());
    holds = ({ url = '' }) => url.includes(bot.call);
    flood(
      60,
      whole(await world.mint.mintGraphToken(), () => bot.call),
      '127.0.0.2',
    );
    await eventually(() => held.length >= 8);
    await expectServed(other);
  });

  test('gets no more room by writing other addresses into headers', async () => {
    const bot = await strangers();
    flood(
      100,
      (n) => trickling(madeUp())().replace('Host:', `X-Forwarded-For: 203.0.113.${n}\r\nHost:`),
      '127.0.0.2',
    );
    // A quarter of what callers who are not proven may have.
    await eventually(async () => (await refusals()) >= 96);
    expect(await refusals()).toBe(96);
    await expectServed(bot);
  });

  test('behind a trusted proxy is told from others by the address that the proxy has seen', async () => {
    const bot = await strangers({ trustedProxies: ['127.0.0.2'] });
    flood(
      100,
      (n) => trickling(madeUp())().replace('Host:', `X-Forwarded-For: 203.0.113.${n % 2}\r\nHost:`),
      '127.0.0.2',
    );
    await eventually(async () => (await refusals()) >= 92);
    expect(await refusals()).toBe(92);
    await expectServed(bot);
  });
});
