import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { attack, expectForwarded, expectRefused, head, planeNames, startPlace, type Place } from './place.ts';

let place: Place;
beforeAll(async () => {
  place = await startPlace();
});
afterAll(async () => {
  await place.close();
});

let count = 0;
const hex = (text: string): string => text.length.toString(16);

/** A request of its own to whoever frames the one around it differently; it would pass. */
const smuggled = (): string =>
  head(`POST /media/${place.call}/smuggled HTTP/1.1`, [
    'Host: proxy',
    `Authorization: Bearer ${place.token}`,
    'Content-Length: 1',
  ]) + 'x';

interface Framing {
  readonly lines: (body: string) => readonly string[];
  /** What stands after the head; `body` is what the plane takes. */
  readonly after: (body: string) => string;
  readonly version?: string;
}

const chunked = 'Transfer-Encoding: chunked';
const inChunks = (body: string): string => `${hex(body)}\r\n${body}\r\n0\r\n\r\n`;
const encoded = (...lines: readonly string[]): Framing => ({
  lines: () => lines,
  after: (body) => inChunks(body) + smuggled(),
});
/** An encoding that is none, and a length that takes all of it. */
const encodedAndLong = (line: string): Framing => ({
  lines: (body) => [`Content-Length: ${(inChunks(body) + smuggled()).length}`, line],
  after: (body) => inChunks(body) + smuggled(),
});
const sized = (size: (body: string) => string): Framing => ({
  lines: () => [chunked],
  after: (body) => `${size(body)}\r\n${body}\r\n0\r\n\r\n`,
});
const long = (value: (length: number) => string): Framing => ({
  lines: (body) => [`Content-Length:${value(body.length)}`],
  after: (body) => body + smuggled(),
});

