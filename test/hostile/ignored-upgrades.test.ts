import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { openRaw, type RawConnection } from '../support/raw-http.ts';
import { startWorld } from '../support/world.ts';
import {
  attack,
  expectForwarded,
  head,
  plain,
  planeNames,
  startPlace,
  type Place,
  type Plane,
} from './place.ts';
import { completed } from './raw-upstream.ts';

let place: Place;
beforeAll(async () => {
  place = await startPlace();
});
afterAll(async () => {
  await place.close();
});
beforeEach(() => {
  for (const { upstream } of Object.values(place.planes)) upstream.answer = () => completed;
});

let count = 0;
const mark = (): string => `up${++count}`;
const h2c = [
  'Connection: Upgrade, HTTP2-Settings',
  'Upgrade: h2c',
  'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
];
/** A request that passes, and asks for something else besides. */
const wishing = (plane: Plane, one: string, wish: readonly string[] = h2c): string =>
  head(`POST ${plane.target(one)} HTTP/1.1`, [
    ...plane.lines,
    ...wish,
    `Content-Length: ${plane.body.length}`,
  ]) + plane.body;
const statuses = ({ answers }: RawConnection): number[] => answers.map(({ status }) => status);
const answered = (connection: RawConnection, number: number): Promise<unknown> =>
  eventually(() => connection.answers.length === number);

