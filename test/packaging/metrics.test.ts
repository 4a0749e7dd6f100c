import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { createMeter, createPrimaryMeter } from '../../src/metrics/metrics.ts';
import { createRegistry, reportBuild, reportLog } from '../../src/metrics/process.ts';
import { createConsoleMeter } from '../../src/metrics/console-meter.ts';
import { metricsTable } from '../../src/metrics/table.ts';
import { WorkerMetrics } from '../../src/metrics/workers.ts';
import { eventually } from '../support/eventually.ts';

/** What Prometheus says of an exposition, a line for each problem. */
function problemsOf(text: string): string[] {
  const { stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
}

/** Everything that is reported by anybody, with a value: as a process with workers serves it. */
async function everything(): Promise<string> {
  const worker = createRegistry();
  const meter = createMeter(worker);
  meter.requests('control', { inFlight: 1, limit: 2 });
  meter.storeCommand('ping', 0.1, true);
  meter.storeClock(1, 'forward');
  meter.storeMemory({ usedBytes: 1, limitBytes: 2 });
  meter.keySetFetch('keys', true);
  meter.graphCredentialRequest('client', true);
  meter.certificate('server', Date.now());
  meter.redisToken({ expiresAt: Date.now() });
  meter.loaded('policies');
  meter.evidence({ waiting: 1, oldestSeconds: 1, written: 1 });
  meter.evidenceBacklog({ bytes: 1, exceeded: false });
  meter.evidenceFree(1);
  meter.calls({ recording: 1 });
  meter.graphAnswer('updateRecordingStatus', 200, 1);
  meter.decision('media', 'admitted');
  meter.observing(Date.now());
  const own = createRegistry();
  reportBuild(own, '1.2.3');
  reportLog(own, () => ({ droppedLines: 0, waitingBytes: 0 }));
  createConsoleMeter(own).journal(() => 0);
  createPrimaryMeter(own).workers({ starting: 0, serving: 1, leaving: 0 });
  const isMeasured = async (): Promise<boolean> => /^tallylight_event_loop_lag_/m.test(await own.metrics());
  await eventually(isMeasured);
  const numbers = new WorkerMetrics();
  numbers.add(1, await worker.getMetricsAsJSON(), true);
  return numbers.text(own);
}

test('promtool finds nothing wrong with any metric of ours', async () => {
  const text = await everything();
  const served = [...text.matchAll(/^# TYPE (tallylight_\S+) /gm)].map(([, name]) => name);
  expect(served.sort()).toEqual(metricsTable.map(({ name }) => name).sort());
  for (const { name } of metricsTable) expect(text).toMatch(new RegExp(`^${name}(_count)?[ {]`, 'm'));
  expect(problemsOf(text).filter((line) => line.includes('tallylight_'))).toEqual([]);
});

test('promtool does find what is wrong', () => {
  const text = '# HELP tallylight_things Things.\n# TYPE tallylight_things counter\ntallylight_things 1\n';
  expect(problemsOf(text)).toEqual([expect.stringContaining('_total')]);
  expect(problemsOf('tallylight_x{a="b} 1\n')).toEqual([expect.stringContaining('error')]);
});