const twoReadings: readonly (readonly [string, Framing])[] = [
  ['CL.TE', { lines: () => ['Content-Length: 5', chunked], after: () => `0\r\n\r\n${smuggled()}` }],
  [
    'CL.TE with a length that takes everything',
    {
      lines: () => [`Content-Length: ${5 + smuggled().length}`, chunked],
      after: () => `0\r\n\r\n${smuggled()}`,
    },
  ],
  [
    'TE.CL',
    {
      lines: () => [chunked, 'Content-Length: 4'],
      after: () => `${hex(smuggled())}\r\n${smuggled()}\r\n0\r\n\r\n`,
    },
  ],
  ['TE.0', { lines: () => [chunked, 'Content-Length: 0'], after: () => inChunks(smuggled()) }],
  ['TE.TE, the second unknown', encoded(chunked, 'Transfer-Encoding: x')],
  ['TE.TE, the first unknown', encoded('Transfer-Encoding: x', 'Transfer-encoding: chunked')],
  ['TE.TE, twice chunked', encoded(chunked, chunked)],
  ['TE.TE, an identity after it', encoded('Transfer-Encoding: chunked, identity')],
  ['an encoding that is no chunking', encoded('Transfer-Encoding: xchunked')],
  ['an identity', encoded('Transfer-Encoding: identity')],
  ['an encoding within the chunks', encoded('Transfer-Encoding: gzip, chunked')],
  ['an encoding within the chunks, in two lines', encoded('Transfer-Encoding: gzip', chunked)],
  ['an empty encoding before the chunks', encoded('Transfer-Encoding: ,chunked')],
  ['quoted chunks', encoded('Transfer-Encoding: "chunked"')],
  ['chunks with a parameter', encoded('Transfer-Encoding: chunked;q=1')],
  ['a space before the colon', encoded('Transfer-Encoding : chunked')],
  ['a tab before the colon', encoded('Transfer-Encoding\t: chunked')],
  ['a vertical tab before the value', encoded('Transfer-Encoding:\x0bchunked')],
  ['a NUL after the value', encoded('Transfer-Encoding: chunked\0')],
  ['a folded value', encoded('Transfer-Encoding:\r\n chunked')],
  ['a folded line', encoded('X: x\r\n Transfer-Encoding: chunked')],
  ['a header after a bare LF', encoded('X: x\nTransfer-Encoding: chunked')],
  ['a header after a bare CR', encoded('X: x\rTransfer-Encoding: chunked')],
  ['a header that begins with a space', encoded(' Transfer-Encoding: chunked')],
  ['a length and an unknown encoding', encodedAndLong('Transfer-Encoding: xchunked')],
  ['a length and an encoding with a space', encodedAndLong('Transfer-Encoding : chunked')],
  ['two lengths', { ...long(() => ' 1\r\nContent-Length: 2') }],
  ['the same length twice', long((length) => ` ${length}\r\nContent-Length: ${length}`)],
  ['two lengths in one line', long((length) => ` ${length}, ${length}`)],
  ['a length with a plus', long((length) => ` +${length}`)],
  ['a negative length', long((length) => ` -${length}`)],
  ['a length in hexadecimal', long((length) => ` 0x${length.toString(16)}`)],
  ['a length with a space within', long((length) => ` 1 ${length}`)],
  ['a length with a fraction', long((length) => ` ${length}.0`)],
  ['a length with an exponent', long(() => ' 1e1')],
  ['a length beyond 64 bits', long(() => ' 18446744073709551621')],
  ['a length beyond anything', long(() => ` ${'9'.repeat(400)}`)],
  ['an empty length', long(() => '')],
  ['a folded length', long((length) => `\r\n ${length}`)],
  ['bare LF everywhere', { lines: () => [], after: () => '', version: 'HTTP/1.1\nHost: a\n\n' }],
  ['a chunk size with a plus', sized((body) => `+${hex(body)}`)],
  ['a negative chunk size', sized((body) => `-${hex(body)}`)],
  ['a chunk size with 0x', sized((body) => `0x${hex(body)}`)],
  ['a chunk size after a space', sized((body) => ` ${hex(body)}`)],
  ['a chunk size before a space', sized((body) => `${hex(body)} `)],
  ['a chunk size before a tab', sized((body) => `${hex(body)}\t`)],
  ['a chunk size with an underscore', sized((body) => `${hex(body)}_0`)],
  ['a chunk size of 64 bits and more', sized((body) => `1000000000000000${hex(body)}`)],
  ['an empty chunk size', sized(() => '')],
  ['a chunk that is longer than its size', sized((body) => (body.length - 1).toString(16))],
  ['a chunk extension with a bare LF', sized((body) => `${hex(body)};a="\nb"`)],
  ['a chunk extension with a request', sized((body) => `${hex(body)};a="${smuggled()}"`)],
  ['a chunk extension of 20 KiB', sized((body) => `${hex(body)};${'a'.repeat(20 * 1024)}`)],
  ['chunks that end in bare LF', { lines: () => [chunked], after: (body) => `${hex(body)}\n${body}\n0\n\n` }],
  [
    'a last chunk that ends in bare LF',
    { lines: () => [chunked], after: (body) => `${hex(body)}\r\n${body}\r\n0\n\n` },
  ],
  [
    'a trailer that is a length',
    {
      lines: () => [chunked],
      after: (body) => `${hex(body)}\r\n${body}\r\n0\r\nContent-Length: 9\r\n\r\n${smuggled()}`,
    },
  ],
  [
    'a trailer that is an encoding',
    {
      lines: () => [chunked],
      after: (body) => `${hex(body)}\r\n${body}\r\n0\r\n${chunked}\r\n\r\n${smuggled()}`,
    },
  ],
  ['chunks in HTTP/1.0', { ...encoded(chunked, 'Connection: keep-alive'), version: 'HTTP/1.0' }],
  ['chunks in HTTP/1.0 with a length', { ...encoded(chunked, 'Content-Length: 3'), version: 'HTTP/1.0' }],
  ['HTTP/0.9 with headers', { ...long((length) => ` ${length}`), version: 'HTTP/0.9' }],
  ['HTTP/2.0 in a request line', { ...long((length) => ` ${length}`), version: 'HTTP/2.0' }],
];

