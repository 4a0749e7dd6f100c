import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openRaw } from '../support/raw-http.ts';
import {
  attack,
  expectForwarded,
  expectRefused,
  head,
  plain,
  planeNames,
  startPlace,
  type Outcome,
  type Place,
  type Plane,
  type PlaneName,
} from './place.ts';

let place: Place;
beforeAll(async () => {
  place = await startPlace();
});
afterAll(async () => {
  await place.close();
});

let count = 0;

/** A request that passes but for these lines, which come before its length. */
async function withLines(
  name: PlaneName,
  lines: readonly string[],
): Promise<{ readonly outcome: Outcome; readonly plane: Plane; readonly target: string }> {
  const plane = place.planes[name];
  const target = plane.target(`head${++count}`);
  const all = [...plane.lines, ...lines, `Content-Length: ${plane.body.length}`];
  const outcome = await attack(place.url, plane, head(`POST ${target} HTTP/1.1`, all) + plane.body);
  return { outcome, plane, target };
}

/** What reached the upstream, which must be the one request that was sent. */
async function headersWith(
  name: PlaneName,
  lines: readonly string[],
): Promise<readonly (readonly [string, string])[]> {
  const { outcome, plane, target } = await withLines(name, lines);
  expectForwarded(outcome, { target, body: plane.body });
  return outcome.heard[0]?.headers ?? [];
}

