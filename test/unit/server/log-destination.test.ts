import { afterEach, expect, test } from '@jest/globals';
import type { LogBacklog } from '../../../src/core/ports/log.ts';
import { createLog } from '../../../src/server/log.ts';
import { logDestination } from '../../../src/server/log-destination.ts';
import { eventually } from '../../support/eventually.ts';
import { type Fifo, openFifo } from '../../support/fifo.ts';

const opened: Fifo[] = [];
afterEach(() => {
  for (const fifo of opened.splice(0)) fifo.close();
});

function fifo(): Fifo {
  const made = openFifo();
  opened.push(made);
  return made;
}

test('lines for a reader that stands still wait; those beyond the limit are dropped, and that is told', async () => {
  const pipe = fifo();
  const log = createLog('info', logDestination(pipe.fd));
  const backlog = (): LogBacklog | undefined => log.backlog?.();
  log.info({}, 'first');
  await eventually(() => pipe.lines.length === 1 && backlog()?.waitingBytes === 0);
  expect(backlog()?.droppedLines).toBe(0);
  pipe.standStill();
  const padding = 'x'.repeat(100_000);
  for (let count = 0; count < 100; count += 1) log.info({ count, padding }, 'many');
  const before = backlog();
  expect(before?.waitingBytes).toBeGreaterThan(7_000_000);
  expect(before?.waitingBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
  pipe.readOn();
  const lost = (): string | undefined => pipe.lines.find((line) => line.includes('log lines were dropped'));
  await eventually(() => lost() !== undefined);
  const counted = (JSON.parse(lost() ?? '') as { lines: number }).lines;
  expect(counted).toBeGreaterThan(10);
  expect(before?.droppedLines).toBe(counted);
  await eventually(() => backlog()?.waitingBytes === 0);
  expect(pipe.lines.filter((line) => line.includes('"many"'))).toHaveLength(100 - counted);
});

test('a reader that is gone when a line is written ends nothing', async () => {
  const pipe = openFifo();
  const log = createLog('info', logDestination(pipe.fd));
  pipe.close();
  for (let count = 0; count < 3; count += 1) {
    log.info({ count }, 'to nobody');
    await new Promise(setImmediate);
  }
  // What nobody reads is known to wait.
  expect(log.backlog?.().waitingBytes).toBeGreaterThan(0);
});
