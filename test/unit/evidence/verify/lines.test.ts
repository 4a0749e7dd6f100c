import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CallKey } from '../../../../src/core/call/key.ts';
import type { LineContent, RefusedWrites } from '../../../../src/core/call/evidence-lines.ts';
import { emptyHead, encodeLine } from '../../../../src/evidence/journal/journal.ts';
import { reportText } from '../../../../src/evidence/verify/text-report.ts';
import { verifyJournal, type Report } from '../../../../src/evidence/verify/verify.ts';
import { contents, History, refusedWrites } from '../../../support/evidence/history.ts';

let file: string;
beforeAll(async () => {
  file = join(await mkdtemp(join(tmpdir(), 'tallylight-verify-')), 'evidence-2026-01-31.jsonl');
});
afterAll(() => rm(join(file, '..'), { recursive: true }));

async function verifyText(text: string): Promise<Report> {
  await writeFile(file, text);
  return verifyJournal([file]);
}

describe('lines without a call', () => {
  const sealed = (...parts: LineContent[]): string => {
    let head = emptyHead;
    return parts
      .map((part) => {
        const line = encodeLine(head, part);
        head = line.head;
        return line.text;
      })
      .join('');
  };
  const refused = (changes: Partial<RefusedWrites> = {}): LineContent => ({
    refusedWrites: refusedWrites(changes),
  });

  test('about refused writes are summed up', async () => {
    const text = sealed(
      refused(),
      refused({ number: 2, by: null, refused: { TokenExpired: 2 }, last: true }),
    );
    expect(await verifyText(text)).toMatchObject({ ok: true, lines: 2, records: 0, refusedWrites: 5 });
  });

  test('about observed writes are summed up apart, and make the verdict of the calls that they name', async () => {
    const observed = { RecordingNotActive: 4, StoreUnavailable: 1 };
    const report = await verifyText(sealed(refused({ refused: {}, observed }), refused({ number: 2 })));
    expect(report).toMatchObject({ ok: true, refusedWrites: 3, observedWrites: 5, notEnforced: 1 });
    expect(reportText(report)).toContain('It does not show that the laws were kept');
    expect(reportText(await verifyText(sealed(refused())))).not.toMatch(/enforced|observed/);
  });

  test.each<[string, LineContent[], string]>([
    ['skip a number', [refused(), refused({ number: 3 })], 'number 2'],
    ['begin later', [refused({ number: 2 })], 'number 1'],
    ['repeat one', [refused(), refused()], 'number 2'],
    ['go on after the last', [refused({ last: true }), refused({ number: 2 })], 'no line after the final'],
    ['have another version', [refused({ version: 2 as 1 })], 'refusedWrites.version'],
    ['count nothing', [refused({ refused: { TokenExpired: 0 } })], 'refusedWrites.refused'],
    ['observe nothing', [refused({ observed: { RecordingNotActive: 0 } })], 'refusedWrites.observed'],
    ['name no call', [refused({ calls: ['x' as CallKey] })], 'refusedWrites.calls'],
    ['name no instance that is gone', [refused({ countsLost: [{ instance: '', number: 0 }] })], 'countsLost'],
  ])('are refused if they %s', async (_, parts, expected) => {
    expect((await verifyText(sealed(...parts))).misfit).toMatchObject({
      expected: expect.stringContaining(expected),
    });
  });

  test('say of whom counts may be lost, unless it lived on', async () => {
    const gone = { countsLost: [{ instance: 'process-1', number: 1 }] };
    const told = [refused(), refused({ instance: 'process-2', ...gone })];
    expect(await verifyText(sealed(...told))).toMatchObject({ ok: true, countsLost: 1 });
    expect(await verifyText(sealed(...told, refused({ number: 2 })))).toMatchObject({
      ok: true,
      countsLost: 0,
    });
  });

  test('of a kind that is not known are refused', async () => {
    const report = await verifyText(sealed({ novelty: { version: 1 } } as unknown as LineContent));
    expect(report.misfit).toMatchObject({
      line: 1,
      expected: expect.stringContaining('only these fields in line'),
    });
  });

  test('that say that the evidence was elsewhere let calls go on from there, and no others', async () => {
    const { records } = new History(1).recording().recording();
    const moved = {
      moved: { version: 1, at: records[0]!.at, instance: 'process-1', from: 'another' },
    } as const;
    const later = contents(records.slice(6));
    expect(await verifyText(sealed(...later))).toMatchObject({ ok: false });
    expect(await verifyText(sealed(moved, ...later))).toMatchObject({ ok: true, moves: 1, records: 6 });
    const early = contents(records.slice(0, 3));
    expect(await verifyText(sealed(...early, moved, ...later))).toMatchObject({ ok: true });
    expect(await verifyText(sealed(moved, ...early, ...later))).toMatchObject({ ok: false });
  });
});
