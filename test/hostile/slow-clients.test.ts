import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { openRaw, sendRaw, type RawConnection } from '../support/raw-http.ts';
import { closing, head, plain, planeNames, startPlace, type Place, type Plane } from './place.ts';

let place: Place;
beforeAll(async () => {
  place = await startPlace({ headersTimeoutMs: 1000, bodyTimeoutMs: 2000, mediaIdleMs: 2000 }, 2000);
});
afterAll(async () => {
  await place.close();
});

let count = 0;
/** Far below the limits, so that no limit on standing still ends it. */
const everyMs = 70;

/** Writes one byte after another until the connection is over or the bytes are. */
async function dribble(connection: RawConnection, bytes: string): Promise<void> {
  for (const byte of Buffer.from(bytes)) {
    if (connection.socket.destroyed || connection.answers.length > 0) return;
    connection.write(Buffer.of(byte));
    await sleep(everyMs);
  }
}

const served = async (plane: Plane): Promise<void> => {
  expect((await sendRaw(place.url, plain(plane, `slow${++count}`)))?.status).toBe(200);
};
/** A head that announces more than ever comes. */
const announced = (plane: Plane, mark: string): string =>
  head(`POST ${plane.target(mark)} HTTP/1.1`, [...plane.lines, 'Content-Length: 10000']);

describe('a head', () => {
  test('that comes byte by byte is given up in its time, and nothing of it goes on', async () => {
    const before = place.media.heard.length;
    const connection = openRaw(place.url);
    await dribble(connection, plain(place.planes.media, 'never').repeat(2));
    await connection.closed;
    expect((await connection.answer)?.status).toBe(400);
    expect(place.media.heard).toHaveLength(before);
  });

  test('that comes byte by byte after another request is given up as well', async () => {
    const connection = openRaw(place.url);
    connection.write(plain(place.planes.media, `first${++count}`));
    expect((await connection.answer)?.status).toBe(200);
    const slow = plain(place.planes.media, 'never');
    for (let sent = 0; !connection.socket.destroyed && sent < slow.length; sent++) {
      connection.write(slow.charAt(sent));
      await sleep(everyMs);
    }
    await connection.closed;
    expect(connection.answers.map(({ status }) => status)).toEqual([200, 400]);
  });

  test('that never begins ends its connection without a word, since no request is there to be answered', async () => {
    const connection = openRaw(place.url);
    await connection.closed;
    expect(connection.received).toBe('');
  });

  test('of five hundred clients at once, all too slow, stops nobody else', async () => {
    const connections = Array.from({ length: 500 }, () => openRaw(place.url));
    for (const connection of connections) connection.write('POST /media/x HTTP/1.1\r\nHost: proxy\r\nX');
    await Promise.all(planeNames.map((name) => served(place.planes[name])));
    await Promise.all(connections.map(({ closed }) => closed));
  });
});

describe('a body', () => {
  test('that is read here is given up in its time, however steadily it comes', async () => {
    await Promise.all(
      (['status', 'notification'] as const).map(async (name) => {
        const plane = place.planes[name];
        const mark = `never${++count}`;
        const connection = openRaw(place.url);
        connection.write(announced(plane, mark));
        await Promise.all([dribble(connection, ' '.repeat(1000)), served(plane)]);
        expect((await connection.answer)?.headers['tallylight-reason']).toBe('BodyTimeout');
        await connection.closed;
        expect(plane.upstream.heard.map(({ target }) => target)).not.toContain(plane.target(mark));
      }),
    );
  });

  test('of media may be slow, and goes on whole', async () => {
    const plane = place.planes.media;
    const target = plane.target(`slow${++count}`);
    const body = 'a'.repeat(40);
    const connection = openRaw(place.url);
    connection.write(head(`POST ${target} HTTP/1.1`, [...plane.lines, `Content-Length: ${body.length}`]));
    // Longer in all than it may stand still.
    await dribble(connection, body);
    expect((await connection.answer)?.status).toBe(200);
    connection.destroy();
    expect(plane.upstream.heard.find((one) => one.target === target)?.body.toString()).toBe(body);
  });

  test('of media that stands still is given up, on both sides', async () => {
    const plane = place.planes.media;
    const target = plane.target(`still${++count}`);
    const connection = openRaw(place.url);
    connection.write(`${head(`POST ${target} HTTP/1.1`, [...plane.lines, 'Content-Length: 100'])}hello`);
    expect((await connection.answer)?.headers['tallylight-reason']).toBe('UpstreamTimeout');
    await connection.closed;
    const left = await eventually(() => plane.upstream.cutOff.find((one) => one.target === target));
    expect(left.body.toString()).toBe('hello');
    expect(plane.upstream.heard.map((one) => one.target)).not.toContain(target);
  });

  test('of a request for Graph has its time in all, however it comes; nothing of a small one reaches Graph', async () => {
    const plane = place.planes.signalling;
    for (const more of ['', 'a'.repeat(200)]) {
      const target = plane.target(`slow${++count}`);
      const connection = openRaw(place.url);
      connection.write(`${head(`POST ${target} HTTP/1.1`, [...plane.lines, 'Content-Length: 300'])}hello`);
      await dribble(connection, more);
      const answer = await connection.answer;
      expect([answer?.status, answer?.headers['tallylight-reason']]).toEqual([408, 'BodyTimeout']);
      await connection.closed;
      expect(plane.upstream.heard.map((one) => one.target)).not.toContain(target);
      expect(plane.upstream.cutOff.map((one) => one.target)).not.toContain(target);
    }
  });

  test('of a request for Graph that is too large to be kept has its time in all as well', async () => {
    const plane = place.planes.signalling;
    const target = plane.target(`slow${++count}`);
    const connection = openRaw(place.url);
    connection.write(`${head(`POST ${target} HTTP/1.1`, [...plane.lines, 'Content-Length: 100000'])}hello`);
    await dribble(connection, 'a'.repeat(200));
    await connection.closed;
    await eventually(() => plane.upstream.cutOff.find((one) => one.target === target));
    expect(plane.upstream.heard.map((one) => one.target)).not.toContain(target);
  });

  test('of a refused write is not waited for', async () => {
    const connection = openRaw(place.url);
    const { lines } = place.planes.media;
    connection.write(head(`POST /media/${place.closedCall}/x HTTP/1.1`, [...lines, 'Content-Length: 1000']));
    expect((await connection.answer)?.headers['tallylight-reason']).toBe('RecordingNotActive');
    await dribble(connection, 'x'.repeat(5));
    await connection.closed;
  });

  test('of three hundred clients at once, all standing still, stops nobody else', async () => {
    const connections = planeNames.flatMap((name) => {
      const plane = place.planes[name];
      return Array.from({ length: 75 }, () => {
        const connection = openRaw(place.url);
        connection.write(announced(plane, `flood${++count}`));
        return connection;
      });
    });
    await Promise.all(planeNames.map((name) => served(place.planes[name])));
    const answers = await Promise.all(connections.map(({ answer }) => answer));
    expect(answers.filter((answer) => ![408, 504].includes(answer?.status ?? 0))).toEqual([]);
    await closing(connections);
    expect(place.media.heard.filter(({ target }) => target.includes('flood'))).toEqual([]);
  });
});
