import cluster from 'node:cluster';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { WorkerProcess } from '../../../src/server/workers/worker-process.ts';
import type { WorkerConfig } from '../../../src/server/workers/messages.ts';

/** Without a turn of the event loop: whoever looks has not yet been told that the process is gone. */
function killUnheard(pid: number): void {
  process.kill(pid, 'SIGKILL');
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
}

test('a worker that is spoken to after its death, before that is known, is gone like any other', async () => {
  cluster.setupPrimary({ exec: fileURLToPath(new URL('../../support/idle-worker.mjs', import.meta.url)) });
  const workerProcess = new WorkerProcess({} as WorkerConfig, {
    onTrial: false,
    readyWithinMs: 0,
    onFinalMetrics: () => undefined,
  });
  const worker = cluster.workers![workerProcess.id]!;
  await once(worker, 'message');
  killUnheard(worker.process.pid!);
  workerProcess.send({ kind: 'retire' });
  expect(await workerProcess.gone).toEqual({ code: null, signal: 'SIGKILL' });
  expect(await workerProcess.listening).toBeUndefined();
});
