import { expect, test } from '@jest/globals';
import { type CallKey, parseCallKey } from '../../../src/core/call/key.ts';
import type { ActivityBatch } from '../../../src/core/ports/activity.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import { Activity } from '../../../src/gate/activity.ts';
import { Grant, Write } from '../../../src/gate/write.ts';
import { memoryActivity } from '../../../src/store/memory-activity.ts';
import { silentLog } from '../../support/world.ts';

const call = (digit: string): CallKey => parseCallKey(digit.repeat(32))!;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock that is moved by hand. */
function handClock(): { readonly clock: Clock; readonly move: (ms: number) => Promise<void> } {
  let now = 0;
  let due: { readonly at: number; readonly run: () => void }[] = [];
  return {
    clock: {
      now: () => now,
      after(ms, run) {
        const timer = { at: now + ms, run };
        due.push(timer);
        return () => void (due = due.filter((each) => each !== timer));
      },
    },
    async move(ms) {
      now += ms;
      const ready = due.filter(({ at }) => at <= now);
      due = due.filter(({ at }) => at > now);
      for (const { run } of ready) run();
      await settled();
    },
  };
}

function upload(grant: Grant, bytes: number): void {
  const write = new Write(grant, 'write', () => true);
  write.addBytes(bytes);
  write.end(true);
}

test('an instance publishes what moves while somebody looks, and nothing otherwise', async () => {
  const feed = memoryActivity();
  const { clock, move } = handClock();
  const grants = [new Grant(call('a'), 'session', { epoch: 7, binding: null }, 0)];
  const activity = new Activity({ feed, clock, log: silentLog, newId: () => 'one' }, () => grants);
  const heard: ActivityBatch[] = [];
  await feed.onActivity((batch) => heard.push(batch));
  await activity.open();
  upload(grants[0]!, 100);
  activity.refused(call('b'), 'RecordingNotActive');
  await move(1000);
  expect(heard).toEqual([]);

  await feed.watch();
  await settled();
  await move(0);
  const total = { epoch: 7, writes: 1, bytes: 100 };
  const still = { call: call('a'), writes: 0, bytes: 0, refused: 0, lastRefusal: null };
  expect(heard.splice(0)).toEqual([{ instance: 'one', calls: [{ ...still, total }] }]);

  upload(grants[0]!, 20);
  activity.refused(call('b'), 'StoreUnavailable');
  activity.refused(call('b'), 'RecordingNotActive');
  await move(1000);
  expect(heard.splice(0)).toEqual([
    {
      instance: 'one',
      calls: [
        { ...still, writes: 1, bytes: 20, total: { epoch: 7, writes: 2, bytes: 120 } },
        { ...still, call: call('b'), refused: 2, lastRefusal: 'RecordingNotActive', total: null },
      ],
    },
  ]);
  await move(1000);
  expect(heard).toEqual([]);

  for (let second = 0; second < 20; second++) await move(1000);
  upload(grants[0]!, 5);
  await move(1000);
  expect(heard).toEqual([]);
  activity.close();
  await feed.watch();
  await settled();
  await move(1000);
  expect(heard).toEqual([]);
});
