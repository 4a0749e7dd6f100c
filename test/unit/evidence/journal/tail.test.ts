import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { encodeLine, emptyHead } from '../../../../src/evidence/journal/journal.ts';
import { verifyJournal } from '../../../../src/evidence/verify/verify.ts';
import { History, who } from '../../../support/evidence/history.ts';

test('a store that lost the last changes goes on from an earlier record, if it is said that it lost data', async () => {
  const call = new History(1).happens({ type: 'bound', binding: who });
  call.happens({ type: 'startRequested', hold: { token: 'handler', forMs: 1000 } });
  call.happens({ type: 'startConfirmed', token: 'handler', epoch: call.state.epoch, binding: who });
  const kept = call.state;
  call.happens({ type: 'stopRequested', hold: { token: 'stop', forMs: 1000 } });
  call.happens({ type: 'drained', hold: { token: 'stop', forMs: 1000 } });
  call.happens({ type: 'stopConfirmed', token: 'stop' });
  // The stop is in the journal, and forgotten in the store.
  call.state = kept;
  call.now += 60_000;
  call.happens({ type: 'stopRequested', hold: { token: 'again', forMs: 1000 } });
  call.happens({ type: 'drained', hold: { token: 'again', forMs: 1000 } });
  call.happens({ type: 'stopConfirmed', token: 'again' });
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-tail-'));
  const file = join(directory, 'evidence-2026-01-31.jsonl');
  let head = emptyHead;
  let text = '';
  for (const record of call.records) {
    const line = encodeLine(head, { record: record });
    text += line.text;
    head = line.head;
  }
  await writeFile(file, text);
  expect((await verifyJournal([file])).misfit).toMatchObject({ line: 7 });
  expect(await verifyJournal([file], { storeLost: true })).toMatchObject({
    ok: true,
    begunAnew: 1,
    intervals: 1,
    openIntervals: 0,
  });
  await rm(directory, { recursive: true });
});
