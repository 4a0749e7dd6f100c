import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameScanner } from '../../../../src/core/http/frame-scanner.ts';
import { closeFrame, frameOf, opcodes } from '../../../../src/core/http/websocket.ts';

const mask = Buffer.from([1, 2, 3, 4]);
const data = (length: number, opcode: number = opcodes.binary): Buffer =>
  frameOf(opcode, Buffer.alloc(length, length), mask);
/** The first frame of a message that goes on. */
const first = (length: number): Buffer => {
  const frame = data(length);
  frame[0] = opcodes.binary;
  return frame;
};

/** A frame, and what of it counts. */
interface Sample {
  readonly bytes: Buffer;
  readonly payload: number;
}

const sample = (bytes: Buffer, payload = 0): Sample => ({ bytes, payload });
const lengths = fc.oneof(fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, 70_000), fc.nat({ max: 400 }));
/** Whole messages, in one frame or in several, with control frames anywhere between. */
const messages: fc.Arbitrary<Sample[]> = fc
  .array(
    fc.oneof(
      lengths.map((length) => [sample(data(length), length)]),
      fc.nat({ max: 125 }).map((length) => [sample(data(length, opcodes.ping))]),
      fc
        .tuple(lengths, fc.nat({ max: 125 }), lengths)
        .map(([one, ping, other]) => [
          sample(first(one), one),
          sample(data(ping, opcodes.pong)),
          sample(data(other, opcodes.continuation), other),
        ]),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.flat());

/** Cuts bytes into chunks: sizes in turn, over and over. */
function split(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}
const sizes = fc.array(fc.oneof(fc.constantFrom(1, 2, 7, 65_536), fc.integer({ min: 1, max: 300 })), {
  minLength: 1,
  maxLength: 20,
});

const scanned = (scanner: FrameScanner, chunk: Buffer, onlyCurrent = false): Buffer => {
  const count = scanner.scan(chunk, onlyCurrent);
  return Buffer.concat([scanner.released ?? Buffer.alloc(0), chunk.subarray(0, count)]);
};
const passed = (scanner: FrameScanner, chunks: readonly Buffer[]): Buffer =>
  Buffer.concat(chunks.map((chunk) => scanned(scanner, chunk)));

const join = (samples: readonly Sample[]): Buffer => Buffer.concat(samples.map(({ bytes }) => bytes));
const payloadOf = (samples: readonly Sample[]): number =>
  samples.reduce((sum, { payload }) => sum + payload, 0);

describe('the frames of a client', () => {
  test('go on byte for byte, however they are split, and are counted', () => {
    fc.assert(
      fc.property(messages, sizes, (samples, cuts) => {
        const scanner = new FrameScanner('client');
        const bytes = join(samples);
        expect(passed(scanner, split(bytes, cuts)).equals(bytes)).toBe(true);
        expect(scanner.wrong).toBeUndefined();
        expect([scanner.frames, scanner.payload]).toEqual([samples.length, payloadOf(samples)]);
        expect([scanner.isBetweenFrames, scanner.closed]).toEqual([true, false]);
      }),
    );
  });

  test('end with a Close frame: nothing that follows goes on', () => {
    fc.assert(
      fc.property(messages, messages, sizes, (before, after, cuts) => {
        const scanner = new FrameScanner('client');
        const close = closeFrame(1000, 'done', mask);
        const bytes = Buffer.concat([join(before), close, join(after)]);
        const expected = Buffer.concat([join(before), close]);
        expect(passed(scanner, split(bytes, cuts)).equals(expected)).toBe(true);
        expect([scanner.closed, scanner.isBetweenFrames]).toEqual([true, true]);
        expect([scanner.frames, scanner.payload]).toEqual([before.length + 1, payloadOf(before)]);
      }),
    );
  });

  test('stop at the end of the frame in flight, wherever that is asked', () => {
    fc.assert(
      fc.property(messages, sizes, fc.nat(), (samples, cuts, turn) => {
        const scanner = new FrameScanner('client');
        const chunks = split(join(samples), cuts);
        const at = chunks.length === 0 ? 0 : turn % chunks.length;
        const before = passed(scanner, chunks.slice(0, at));
        const asked = Buffer.concat(chunks.slice(at).map((chunk) => scanned(scanner, chunk, true)));
        const ends = samples.reduce<number[]>((all, one) => [...all, all.at(-1)! + one.bytes.length], [0]);
        expect(before.length + asked.length).toBe(ends.find((end) => end >= before.length));
        expect(scanner.isBetweenFrames).toBe(true);
      }),
    );
  });
});

const bad = (first: number, second: number, more = 20): Buffer =>
  Buffer.concat([Buffer.from([first, second]), Buffer.alloc(more)]);

describe('a frame that breaks the rules', () => {
  const kinds: readonly (readonly [string, Buffer, string])[] = [
    ['no mask', frameOf(opcodes.binary, Buffer.from('x')), 'a frame is not masked'],
    ['a reserved bit', bad(0xc2, 0x81), 'a reserved bit is set'],
    ['the second reserved bit', bad(0xa2, 0x81), 'a reserved bit is set'],
    ['the third reserved bit', bad(0x92, 0x81), 'a reserved bit is set'],
    ['a reserved data opcode', bad(0x83, 0x81), 'a reserved opcode is used'],
    ['a reserved control opcode', bad(0x8b, 0x81), 'a reserved opcode is used'],
    ['a ping of 126 bytes', bad(0x89, 0xfe), 'a control frame is fragmented or too long'],
    ['a ping in parts', bad(0x09, 0x80), 'a control frame is fragmented or too long'],
    ['half a close code', bad(0x88, 0x81), 'a Close frame has a body of one byte'],
    ['a continuation of nothing', bad(0x80, 0x81), 'a continuation frame is missing or unexpected'],
    [
      'a length over 2^53',
      Buffer.concat([Buffer.from([0x82, 0xff, 0, 0x20]), Buffer.alloc(30)]),
      'a payload length is too large',
    ],
    [
      'a negative length',
      Buffer.concat([Buffer.from([0x82, 0xff, 0x80]), Buffer.alloc(30)]),
      'a payload length is too large',
    ],
  ];
  test.each(kinds)('by %s: no byte of it goes on, and none after it', (_what, bytes, wrong) => {
    fc.assert(
      fc.property(messages, sizes, (before, cuts) => {
        const scanner = new FrameScanner('client');
        const good = join(before);
        expect(passed(scanner, split(Buffer.concat([good, bytes, data(5)]), cuts)).equals(good)).toBe(true);
        expect(scanner.wrong).toBe(wrong);
        expect([scanner.frames, scanner.isBetweenFrames]).toEqual([before.length, true]);
      }),
      { numRuns: 25 },
    );
  });

  /** The header of a frame whose length is spelled with so many bytes. */
  const spelled = (length: number, bytes: 2 | 8, masked: boolean): Buffer => {
    const header = Buffer.alloc(2 + bytes + (masked ? 4 : 0));
    header[0] = 0x82;
    header[1] = (masked ? 0x80 : 0) | (bytes === 2 ? 126 : 127);
    if (bytes === 2) header.writeUInt16BE(length, 2);
    else header.writeBigUInt64BE(BigInt(length), 2);
    return header;
  };

  test('by a length that could be written shorter, in either direction, however it is split', () => {
    const spelling = fc.oneof(
      fc.tuple(fc.oneof(fc.constantFrom(0, 125, 126, 65_535), fc.nat(65_535)), fc.constant(2 as const)),
      fc.tuple(
        fc.oneof(fc.constantFrom(0, 125, 126, 65_535, 65_536, 2 ** 53 - 1), fc.nat(200_000)),
        fc.constant(8 as const),
      ),
    );
    const counts = { minimal: 0, wrong: 0 };
    fc.assert(
      fc.property(spelling, sizes, fc.boolean(), ([length, bytes], cuts, masked) => {
        const header = spelled(length, bytes, masked);
        const payload = Buffer.alloc(Math.min(length, 300));
        const scanner = new FrameScanner(masked ? 'client' : 'handler');
        const went = passed(scanner, split(Buffer.concat([header, payload]), cuts));
        const minimal = length >= (bytes === 2 ? 126 : 65_536);
        expect(scanner.wrong).toBe(minimal ? undefined : 'a payload length is not minimally encoded');
        expect(went.equals(minimal ? Buffer.concat([header, payload]) : Buffer.alloc(0))).toBe(true);
        counts[minimal ? 'minimal' : 'wrong'] += 1;
      }),
      { numRuns: 500 },
    );
    expect(Math.min(counts.minimal, counts.wrong)).toBeGreaterThan(50);
  });

  test('by beginning a message within another', () => {
    const scanner = new FrameScanner('client');
    expect(passed(scanner, [first(3), data(3)])).toEqual(first(3));
    expect(scanner.wrong).toBe('a continuation frame is missing or unexpected');
  });

  test('of a handler, by a mask', () => {
    const scanner = new FrameScanner('handler');
    const plain = frameOf(opcodes.text, Buffer.from('hello'));
    expect(passed(scanner, split(Buffer.concat([plain, data(1)]), [1]))).toEqual(plain);
    expect([scanner.wrong, scanner.isBetweenFrames]).toEqual(['a frame is masked', true]);
  });
});

test('the longest frame that may be is followed to where it is broken off', () => {
  const scanner = new FrameScanner('client');
  const header = Buffer.from([0x82, 0xff, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
  const chunks = [header.subarray(0, 13), header.subarray(13), Buffer.alloc(100_000)];
  expect(passed(scanner, chunks)).toHaveLength(100_014);
  expect([scanner.frames, scanner.payload, scanner.isBetweenFrames]).toEqual([0, 100_000, false]);
});