describe.each(planeNames)('a head on the plane of %s', (name) => {
  test.each<[string, string, () => string]>([
    ['two hosts', 'Host', () => 'Host: proxy'],
    ['two hosts that differ', 'Host', () => 'hOST: elsewhere'],
    ['an empty second host', 'Host', () => 'Host:'],
    ['two callers', 'Authorization', () => 'authorization: Bearer x'],
    ['one caller twice', 'Authorization', () => `Authorization: Bearer ${place.token}`],
    ['an empty second caller', 'Authorization', () => 'AUTHORIZATION:'],
    ['another scheme beside the token', 'Authorization', () => 'Authorization: Basic eDp5'],
  ])('that names %s is refused', async (_what, header, line) => {
    const { outcome } = await withLines(name, [line()]);
    expect(outcome.heard).toEqual([]);
    expect(outcome.answers).toHaveLength(1);
    const [answer] = outcome.answers;
    expect([answer?.status, answer?.headers['tallylight-reason']]).toEqual([400, 'HeaderRepeated']);
    expect(answer?.body).toContain(`(${header})`);
  });

  test('that joins two callers in one line is refused', async () => {
    const plane = place.planes[name];
    const lines = plane.lines.map((line) => line.replace(/^(Authorization: .*)$/, '$1, Bearer x'));
    const bytes = head(`POST ${plane.target('joined')} HTTP/1.1`, [...lines, 'Content-Length: 0']);
    const outcome = await attack(place.url, plane, bytes);
    expect(outcome.heard).toEqual([]);
    expect([outcome.answers[0]?.status, outcome.answers[0]?.headers['tallylight-reason']]).toEqual([
      401,
      'TokenInvalid',
    ]);
  });

  test.each([
    ['a NUL in a value', 'X: a\0b'],
    ['a NUL in a name', 'X\0: a'],
    ['a bare LF in a value', 'X: a\nTallylight-Call: b'],
    ['a bare CR in a value', 'X: a\rTallylight-Call: b'],
    ['a control character in a value', 'X: a\x01b'],
    ['a DEL in a value', 'X: a\x7fb'],
    ['a folded line', 'X: a\r\n b'],
    ['a folded line after a tab', 'X: a\r\n\tb'],
    ['a name with a space', 'X Y: a'],
    ['a space before the colon', 'X : a'],
    ['a name that is empty', ': a'],
    ['a line without a colon', 'X'],
    ['a name beyond ASCII', 'X\xe9: a'],
    ['one header of 16 KiB', `X: ${'a'.repeat(16 * 1024)}`],
    ['a name of 16 KiB', `${'X'.repeat(16 * 1024)}: a`],
  ])('with %s is refused', async (_what, line) => {
    expectRefused((await withLines(name, [line])).outcome);
  });

  test('with headers of 16 KiB together is refused', async () => {
    const lines = Array.from({ length: 160 }, (_, index) => `X-${index}: ${'a'.repeat(100)}`);
    expectRefused((await withLines(name, lines)).outcome);
  });

  test('with a thousand headers goes on with all of them', async () => {
    const lines = Array.from({ length: 1000 }, (_, index) => `X-${index}: ${index}`);
    const headers = await headersWith(name, lines);
    const own = headers.filter(([header]) => /^x-\d+$/.test(header));
    expect(own).toEqual(lines.map((_, index) => [`x-${index}`, String(index)]));
  });

  test('with its length after two thousand headers goes on with its body', async () => {
    const headers = await headersWith(name, Array<string>(2100).fill('a:1'));
    expect(headers.filter(([header]) => header === 'a')).toEqual([['a', Array(2100).fill('1').join(', ')]]);
  });

  test('goes on with bytes beyond ASCII as they came', async () => {
    // Read as UTF-8 and cut to one byte, the first of them would be a line feed.
    const bytes = Buffer.from('\u010a\u010d\u00e9\u20ac').toString('latin1');
    const headers = await headersWith(name, [`X-Name: ${bytes}\xff`]);
    expect(headers.filter(([header]) => header === 'x-name')).toEqual([['x-name', `${bytes}\xff`]]);
  });

  test('goes on with what is encoded in values still encoded', async () => {
    const value = '%0d%0aTallylight-Call: x, \\r\\n&#13;&#10;';
    const headers = await headersWith(name, [`X-Name: ${value}`]);
    expect(headers.filter(([header]) => header === 'x-name')).toEqual([['x-name', value]]);
  });

  test('goes on without what is for this connection alone', async () => {
    const headers = await headersWith(name, [
      'Connection: keep-alive, X-Mine , content-length',
      'X-Mine: a',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Proxy-Authorization: Basic x',
      'Proxy-Connection: keep-alive',
      'Trailer: X-Other',
    ]);
    const names = headers.map(([header]) => header);
    expect(names.filter((header) => /^(?:x-mine|keep-alive|te|trailer|proxy-.*)$/.test(header))).toEqual([]);
  });

  test('goes on without names that only the proxy may say, however they are spelled', async () => {
    const spellings = (header: string): string[] => [
      header,
      header.replaceAll('-', '_'),
      header.replaceAll('-', '.'),
    ];
    const lines = [
      'Tallylight-Call',
      'Tallylight-Epoch',
      'X-Forwarded-For',
      'X-HTTP-Method-Override',
      'X-Original-URL',
    ]
      .flatMap(spellings)
      .map((header) => `${header}: evil`);
    const twins = [
      'Transfer_Encoding: chunked',
      'Content_Length: 1',
      'Content_Type: text/evil',
      'X_Twin: evil',
      'X-Twin: good',
    ];
    const headers = await headersWith(name, [...lines, ...twins]);
    expect(headers.filter(([, value]) => value.includes('evil'))).toEqual([]);
    expect(headers.filter(([header]) => /_/.test(header))).toEqual([]);
    expect(headers).toContainEqual(['x-twin', 'good']);
  });

  test('reaches its upstream under the name of the upstream, whatever hosts it names', async () => {
    const { upstream } = place.planes[name];
    const headers = await headersWith(name, ['X-Host: evil.example']);
    expect(headers.filter(([header]) => header === 'host')).toEqual([['host', new URL(upstream.url).host]]);
  });
});

