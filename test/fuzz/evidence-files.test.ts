import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { LineContent } from '../../src/core/call/evidence-lines.ts';
import { emptyHead, encodeLine } from '../../src/evidence/journal/journal.ts';
import { verifyJournal } from '../../src/evidence/verify/verify.ts';
import { contents, interleaved, refusedWrites } from '../support/evidence/history.ts';
import { cases } from './cases.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallylight-fuzz-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function journal(): { readonly lines: readonly string[]; readonly head: string } {
  let head = emptyHead;
  const [first, second, ...others] = contents(interleaved(2, 1));
  const at = '2026-01-31T12:00:00.000Z';
  const parts: readonly LineContent[] = [
    { moved: { version: 1, at, instance: 'process-1', from: 'another' } },
    first!,
    { refusedWrites: refusedWrites() },
    second!,
    { repair: { version: 1, at, instance: 'process-1', cut: null } },
    ...others,
    {
      refusedWrites: refusedWrites({
        number: 2,
        last: true,
        countsLost: [{ instance: 'process-2', number: 0 }],
      }),
    },
  ];
  const lines = parts.map((part) => {
    const line = encodeLine(head, part);
    head = line.head;
    return line.text;
  });
  return { lines, head: head.hash ?? '' };
}
const { lines, head } = journal();
const whole: Buffer = Buffer.from(lines.join(''));
const line = fc.nat(lines.length - 1);

/** One way to tamper with the bytes. */
const tampering: fc.Arbitrary<(bytes: Buffer) => Buffer> = fc.oneof(
  fc.tuple(fc.nat(whole.length), fc.integer({ min: 1, max: 255 })).map(([at, by]) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    if (at < copy.length) copy[at] = copy[at]! ^ by;
    return copy;
  }),
  fc.tuple(fc.nat(whole.length), fc.nat(200)).map(
    ([at, length]) =>
      (bytes: Buffer) =>
        Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]),
  ),
  fc
    .tuple(
      fc.nat(whole.length),
      fc.oneof(
        fc.uint8Array({ maxLength: 8 }),
        fc.constantFrom('\n', '{}', ' ', '\u0000', '\r', '"a":1,', '\ufeff').map((text) => Buffer.from(text)),
      ),
    )
    .map(
      ([at, put]) =>
        (bytes: Buffer) =>
          Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at)]),
    ),
  fc.tuple(line, line).map(([one, other]) => (bytes: Buffer) => {
    const texts = bytes.toString('latin1').split(/(?<=\n)/);
    [texts[one], texts[other]] = [texts[other] ?? '', texts[one] ?? ''];
    return Buffer.from(texts.join(''), 'latin1');
  }),
  fc.tuple(line, fc.constantFrom('', 'twice')).map(([at, how]) => (bytes: Buffer) => {
    const texts = bytes.toString('latin1').split(/(?<=\n)/);
    texts.splice(at, 1, ...(how === '' ? [] : [texts[at] ?? '', texts[at] ?? '']));
    return Buffer.from(texts.join(''), 'latin1');
  }),
  fc.nat(whole.length).map((at) => (bytes: Buffer) => bytes.subarray(0, at)),
  fc.tuple(fc.constantFrom('"epoch":', '"seq":', '"bytes":', '"at":"'), fc.nat(9)).map(
    ([field, digit]) =>
      (bytes: Buffer) =>
        Buffer.from(bytes.toString().replace(new RegExp(`(${field})\\d`), `$1${digit}`)),
  ),
);
const tampered = fc
  .array(tampering, { minLength: 1, maxLength: 3 })
  .map((ways) => ways.reduce<Buffer>((bytes, way) => way(bytes), whole));

async function verify(bytes: Buffer, options: Parameters<typeof verifyJournal>[1]) {
  const file = join(directory, 'evidence-2026-01-31.jsonl');
  writeFileSync(file, bytes);
  return verifyJournal([file], options);
}

describe('evidence that somebody has edited', () => {
  test('never fits its head, and the verifier says so in a report', async () => {
    expect((await verify(whole, { expectHead: head })).ok).toBe(true);
    await fc.assert(
      fc.asyncProperty(tampered, async (bytes) => {
        const report = await verify(bytes, { expectHead: head });
        expect(report.ok).toBe(bytes.equals(whole));
        if (!report.ok) expect(report.misfit?.expected.length).toBeGreaterThan(0);
      }),
      cases(1 / 2),
    );
  });

  test('fits without a head only as a beginning of itself', async () => {
    await fc.assert(
      fc.asyncProperty(tampered, async (bytes) => {
        const report = await verify(bytes, {});
        const isBeginning =
          whole.subarray(0, bytes.length).equals(bytes) && (bytes.length === 0 || bytes.at(-1) === 0x0a);
        expect(report.ok).toBe(isBeginning);
      }),
      cases(1 / 2),
    );
  });

  test('is no fault of the verifier, whatever it may leave open', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          tampered,
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        ),
        fc.boolean(),
        fc.boolean(),
        async (bytes, partial, storeLost) => {
          const report = await verify(bytes, { partial, storeLost });
          // What it takes is made of lines that were written.
          const known = new Set(lines);
          if (report.ok)
            expect(
              bytes
                .toString()
                .split(/(?<=\n)/)
                .filter((text) => text !== '' && !known.has(text)),
            ).toEqual([]);
        },
      ),
      cases(1 / 4),
    );
  });
});
