import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Socket } from 'node:net';
import { eventually } from '../support/eventually.ts';
import { openRaw, sendRaw, type RawConnection } from '../support/raw-http.ts';
import {
  attack,
  closing,
  expectRefused,
  head,
  plain,
  planeNames,
  startPlace,
  type Place,
  type Outcome,
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
const chunked = 'Transfer-Encoding: chunked';
const targetsHeard = (plane: Plane): string[] => plane.upstream.heard.map(({ target }) => target);
const refusedWrite = (): string =>
  head(`POST /media/${place.closedCall}/x HTTP/1.1`, [...place.planes.media.lines, 'Content-Length: 5']) +
  'hello';
const statuses = ({ answers }: RawConnection): number[] => answers.map(({ status }) => status);
const served = async (plane: Plane): Promise<void> => {
  expect((await sendRaw(place.url, plain(plane, `served${++count}`)))?.status).toBe(200);
};

/** The upstream keeps its answers back until they are released. */
function hold(plane: Plane): { readonly waiting: () => number; release(answer?: string): void } {
  const sockets: Socket[] = [];
  plane.upstream.answer = (_heard, socket) => {
    sockets.push(socket);
    return undefined;
  };
  return {
    waiting: () => sockets.length,
    release: (answer = completed) => {
      for (const socket of sockets.splice(0)) socket.write(answer);
    },
  };
}

describe('requests in one packet', () => {
  test('are answered in their order, the first of them refused', async () => {
    const { media, notification } = place.planes;
    const marks = [`a${++count}`, `b${++count}`];
    const connection = openRaw(place.url);
    connection.write(
      refusedWrite() + plain(media, marks[0]!) + refusedWrite() + plain(notification, marks[1]!),
    );
    await eventually(() => connection.answers.length === 4);
    connection.destroy();
    expect(statuses(connection)).toEqual([403, 200, 403, 200]);
    expect(targetsHeard(media)).toContain(media.target(marks[0]!));
    expect(targetsHeard(notification)).toContain(notification.target(marks[1]!));
  });

  test('are two hundred, and each has its own answer', async () => {
    const { media } = place.planes;
    const marks = Array.from({ length: 200 }, () => `many${++count}`);
    media.upstream.answer = ({ target }) =>
      `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`;
    const connection = openRaw(place.url);
    connection.write(marks.map((mark) => plain(media, mark)).join(''));
    await eventually(() => connection.answers.length === 200);
    connection.destroy();
    expect(connection.answers.map(({ body }) => body)).toEqual(marks.map((mark) => media.target(mark)));
  });

  test('are one, if the first asks for the end of the connection', async () => {
    const { media } = place.planes;
    const lines = [...media.lines, 'Connection: close', 'Content-Length: 5'];
    const [mark, after] = [`last${++count}`, `after${++count}`];
    const connection = openRaw(place.url);
    connection.write(`${head(`POST ${media.target(mark)} HTTP/1.1`, lines)}hello${plain(media, after)}`);
    await connection.closed;
    expect(statuses(connection)).toEqual([200]);
    expect(targetsHeard(media)).not.toContain(media.target(after));
  });
});

describe('what cannot be read', () => {
  const garbage = 'GARBAGE\r\n\r\n';

  test.each(planeNames)('on the plane of %s takes nothing from the request before it', async (name) => {
    const plane = place.planes[name];
    const held = hold(plane);
    const mark = `before${++count}`;
    const connection = openRaw(place.url);
    connection.write(plain(plane, mark) + garbage);
    await eventually(() => held.waiting() > 0);
    connection.write(garbage);
    held.release();
    await connection.closed;
    expect(statuses(connection)).toEqual([200]);
    expect(connection.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(targetsHeard(plane)).toContain(plane.target(mark));
  });

  test('is told so where everything before it has its answer', async () => {
    const connection = openRaw(place.url);
    connection.write(plain(place.planes.media, `done${++count}`));
    await eventually(() => connection.answers.length === 1);
    connection.write(garbage);
    await connection.closed;
    expect(statuses(connection)).toEqual([200, 400]);
  });

  test('in the body of a refused write is no second answer', async () => {
    const { lines } = place.planes.media;
    const connection = openRaw(place.url);
    connection.write(head(`POST /media/${place.closedCall}/x HTTP/1.1`, [...lines, chunked]));
    await eventually(() => connection.answers.length === 1);
    connection.write('no chunk\r\n');
    await connection.closed;
    expect(statuses(connection)).toEqual([403]);
    expect(connection.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  test('in the body of a write never gets into an answer that has begun', async () => {
    const { media } = place.planes;
    // The upstream answers before the body is over.
    media.upstream.early = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf';
    const connection = openRaw(place.url);
    connection.write(head(`POST ${media.target(`early${++count}`)} HTTP/1.1`, [...media.lines, chunked]));
    connection.write('5\r\nhello\r\n');
    await connection.until(/half/);
    media.upstream.early = undefined;
    connection.write('no chunk\r\n');
    await connection.closed;
    expect(connection.received).toMatch(/half$/);
    expect(connection.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });
});

describe('an upgrade', () => {
  const toWebSocket = [
    ...['Connection: Upgrade', 'Upgrade: websocket'],
    ...['Sec-WebSocket-Key: x', 'Sec-WebSocket-Version: 13'],
  ];
  const upgrades: readonly (readonly [string, readonly string[]])[] = [
    [
      'to HTTP/2',
      ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'],
    ],
    ['to TLS', ['Connection: upgrade', 'Upgrade: TLS/1.2']],
    ['to what it is', ['Connection: upgrade', 'Upgrade: HTTP/1.1']],
  ];
  const asking = (name: (typeof planeNames)[number], lines: readonly string[]): Promise<Outcome> => {
    const plane = place.planes[name];
    const all = [...plane.lines, ...lines, `Content-Length: ${plane.body.length}`];
    const bytes = head(`POST ${plane.target(`up${++count}`)} HTTP/1.1`, all) + plane.body;
    return attack(place.url, plane, bytes + plain(plane, 'follows'));
  };

  test.each(planeNames)(
    'on the plane of %s to a WebSocket is refused, and neither its body nor what follows is read',
    async (name) => {
      const outcome = await asking(name, toWebSocket);
      expectRefused(outcome);
      expect(outcome.answers.map(({ status }) => status)).toEqual([501]);
    },
  );

  test.each(planeNames.flatMap((name) => upgrades.map(([what, lines]) => [name, what, lines] as const)))(
    'on the plane of %s %s is ignored: its request and what follows have one reading each',
    async (name, _what, lines) => {
      const plane = place.planes[name];
      const { heard } = await asking(name, lines);
      expect(heard.map(({ body }) => body.toString())).toEqual([plane.body, plane.body]);
      for (const { headers } of heard)
        expect(headers.filter(([field]) => /^(upgrade|http2-settings)$/i.test(field))).toEqual([]);
    },
  );

  test.each([
    ['an upgrade', head('GET / HTTP/1.1', ['Host: a', 'Connection: Upgrade', 'Upgrade: websocket'])],
    ['a tunnel', head('CONNECT evil.example:443 HTTP/1.1', ['Host: evil.example:443'])],
  ])('%s is no answer to the request before it', async (_what, bytes) => {
    const { media } = place.planes;
    const held = hold(media);
    const mark = `before${++count}`;
    const connection = openRaw(place.url);
    connection.write(plain(media, mark) + bytes);
    await connection.closed;
    expect(connection.received).not.toContain('501');
    held.release();
    media.upstream.answer = () => completed;
    await served(media);
  });

  test.each(['evil.example:443', '127.0.0.1:22', '/media/x', '*', 'http://evil.example/'])(
    'a tunnel to %s is refused, and nothing in it is read',
    async (target) => {
      const { media } = place.planes;
      const bytes = head(`CONNECT ${target} HTTP/1.1`, media.lines) + plain(media, 'tunnelled');
      expectRefused(await attack(place.url, media, bytes));
    },
  );
});

describe.each(planeNames)('a client on the plane of %s', (name) => {
  const leave: readonly (readonly [string, (socket: Socket) => void])[] = [
    ['closes', (socket) => socket.end()],
    ['resets', (socket) => void socket.resetAndDestroy()],
  ];
  const parts: readonly (readonly [string, (plane: Plane, mark: string) => string])[] = [
    ['before its first byte', () => ''],
    ['in its request line', (plane, mark) => `POST ${plane.target(mark).slice(0, 20)}`],
    ['in its headers', (plane, mark) => plain(plane, mark).slice(0, 150)],
    ['before its body', (plane, mark) => plain(plane, mark).slice(0, -plane.body.length)],
    ['in its body', (plane, mark) => plain(plane, mark).slice(0, -1)],
    [
      'in a chunk',
      (plane, mark) => `${head(`POST ${plane.target(mark)} HTTP/1.1`, [...plane.lines, chunked])}5\r\nhel`,
    ],
    [
      'before the last chunk',
      (plane, mark) =>
        `${head(`POST ${plane.target(mark)} HTTP/1.1`, [...plane.lines, chunked])}${plane.body.length.toString(16)}\r\n${plane.body}\r\n`,
    ],
  ];

  test.each(parts.flatMap(([when, part]) => leave.map(([how, go]) => [how, when, part, go] as const)))(
    'that %s %s leaves no request behind',
    async (_how, _when, part, go) => {
      const plane = place.planes[name];
      const mark = `left${++count}`;
      const bytes = part(plane, mark);
      const connection = openRaw(place.url);
      connection.write(bytes);
      // Media is passed on as it comes, so it has begun upstream by then; a small body of signalling is whole before.
      const begun = /\r\n\r\n./.test(bytes) && name === 'media';
      if (begun) await eventually(() => plane.upstream.begun.has(plane.target(mark)));
      go(connection.socket);
      await connection.closed;
      if (begun)
        await eventually(() => plane.upstream.cutOff.some(({ target }) => target === plane.target(mark)));
      await served(plane);
      expect(targetsHeard(plane)).not.toContain(plane.target(mark));
      expect(plane.upstream.strange).toEqual([]);
    },
  );

  test.each(leave)('that %s before its answer is not answered, and others are', async (_how, go) => {
    const plane = place.planes[name];
    const held = hold(plane);
    const mark = `gone${++count}`;
    const connection = openRaw(place.url);
    connection.write(plain(plane, mark));
    await eventually(() => held.waiting() > 0);
    go(connection.socket);
    await connection.closed;
    held.release();
    plane.upstream.answer = () => completed;
    await served(plane);
    expect(targetsHeard(plane).filter((target) => target === plane.target(mark))).toHaveLength(1);
  });
});

describe('two thousand connections', () => {
  test.each([
    ['that say nothing', ''],
    ['in the middle of a head', 'POST /media/x HTTP/1.1\r\nHost: proxy\r\nX-'],
  ])('%s stop nobody else', async (_what, bytes) => {
    const connections = Array.from({ length: 2000 }, () => openRaw(place.url));
    await Promise.all(
      connections.map(
        ({ socket }) =>
          new Promise((resolve) => (socket.connecting ? socket.once('connect', resolve) : resolve(null))),
      ),
    );
    if (bytes !== '') for (const connection of connections) connection.write(bytes);
    for (const name of planeNames) await served(place.planes[name]);
    expect(connections.filter(({ socket }) => socket.destroyed)).toEqual([]);
    await closing(connections);
    for (const name of planeNames) await served(place.planes[name]);
  });
});