describe.each(planeNames)('a wish for a protocol that is not offered, on the plane of %s', (name) => {
  test.each<[string, readonly string[]]>([
    ['h2c, as curl and the JDK ask for it', h2c],
    ['h2c in capitals', ['Upgrade: H2C', 'connection: upgrade']],
    ['TLS', ['Upgrade: TLS/1.0', 'Connection: Upgrade']],
    ['several', ['Upgrade: h2c, IRC/6.9', 'Upgrade: RTA/x11', 'Connection: Upgrade']],
    ['what only sounds like one that is offered', ['Upgrade: websockets', 'Connection: Upgrade']],
    ['nothing in particular', ['Upgrade:', 'Connection: Upgrade']],
    ['h2c without a word of it in Connection', ['Upgrade: h2c', 'HTTP2-Settings: AAMA']],
  ])('is ignored, and goes no further: %s', async (_what, wish) => {
    const plane = place.planes[name];
    const target = plane.target(mark());
    const lines = [...plane.lines, ...wish, 'X-Kept: yes', `Content-Length: ${plane.body.length}`];
    const outcome = await attack(place.url, plane, head(`POST ${target} HTTP/1.1`, lines) + plane.body);
    expectForwarded(outcome, { target, body: plane.body });
    const { headers } = outcome.heard[0]!;
    expect(headers.filter(([header]) => /upgrade|http2/.test(header))).toEqual([]);
    expect(headers.filter(([, value]) => /h2c|upgrade|http2/i.test(value))).toEqual([]);
    expect(headers).toContainEqual(['x-kept', 'yes']);
  });

  test('is ignored with a body in chunks', async () => {
    const plane = place.planes[name];
    const target = plane.target(mark());
    const lines = [...plane.lines, ...h2c, 'Transfer-Encoding: chunked'];
    const [one, other] = [plane.body.slice(0, 3), plane.body.slice(3)];
    const body = [one, other].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
    const outcome = await attack(
      place.url,
      plane,
      `${head(`POST ${target} HTTP/1.1`, lines)}${body}0\r\n\r\n`,
    );
    expectForwarded(outcome, { target, body: plane.body });
  });

  test('is ignored in every request of a connection, and everything that comes in one piece is answered', async () => {
    const plane = place.planes[name];
    const marks = Array.from({ length: 30 }, mark);
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    const connection = openRaw(place.url);
    connection.write(
      marks.map((one, at) => (at % 3 === 2 ? plain(plane, one) : wishing(plane, one))).join(''),
    );
    await answered(connection, marks.length);
    connection.write(wishing(plane, marks[0]!));
    await answered(connection, marks.length + 1);
    connection.destroy();
    expect(new Set(statuses(connection))).toEqual(new Set([200]));
    const heard = plane.upstream.heard.map(({ target }) => target);
    expect(heard.slice(-marks.length - 1)).toEqual([...marks, marks[0]!].map((one) => plane.target(one)));
    // A listener that was left behind each time would be told of.
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  test('is ignored however its bytes are split', async () => {
    const plane = place.planes[name];
    const one = mark();
    const connection = openRaw(place.url);
    connection.socket.setNoDelay(true);
    for (const byte of Buffer.from(wishing(plane, one)))
      await new Promise((resolve) => connection.socket.write(Buffer.from([byte]), resolve));
    await answered(connection, 1);
    connection.destroy();
    expect(statuses(connection)).toEqual([200]);
    expect(plane.upstream.heard.at(-1)).toMatchObject({ target: plane.target(one) });
  });

  test('does not keep a connection open that is to be closed', async () => {
    const plane = place.planes[name];
    const connection = openRaw(place.url);
    connection.write(wishing(plane, mark(), ['Connection: close, Upgrade', 'Upgrade: h2c']));
    await connection.closed;
    expect(statuses(connection)).toEqual([200]);
  });

  test('does not hide what is refused otherwise', async () => {
    const plane = place.planes[name];
    const before = plane.upstream.heard.length;
    const ask = async (request: string): Promise<number[]> => {
      const connection = openRaw(place.url);
      connection.write(request);
      await answered(connection, 1);
      connection.destroy();
      return statuses(connection);
    };
    const request = wishing(plane, mark());
    expect(await ask(request.replace(/Authorization: .*\r\n/, ''))).toEqual([401]);
    expect(await ask(request.replace('Host:', 'Host: a\r\nHost:'))).toEqual([400]);
    expect(await ask(request.replace(/POST \S+/, 'POST /nothing'))).not.toEqual([200]);
    expect(plane.upstream.heard).toHaveLength(before);
  });
});

describe('a request with such a wish, behind one that is not answered yet', () => {
  /** The upstream of media keeps its answers back. */
  const hold = (): Socket[] => {
    const sockets: Socket[] = [];
    place.media.answer = (_heard, socket) => {
      sockets.push(socket);
      return undefined;
    };
    return sockets;
  };

  test('waits for its turn', async () => {
    const { media, notification } = place.planes;
    const held = hold();
    const marks = [mark(), mark(), mark(), mark()];
    const connection = openRaw(place.url);
    connection.write(
      plain(media, marks[0]!) +
        plain(media, marks[1]!) +
        wishing(notification, marks[2]!) +
        plain(notification, marks[3]!),
    );
    await eventually(() => held.length === 2);
    for (const socket of held) socket.write(completed);
    await answered(connection, 4);
    connection.destroy();
    expect(statuses(connection)).toEqual([200, 200, 200, 200]);
    const heard = place.bot.heard.map(({ target }) => target);
    expect(heard.slice(-2)).toEqual([notification.target(marks[2]!), notification.target(marks[3]!)]);
  });

  test('does not hold up an answer that the client takes slowly', async () => {
    const { media, notification } = place.planes;
    const held = hold();
    const connection = openRaw(place.url);
    const one = mark();
    connection.write(plain(media, mark()) + wishing(notification, one));
    await eventually(() => held.length === 1);
    connection.socket.pause();
    const size = 8 * 1024 * 1024;
    const big = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`;
    held[0]!.write(big + 'x'.repeat(size));
    connection.socket.resume();
    await answered(connection, 2);
    connection.destroy();
    expect(connection.answers.map(({ status, body }) => [status, body.length])).toEqual([
      [200, size],
      [200, expect.any(Number)],
    ]);
    expect(place.bot.heard.at(-1)).toMatchObject({ target: notification.target(one) });
  });

  test('leaves nothing behind if the client goes away', async () => {
    const { media } = place.planes;
    const held = hold();
    const connection = openRaw(place.url);
    connection.write(plain(media, mark()) + wishing(media, mark()));
    await eventually(() => held.length === 1);
    connection.socket.resetAndDestroy();
    await connection.closed;
    // The upstream is let go as soon as the client is gone.
    await eventually(() => held[0]!.destroyed);
    expect(held).toHaveLength(1);
  });
});

test('a WebSocket where none is offered is refused, with whatever it comes', async () => {
  const { media } = place.planes;
  for (const wish of ['websocket', 'h2c, websocket', 'WebSocket/13'])
    for (const method of ['GET', 'POST']) {
      const connection = openRaw(place.url);
      connection.write(
        head(`${method} ${media.target(mark())} HTTP/1.1`, [
          ...media.lines,
          'Connection: Upgrade',
          `Upgrade: ${wish}`,
        ]),
      );
      await connection.closed;
      expect(statuses(connection)).toEqual([501]);
    }
});

test('the admin port ignores such a wish, and refuses two hosts', async () => {
  const connection = openRaw(place.world.proxy.adminUrl);
  const get = (path: string, lines: readonly string[]): string =>
    head(`GET ${path} HTTP/1.1`, ['Host: a', ...lines]);
  connection.write(get('/metrics', []) + get('/livez', h2c) + get('/readyz', []) + get('/livez', h2c));
  await answered(connection, 4);
  expect(statuses(connection)).toEqual([200, 200, 200, 200]);
  expect(connection.answers.map(({ body }) => body.slice(0, 9))).toEqual([
    expect.stringContaining('#'),
    '{"live":t',
    '{"signall',
    '{"live":t',
  ]);
  connection.write(get('/livez', ['Host: b']));
  await answered(connection, 5);
  connection.destroy();
  expect(statuses(connection).at(-1)).toBe(400);
});

test('a connection that asked for something else counts once', async () => {
  const small = await startPlace({ maxConnections: 3 });
  try {
    const { media } = small.planes;
    const connection = openRaw(small.url);
    for (let turn = 1; turn <= 10; turn++) {
      connection.write(wishing(media, mark()));
      await answered(connection, turn);
    }
    const others = [openRaw(small.url), openRaw(small.url)];
    for (const other of others) {
      other.write(wishing(media, mark()));
      await answered(other, 1);
    }
    const last = openRaw(small.url);
    await last.closed;
    expect(last.received).toMatch(/^HTTP\/1\.1 503 /);
    for (const one of [connection, ...others]) one.destroy();
    await Promise.all([connection, ...others].map(({ closed }) => closed));
    await eventually(async () => {
      const again = openRaw(small.url);
      again.write(wishing(media, mark()));
      const status = (await again.answer)?.status;
      again.destroy();
      return status === 200;
    });
  } finally {
    await small.close();
  }
});

test('such a wish is ignored under TLS as well', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallylight-tls-'));
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-nodes', '-subj', '/CN=localhost', '-days', '2'];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-keyout', keyFile, '-out', certFile],
    ...subject,
  ]);
  const world = await startWorld({ settings: { tls: { certFile, keyFile } } });
  try {
    const [bot, token] = [await world.bot(), await world.mint.mint()];
    const body = '{"status":"recording"}';
    const request = (lines: readonly string[]): string =>
      head(`POST /v1.0/communications/calls/${bot.call}/updateRecordingStatus HTTP/1.1`, [
        'Host: proxy',
        `Authorization: Bearer ${token}`,
        'Content-Type: application/json',
        ...lines,
        `Content-Length: ${body.length}`,
      ]) + body;
    const socket = connectTls({ port: Number(new URL(world.proxy.url).port), rejectUnauthorized: false });
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
    socket.write(request(h2c) + request([]) + request(h2c));
    await eventually(() => received.match(/HTTP\/1\.1 200 /g)?.length === 3);
    socket.destroy();
  } finally {
    await world.close();
    await rm(folder, { recursive: true });
  }
});