describe.each(planeNames)('a request line on the plane of %s', (name) => {
  test.each<[string, (target: string) => string]>([
    ['in HTTP/0.9', (target) => `POST ${target}`],
    ['in HTTP/0.9, which says so', (target) => `POST ${target} HTTP/0.9`],
    ['in HTTP/1.2', (target) => `POST ${target} HTTP/1.2`],
    ['in HTTP/1.10', (target) => `POST ${target} HTTP/1.10`],
    ['in HTTP/2.0', (target) => `POST ${target} HTTP/2.0`],
    ['in HTTP/3.0', (target) => `POST ${target} HTTP/3.0`],
    ['in small letters', (target) => `POST ${target} http/1.1`],
    ['without a version number', (target) => `POST ${target} HTTP/`],
    ['with something after it', (target) => `POST ${target} HTTP/1.1 x`],
    ['with a tab after the method', (target) => `POST\t${target} HTTP/1.1`],
    ['with a tab before the version', (target) => `POST ${target}\tHTTP/1.1`],
    ['with two targets', (target) => `POST ${target} ${target} HTTP/1.1`],
    ['with a bare CR', (target) => `POST ${target}\r HTTP/1.1`],
    ['with a bare LF', (target) => `POST ${target}\nX HTTP/1.1`],
    ['with a NUL', (target) => `POST ${target}\0 HTTP/1.1`],
    ['with bytes beyond ASCII', (target) => `POST ${target}\xe9 HTTP/1.1`],
    ['with a method in small letters', (target) => `post ${target} HTTP/1.1`],
    ['with an unknown method', (target) => `STEAL ${target} HTTP/1.1`],
    ['with a method of 20 KiB', (target) => `${'P'.repeat(20 * 1024)} ${target} HTTP/1.1`],
    ['of 20 KiB', (target) => `POST ${target}&${'x'.repeat(20 * 1024)} HTTP/1.1`],
    ['of 9 KiB', (target) => `POST ${target}&${'x'.repeat(9 * 1024)} HTTP/1.1`],
    ['after a space', (target) => ` POST ${target} HTTP/1.1`],
    ['after a NUL', (target) => `\0POST ${target} HTTP/1.1`],
  ])('%s is refused', async (_what, line) => {
    const plane = place.planes[name];
    const lines = [...plane.lines, `Content-Length: ${plane.body.length}`];
    expectRefused(
      await attack(place.url, plane, head(line(plane.target(`line${++count}`)), lines) + plane.body),
    );
  });

  test('after empty lines is read', async () => {
    const plane = place.planes[name];
    const mark = `line${++count}`;
    const outcome = await attack(place.url, plane, `\r\n\r\n${plain(plane, mark)}`);
    expectForwarded(outcome, { target: plane.target(mark), body: plane.body });
  });

  test.each([
    ['without keep-alive, is the last of its connection', [], 1],
    ['with keep-alive, is followed by others', ['Connection: keep-alive'], 2],
  ] as const)('in HTTP/1.0, %s', async (_what, lines, answered) => {
    const plane = place.planes[name];
    const target = plane.target(`old${++count}`);
    const all = [...plane.lines, ...lines, `Content-Length: ${plane.body.length}`];
    const outcome = await attack(place.url, plane, head(`POST ${target} HTTP/1.0`, all) + plane.body);
    expectForwarded(outcome, { target, body: plane.body });
    expect(outcome.answers).toHaveLength(answered);
  });

  test('in HTTP/1.0 that expects to be asked for its body is not, since it would not know the question', async () => {
    const plane = place.planes[name];
    const lines = [...plane.lines, 'Expect: 100-continue', `Content-Length: ${plane.body.length}`];
    const connection = openRaw(place.url);
    connection.write(head(`POST ${plane.target(`old${++count}`)} HTTP/1.0`, lines) + plane.body);
    await connection.closed;
    expect(connection.received).toMatch(/^HTTP\/1\.1 200 /);
  });
});

test.each([
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['a request of another protocol', 'EHLO evil.example\r\nMAIL FROM:<a@b>\r\n'],
  ['a command to a store', '*1\r\n$4\r\nPING\r\n'],
  ['an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a header of a balancer', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['zeros', '\0'.repeat(4096)],
])('%s is no request here', async (_what, bytes) => {
  const outcome = await attack(place.url, place.planes.media, bytes);
  expectRefused(outcome);
  expect(outcome.answers[0]?.headers['tallylight-reason']).toBe('TargetInvalid');
});