const oneReading: readonly (readonly [string, (body: string) => Framing])[] = [
  ['a length', () => ({ lines: (body) => [`Content-Length: ${body.length}`], after: (body) => body })],
  [
    'a length with white space around',
    () => ({ lines: (body) => [`Content-Length: \t ${body.length}  `], after: (body) => body }),
  ],
  [
    'a length with leading zeros',
    () => ({ lines: (body) => [`Content-Length: 000${body.length}`], after: (body) => body }),
  ],
  ['chunks', () => ({ lines: () => [chunked], after: inChunks })],
  ['chunks in other letter case', () => ({ lines: () => ['tRANSFER-eNCODING: CHUNKED'], after: inChunks })],
  [
    'chunks of one byte',
    () => ({
      lines: () => [chunked],
      after: (body) => body.replace(/./g, '1\r\n$&\r\n') + '0\r\n\r\n',
    }),
  ],
  ['chunk sizes with leading zeros', () => sized((body) => `0000${hex(body)}`)],
  ['chunk extensions', () => sized((body) => `${hex(body)};a=b;c="d"`)],
  [
    'trailers',
    () => ({
      lines: () => [chunked, 'Trailer: X-Checksum'],
      after: (body) => `${hex(body)}\r\n${body}\r\n0\r\nX-Checksum: 1\r\nAuthorization: Bearer x\r\n\r\n`,
    }),
  ],
  [
    'an encoding that is spelled with an underscore',
    () => ({
      lines: (body) => [`Content-Length: ${body.length}`, 'Transfer_Encoding: chunked'],
      after: (body) => body,
    }),
  ],
];

describe.each(planeNames)('on the plane of %s', (name) => {
  test.each(twoReadings)(
    '%s can be read in two ways, so it is refused',
    async (_what, { lines, after, version }) => {
      const plane = place.planes[name];
      const mark = `two${++count}`;
      const requestLine = `POST ${plane.target(mark)} ${version ?? 'HTTP/1.1'}`;
      const before = place.media.heard.length;
      const outcome = await attack(
        place.url,
        plane,
        head(requestLine, [...plane.lines, ...lines(plane.body)]) + after(plane.body),
      );
      expectRefused(outcome);
      // Whatever plane it came by, the request within would go to the media handler.
      expect(place.media.heard.slice(before).map(({ target }) => target)).not.toContain(
        `/media/${place.call}/smuggled`,
      );
    },
  );

  test.each(oneReading)('%s has one reading, and goes on as it was read', async (_what, framing) => {
    const plane = place.planes[name];
    const mark = `one${++count}`;
    const { lines, after } = framing(plane.body);
    const outcome = await attack(
      place.url,
      plane,
      head(`POST ${plane.target(mark)} HTTP/1.1`, [...plane.lines, ...lines(plane.body)]) + after(plane.body),
    );
    expectForwarded(outcome, { target: plane.target(mark), body: plane.body });
    const names = outcome.heard[0]?.headers.map(([header]) => header) ?? [];
    expect(names.filter((header) => /^(?:trailer|te|x-checksum|transfer_encoding)$/.test(header))).toEqual(
      [],
    );
  });
});

describe('a request within a body', () => {
  test.each(['media', 'signalling'] as const)('of %s stays within it', async (name) => {
    const plane = place.planes[name];
    const body = smuggled();
    for (const [index, framed] of [
      [`Content-Length: ${body.length}`, body],
      [chunked, inChunks(body)],
    ].entries()) {
      const [line = '', after = ''] = framed;
      const target = plane.target(`within${index}`);
      const outcome = await attack(
        place.url,
        plane,
        head(`POST ${target} HTTP/1.1`, [...plane.lines, line]) + after,
      );
      expectForwarded(outcome, { target, body });
    }
  });

  test('of a refused write is never read as one', async () => {
    const refusedAt = `/media/${place.closedCall}/x`;
    const body = smuggled().repeat(20);
    const before = place.media.heard.length;
    for (const [line, after] of [
      [`Content-Length: ${body.length}`, body],
      [chunked, inChunks(body)],
    ] as const) {
      const { answers, heard } = await attack(
        place.url,
        place.planes.media,
        head(`POST ${refusedAt} HTTP/1.1`, [...place.planes.media.lines, line]) + after,
      );
      expect(heard).toEqual([]);
      // The second is the farewell: the connection is still in step.
      expect(answers.map(({ headers }) => headers['tallylight-reason'])).toEqual([
        'RecordingNotActive',
        'TokenMissing',
      ]);
    }
    expect(place.media.heard.slice(before).map(({ target }) => target)).not.toContain(
      `/media/${place.call}/smuggled`,
    );
  });
});
