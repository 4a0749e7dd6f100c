import { randomUUID } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import {
  batch,
  botBase,
  callIs,
  notificationPath,
  startNotifiedWorld,
  type NotifiedWorld,
  type Received,
} from '../../support/notified-bot.ts';
import { openRaw } from '../../support/raw-http.ts';

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld();
});
beforeEach(() => {
  world.endpoint.answer = (res) => res.writeHead(202).end();
});
afterAll(() => world.close());

const last = (): Received => world.endpoint.received.at(-1)!;
/** Of a call that nobody asks for anything else. */
const anything = (): object => batch(callIs(randomUUID(), 'established'));

describe('a notification reaches the bot', () => {
  test.each<[string, Buffer]>([
    [
      'as it was spaced, escaped and ordered',
      Buffer.from('{ "value" :[ ] ,\r\n"b":"\\u00e9",\t"a": 1.0e0 }\n'),
    ],
    ['with what is no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d])],
    ['with a byte order mark', Buffer.from('\ufeff{"value":[]}')],
    ['empty', Buffer.alloc(0)],
  ])('byte by byte: %s', async (_, body) => {
    expect((await world.notify(body)).status).toBe(202);
    expect(last().body).toEqual(body);
    expect(last().headers['content-length']).toBe(String(body.length));
  });

  test('with its own Authorization, as it was written', async () => {
    const authorization = `bEaReR   ${await world.mint.mintNotificationToken()}`;
    await world.notify(anything(), { token: null, headers: { authorization } });
    expect(last().headers.authorization).toBe(authorization);
  });

  test('at the same path and query below the bot’s own, by POST', async () => {
    const asked = '/pod-12/api/calling/a~b/c%20d?instance=3&next=%2Fx%3Fy&empty=&instance=4';
    await world.notify(anything(), { path: asked });
    expect([last().method, last().path]).toEqual(['POST', botBase + asked]);
    expect(last().headers.host).toBe(new URL(world.endpoint.url).host);
  });

  test('with what correlates it, and without what is for this hop or ours alone to say', async () => {
    const kept = {
      'scenario-id': randomUUID(),
      'client-request-id': randomUUID(),
      'x-microsoft-skype-chain-id': randomUUID(),
      'x-microsoft-skype-message-id': randomUUID(),
      'user-agent': 'Microsoft-Skype/3.0,(Calling/1.0)',
      'content-type': 'application/json; charset=utf-8',
      accept: 'application/json',
    };
    const dropped = {
      connection: 'keep-alive, X-This-Hop',
      'x-this-hop': '1',
      'keep-alive': 'timeout=5',
      te: 'trailers',
      'proxy-authorization': 'Basic eDp5',
      'tallylight-gate': 'open',
      'tallylight-call': 'x',
      'x-forwarded-host': 'elsewhere.example',
    };
    await world.notify(anything(), { headers: { ...kept, ...dropped } });
    const { headers } = last();
    expect(headers).toMatchObject(kept);
    const foreign = Object.keys(headers).filter((name) => /^(tallylight-|x-forwarded-|x-this)/.test(name));
    expect(foreign).toEqual([]);
    expect([headers.te, headers['proxy-authorization'], headers['keep-alive']]).toEqual(
      Array(3).fill(undefined),
    );
  });

  test('in one piece, when it came in chunks', async () => {
    const connection = openRaw(world.proxy.url);
    const token = await world.mint.mintNotificationToken();
    connection.write(
      `POST ${notificationPath} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
        'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n' +
        '9\r\n{"value":\r\n',
    );
    connection.write('3\r\n[] \r\n1\r\n}\r\n0\r\n\r\n');
    expect(await connection.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 202 /);
    connection.destroy();
    expect(last().body.toString()).toBe('{"value":[] }');
    expect(last().headers['transfer-encoding']).toBeUndefined();
    expect(last().headers['content-length']).toBe('13');
  });

  test('when its sender waits to be told to go on, which it is only with a good token', async () => {
    const head = (token: string): string =>
      `POST ${notificationPath} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
      'Content-Type: application/json\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n';
    const connection = openRaw(world.proxy.url);
    connection.write(head(await world.mint.mintNotificationToken()));
    expect(await connection.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 100 /);
    connection.write('{"value":[]}');
    expect(await connection.until(/HTTP\/1\.1 202 /)).toMatch(/HTTP\/1\.1 202 /);
    connection.destroy();
    expect(last().body.toString()).toBe('{"value":[]}');
    expect(last().headers.expect).toBeUndefined();
    const stranger = openRaw(world.proxy.url);
    stranger.write(head(await world.mint.mint()));
    expect(await stranger.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 401 /);
    expect(stranger.received).not.toContain('HTTP/1.1 100');
    stranger.destroy();
  });

  test('over connections that are used again, on both sides', async () => {
    const connection = openRaw(world.proxy.url);
    const token = await world.mint.mintNotificationToken();
    const before = world.endpoint.received.length;
    for (const number of [1, 2, 3]) {
      connection.write(
        `POST ${notificationPath}?n=${number} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n` +
          'Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{"value":[]}',
      );
      await connection.until(new RegExp(`(HTTP/1\\.1 202 [^]*?\\r\\n\\r\\n[^]*){${number}}`));
    }
    connection.destroy();
    const came = world.endpoint.received.slice(before);
    expect(came.map(({ path }) => path?.slice(-4))).toEqual(['?n=1', '?n=2', '?n=3']);
    expect(new Set(came.map((each) => each.connection)).size).toBe(1);
  });
});

describe('the answer of the bot', () => {
  const joined = {
    '@odata.type': '#microsoft.graph.participantJoiningResponse',
    response: { '@odata.type': '#microsoft.graph.acceptJoinResponse' },
  };
  const asJson = { 'content-type': 'application/json; charset=utf-8' };
  const answers: [string, number, OutgoingHttpHeaders, string][] = [
    ['an acknowledgement', 202, { 'x-bot': 'pod-7', 'request-id': 'r-1', server: 'bot' }, ''],
    ['that it wants another format', 204, { 'x-bot': 'pod-7' }, ''],
    ['a move to another region', 302, { location: 'https://pod-9.bot.example/api/calling?x=1#y' }, ''],
    ['a redirect', 307, { location: '/pod-9/api/calling' }, 'moved'],
    ['whom it lets join', 200, asJson, JSON.stringify(joined, null, 2)],
    ['a failure', 500, { 'retry-after': '3', 'content-type': 'text/plain' }, 'stack trace\n'],
    ['a refusal of its own', 401, { 'www-authenticate': 'Bearer realm="bot"' }, '{}'],
    ['that it is busy', 503, { 'retry-after': '120' }, ''],
    ['a header that comes twice', 202, { 'set-cookie': ['a=1', 'b=2'] }, ''],
  ];

  test.each(answers)('goes back unchanged: %s, %d', async (_, status, headers, body) => {
    world.endpoint.answer = (res) => res.writeHead(status, headers).end(body);
    const before = world.endpoint.received.length;
    const answer = await world.notify(anything());
    expect(answer.status).toBe(status);
    expect(answer.body).toBe(body);
    expect(answer.headers).toMatchObject(headers);
    expect(answer.headers['tallylight-reason']).toBeUndefined();
    expect(world.endpoint.received).toHaveLength(before + 1);
  });

  test('cannot speak for the proxy, nor for the connection to Graph', async () => {
    world.endpoint.answer = (res) =>
      res
        .writeHead(202, {
          'Tallylight-Reason': 'RecordingStopped',
          connection: 'close, x-this-hop',
          'x-this-hop': '1',
          'x-kept': '1',
        })
        .end();
    const { headers } = await world.notify(anything());
    expect(headers['x-kept']).toBe('1');
    expect(headers['tallylight-reason']).toBeUndefined();
    expect(headers['x-this-hop']).toBeUndefined();
  });

  test('that breaks off is broken off for Graph as well', async () => {
    world.endpoint.answer = (res) => {
      res.writeHead(200, { 'content-length': 100 });
      res.write('half', () => res.destroy());
    };
    await expect(world.notify(anything())).rejects.toThrow();
  });
});

describe('what the proxy does with notifications', () => {
  test('is in the numbers: each by the bot’s status, and the time that was added to each', async () => {
    const count = (status: number): Promise<number> =>
      world.metric('tallylight_notifications_total', `status="${status}"`);
    const added = (): Promise<number> => world.metric('tallylight_notification_added_duration_seconds_count');
    const passed = (): Promise<number> =>
      world.metric('tallylight_gate_decisions_total', 'surface="notification"', 'reason="passed"');
    const before = [await count(202), await count(418), await added(), await passed()];
    await world.notify(anything());
    await world.notify(anything());
    world.endpoint.answer = (res) => res.writeHead(418).end();
    await world.notify(anything());
    await world.notify(anything(), { token: null });
    await eventually(async () => (await added()) === before[2]! + 3);
    expect([await count(202), await count(418), await added(), await passed()]).toEqual([
      before[0]! + 2,
      before[1]! + 1,
      before[2]! + 3,
      before[3]! + 3,
    ]);
  });

  test('does not count the bot’s own time', async () => {
    const added = (part: 'sum' | 'count'): Promise<number> =>
      world.metric(`tallylight_notification_added_duration_seconds_${part}`);
    const [sum, count] = [await added('sum'), await added('count')];
    let bots = 0;
    world.endpoint.answer = async (res) => {
      const asked = performance.now();
      await sleep(400);
      bots = performance.now() - asked;
      res.writeHead(202).end();
    };
    const began = performance.now();
    await world.notify(anything());
    await eventually(async () => (await added('count')) === count + 1);
    const proxys = (performance.now() - began - bots) / 1000;
    expect((await added('sum')) - sum).toBeLessThanOrEqual(proxys);
  });
});
