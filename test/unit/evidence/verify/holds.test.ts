import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { HoldLine, LineContent } from '../../../../src/core/call/evidence-lines.ts';
import { emptyHead, encodeLine } from '../../../../src/evidence/journal/journal.ts';
import { reportText } from '../../../../src/evidence/verify/text-report.ts';
import { type Report, verifyJournal } from '../../../../src/evidence/verify/verify.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-verify-'));
});
afterAll(() => rm(directory, { recursive: true }));

const at = '2026-01-31T12:00:00.000Z';
const tenant = '11111111-1111-1111-1111-111111111111';

const set = (number: number, changes: Partial<HoldLine> = {}): LineContent => ({
  hold: {
    ...{ version: 1, act: 'set', id: `hold-${number}`, number, scope: { tenant }, closedUpTo: null, at },
    ...{ reason: 'legal', by: { issuer: 'local', subject: 'local' }, instance: 'one' },
    ...changes,
  },
});
const released = (number: number, of: number, changes: Partial<HoldLine> = {}): LineContent =>
  set(number, { act: 'released', id: `hold-${of}`, closedUpTo: 5, ...changes });
const moved: LineContent = { moved: { version: 1, at, instance: 'one', from: 'before' } };

async function verify(
  contents: readonly LineContent[],
  options: Parameters<typeof verifyJournal>[1] = {},
): Promise<Report> {
  let head = emptyHead;
  const texts = contents.map((content) => {
    const line = encodeLine(head, content);
    head = line.head;
    return line.text;
  });
  const path = join(directory, 'evidence-2026-01-31.jsonl');
  await writeFile(path, texts.join(''));
  return verifyJournal([path], options);
}

describe('lines about holds', () => {
  test('are counted, and those that stand are named', async () => {
    const report = await verify([set(1), set(2, { scope: { all: true } }), released(3, 1)]);
    expect(report).toMatchObject({ ok: true, holdsSet: 2, holdsReleased: 1 });
    expect(report.standingHolds).toMatchObject([{ id: 'hold-2', number: 2, scope: { all: true } }]);
    expect(reportText(report)).toContain('2 holds set by operators, 1 releases');
    expect(reportText(report)).toContain(`hold hold-2 on all calls has stood since ${at}`);
  });

  test.each<[string, readonly LineContent[], RegExp]>([
    ['a line is missing', [set(1), released(3, 1)], /number 2 of the holds/],
    ['the first is missing', [set(2)], /number 1 of the holds/],
    ['a number comes twice', [set(1), set(1, { id: 'other' })], /number 2 of the holds/],
    ['it stands already', [set(1), set(2, { id: 'hold-1' })], /does not stand yet/],
    ['it does not stand', [released(1, 7)], /the release of a hold that stands/],
    ['the scope is another', [set(1), released(2, 1, { scope: { all: true } })], /a hold on tenant/],
    ['a release closes up to nothing', [set(1), released(2, 1, { closedUpTo: null })], /in a release/],
    ['a hold closes up to an epoch', [set(1, { closedUpTo: 1 })], /null in a hold/],
    ['the scope is none', [set(1, { scope: {} as never })], /one of \{"all":true\}/],
    ['the scope is two', [set(1, { scope: { tenant, app: tenant } as never })], /one of \{"all":true\}/],
    ['who is not known', [set(1, { by: { issuer: 'one' } as never })], /by.subject: a text/],
    ['more is said of who', [set(1, { by: { issuer: 'a', subject: 'b', name: 'c' } as never })], /in by/],
    ['the act is another', [set(1, { act: 'paused' as never })], /one of set, released/],
    ['the version is another', [set(1, { version: 2 as never })], /supports only this version/],
  ])('do not fit where %s', async (_, contents, expected) => {
    const { misfit } = await verify(contents);
    expect(misfit?.expected).toMatch(expected);
  });

  test('may begin in the middle after a move, where those that stand are written again', async () => {
    expect(await verify([moved, set(4), set(9), released(10, 4)])).toMatchObject({ ok: true });
    expect(await verify([set(1), moved, set(1), released(2, 1)])).toMatchObject({ ok: true });
    expect(await verify([moved, set(4), set(4, { id: 'other' })])).toMatchObject({ ok: false });
  });

  test('may begin in the middle where earlier files are elsewhere, and come again after a loss', async () => {
    expect(await verify([set(1), set(1, { id: 'other' })], { storeLost: true })).toMatchObject({ ok: true });
  });
});
