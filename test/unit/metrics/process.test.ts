import { expect, test } from '@jest/globals';
import { eventLoopLag } from '../../../src/metrics/event-loop-lag.ts';
import { createRegistry, reportLog } from '../../../src/metrics/process.ts';
import { eventually } from '../../support/eventually.ts';

async function valueOf(registry: ReturnType<typeof createRegistry>, name: string): Promise<number> {
  const line = (await registry.metrics()).split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1));
}

/** Keeps the event loop from doing anything else. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const lag = 'tallylight_event_loop_lag_seconds';
const active = 'tallylight_event_loop_active_seconds_total';

test('the lag of the event loop is near 0 when nothing holds it up, and otherwise how long it was held up', async () => {
  const read = eventLoopLag(300);
  expect(read()).toBeUndefined();
  const isNear0 = (): boolean => (read() ?? Infinity) < 0.05;
  // The time between two looks, a tenth of a second, is no part of it.
  await eventually(isNear0);
  block(1000);
  await eventually(() => (read() ?? 0) > 0.7);
  await eventually(isNear0);
});

test('it is served once it is known', async () => {
  const registry = createRegistry();
  await eventually(async () => Number.isFinite(await valueOf(registry, lag)));
});

test('the time for which it was busy only grows', async () => {
  const registry = createRegistry();
  const before = await valueOf(registry, active);
  block(500);
  await eventually(async () => (await valueOf(registry, active)) >= before + 0.4);
});

test('no number of the process is a constant that looks like a lag', async () => {
  const text = await createRegistry().metrics();
  expect(text).not.toMatch(/nodejs_eventloop_lag_(min|max|mean|p50)/);
  expect(text).toContain('nodejs_eventloop_lag_seconds');
});

test('lines that the log lost are counted, and those that wait are shown as they are now', async () => {
  const registry = createRegistry();
  let backlog = { droppedLines: 0, waitingBytes: 0 };
  reportLog(registry, () => backlog);
  const read = async (): Promise<(string | undefined)[]> => {
    const text = await registry.metrics();
    return ['lines_dropped_total', 'waiting_bytes'].map(
      (name) => new RegExp(`^tallylight_log_${name} (.+)$`, 'm').exec(text)?.[1],
    );
  };
  expect(await read()).toEqual(['0', '0']);
  backlog = { droppedLines: 3, waitingBytes: 8000 };
  expect(await read()).toEqual(['3', '8000']);
  backlog = { droppedLines: 5, waitingBytes: 0 };
  expect(await read()).toEqual(['5', '0']);
});
