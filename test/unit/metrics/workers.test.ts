import { describe, expect, test } from '@jest/globals';
import type { Meter } from '../../../src/core/ports/meter.ts';
import { createMeter, createPrimaryMeter } from '../../../src/metrics/metrics.ts';
import { createRegistry, reportBuild } from '../../../src/metrics/process.ts';
import type { MetricRow } from '../../../src/metrics/row.ts';
import { consoleMetrics } from '../../../src/metrics/console-metrics.ts';
import { metrics, primaryMetrics } from '../../../src/metrics/table.ts';
import { WorkerMetrics } from '../../../src/metrics/workers.ts';

interface Worker {
  readonly meter: Meter;
  readonly registry: ReturnType<typeof createRegistry>;
}

const worker = (report: (meter: Meter) => void = () => undefined): Worker => {
  const registry = createRegistry();
  const meter = createMeter(registry);
  report(meter);
  return { meter, registry };
};

/** A number as it goes from process to process. */
const samplesOf = async ({ registry }: Worker) =>
  JSON.parse(JSON.stringify(await registry.getMetricsAsJSON())) as Awaited<
    ReturnType<typeof registry.getMetricsAsJSON>
  >;

async function shown(numbers: WorkerMetrics, own = createRegistry()): Promise<Map<string, string>> {
  const lines = (await numbers.text(own)).split('\n').filter((line) => /^[a-z]/.test(line));
  const samples = lines.map((line) => [line.replace(/ [^ ]+$/, ''), line.split(' ').at(-1) ?? ''] as const);
  expect(new Set(samples.map(([name]) => name)).size).toBe(samples.length);
  return new Map(samples);
}

async function together(...reports: readonly ((meter: Meter) => void)[]): Promise<Map<string, string>> {
  const numbers = new WorkerMetrics();
  for (const [id, report] of reports.entries()) numbers.add(id, await samplesOf(worker(report)));
  return shown(numbers);
}

describe('the numbers of several workers', () => {
  test('counters and histograms are added up, label by label', async () => {
    const now = await together(
      (meter) => {
        meter.decision('media', 'admitted');
        meter.drain(0.02, 'cut');
        meter.bytesAdmitted(10);
      },
      (meter) => {
        meter.decision('media', 'admitted');
        meter.decision('media', 'RecordingNotActive');
        meter.drain(20, 'cut');
        meter.bytesAdmitted(5);
      },
    );
    const decisions = 'tallylight_gate_decisions_total{surface="media",reason';
    expect(now.get(`${decisions}="admitted"}`)).toBe('2');
    expect(now.get(`${decisions}="RecordingNotActive"}`)).toBe('1');
    expect(now.get('tallylight_admitted_bytes_total')).toBe('15');
    const drain = 'tallylight_drain_duration_seconds';
    expect(now.get(`${drain}_count{outcome="cut"}`)).toBe('2');
    expect(now.get(`${drain}_sum{outcome="cut"}`)).toBe('20.02');
    expect(now.get(`${drain}_bucket{le="0.025",outcome="cut"}`)).toBe('1');
    expect(now.get(`${drain}_bucket{le="+Inf",outcome="cut"}`)).toBe('2');
  });

  test('what is wrong for one is wrong, and what each has of its own is added up', async () => {
    const now = await together(
      (meter) => {
        meter.session(true);
        meter.storeCommand('ping', 1, true);
        meter.openGrants(2);
      },
      (meter) => {
        meter.session(false);
        meter.storeCommand('ping', 1, false);
        meter.openGrants(3);
      },
    );
    expect(now.get('tallylight_session_live')).toBe('0');
    expect(now.get('tallylight_store_up')).toBe('0');
    expect(now.get('tallylight_open_grants')).toBe('5');
  });

  test('what all share is told once: the worst of the evidence, and the calls by who asked last', async () => {
    const numbers = new WorkerMetrics();
    const one = worker((meter) => {
      meter.calls({ recording: 9, idle: 1 });
      meter.evidence({ waiting: 4, oldestSeconds: 2, written: 3 });
    });
    const two = worker((meter) => {
      meter.calls({ recording: 2, idle: 3 });
      meter.evidence({ waiting: 6, oldestSeconds: 1, written: 4 });
    });
    numbers.add(1, await samplesOf(one));
    numbers.add(2, await samplesOf(two), true);
    const now = await shown(numbers);
    expect(now.get('tallylight_calls{state="recording"}')).toBe('2');
    expect(now.get('tallylight_evidence_waiting_records')).toBe('6');
    expect(now.get('tallylight_evidence_oldest_waiting_seconds')).toBe('2');
    expect(now.get('tallylight_evidence_written_records_total')).toBe('7');
  });

  test('places and limits are added up; of ages the longest is told, of ends and successes the earliest', async () => {
    const now = await together(
      (meter) => {
        meter.requests('media', { inFlight: 3, limit: 10 });
        meter.webSocket('opened');
        meter.webSocket('opened');
        meter.oldestUnconfirmedStop(5);
        meter.certificate('server', 2_000_000);
        meter.evidenceFree(700);
        meter.storeMemory({ usedBytes: 5, limitBytes: 9 });
        meter.recorded(20);
        meter.keySetFetch('keys', true);
      },
      (meter) => {
        meter.requests('media', { inFlight: 4, limit: 10 });
        meter.webSocket('opened');
        meter.webSocket('closed');
        meter.oldestUnconfirmedStop(60);
        meter.certificate('server', 1_000_000);
        meter.recorded(700);
        meter.keySetFetch('keys', false);
      },
    );
    expect(now.get('tallylight_requests_in_flight{plane="media"}')).toBe('7');
    expect(now.get('tallylight_requests_limit{plane="media"}')).toBe('20');
    expect(now.get('tallylight_websockets_open')).toBe('2');
    expect(now.get('tallylight_stop_oldest_unconfirmed_seconds')).toBe('60');
    expect(now.get('tallylight_certificate_expiry_timestamp_seconds{use="server"}')).toBe('1000');
    expect(now.get('tallylight_evidence_free_bytes')).toBe('700');
    expect(now.get('tallylight_store_memory_bytes')).toBe('5');
    expect(now.get('tallylight_enforcing')).toBe('1');
    expect(now.get('tallylight_recording_duration_seconds_count')).toBe('2');
    expect(now.get('tallylight_recording_duration_seconds_bucket{le="30"}')).toBe('1');
    expect(now.get('tallylight_key_set_fetches_total{outcome="failed"}')).toBe('1');
    expect(Number(now.get('tallylight_key_set_last_success_timestamp_seconds'))).toBeGreaterThan(0);
  });

  test('counters that are 0 at each are 0 together, and what a worker counted while writes went on stays', async () => {
    const numbers = new WorkerMetrics();
    for (const id of [1, 2])
      numbers.add(id, await samplesOf(worker((meter) => meter.liveBytesAdmitted(id * 100))));
    await numbers.remove(1);
    const now = await shown(numbers);
    expect(now.get('tallylight_admitted_live_bytes_total')).toBe('300');
    expect(now.get('tallylight_contradictions_total{kind="neverShown"}')).toBe('0');
  });

  test('what nobody knows is not claimed', async () => {
    const now = await together(
      () => undefined,
      () => undefined,
    );
    expect([...now.keys()].filter((name) => /store_up|evidence_waiting/.test(name))).toEqual([]);
  });

  test('a worker that goes leaves what it counted, and takes what it was', async () => {
    const numbers = new WorkerMetrics();
    const report = (meter: Meter): void => {
      meter.decision('media', 'admitted');
      meter.drain(1, 'drained');
      meter.openGrants(4);
      meter.session(false);
    };
    for (const id of [1, 2, 3]) numbers.add(id, await samplesOf(worker(report)));
    numbers.add(4, await samplesOf(worker((meter) => meter.session(true))));
    const departing = [1, 2, 3].map((id) => numbers.remove(id));
    const admitted = 'tallylight_gate_decisions_total{surface="media",reason="admitted"}';
    // At no moment less than before, and not more.
    expect((await shown(numbers)).get(admitted)).toBe('3');
    await Promise.all(departing);
    const now = await shown(numbers);
    expect(now.get(admitted)).toBe('3');
    expect(now.get('tallylight_drain_duration_seconds_count{outcome="drained"}')).toBe('3');
    expect(now.get('tallylight_open_grants')).toBe('0');
    expect(now.get('tallylight_session_live')).toBe('1');
  });

  test('a worker that was never asked leaves nothing', async () => {
    const numbers = new WorkerMetrics();
    await numbers.remove(7);
    expect(
      [...(await shown(numbers)).keys()].filter((name) => /^tallylight_(?!event_loop)/.test(name)),
    ).toEqual([]);
  });

  test('the process that they belong to adds its own', async () => {
    const registry = createRegistry();
    const meter = createPrimaryMeter(registry);
    meter.policyReload(false);
    meter.workers({ starting: 1, serving: 2, leaving: 0 });
    meter.workerExit('unexpected');
    meter.loaded('policies');
    reportBuild(registry, '1.2.3');
    const numbers = new WorkerMetrics();
    numbers.add(1, await samplesOf(worker((each) => each.session(true))));
    const now = await shown(numbers, registry);
    expect(now.get('tallylight_policy_reloads_total{outcome="failed"}')).toBe('1');
    expect(now.get('tallylight_workers{state="starting"}')).toBe('1');
    expect(
      Number(now.get('tallylight_reload_last_success_timestamp_seconds{what="policies"}')),
    ).toBeGreaterThan(0);
    expect(now.get(`tallylight_build_info{version="1.2.3",node="${process.versions.node}"}`)).toBe('1');
    expect(now.get('tallylight_workers{state="serving"}')).toBe('2');
    expect(now.get('tallylight_worker_exits_total{how="unexpected"}')).toBe('1');
    expect(now.get('tallylight_session_live')).toBe('1');
    expect(Number(now.get('process_resident_memory_bytes'))).toBeGreaterThan(0);
  });

  test('no two rows have one name', () => {
    const names = Object.values<MetricRow>({ ...metrics, ...primaryMetrics, ...consoleMetrics }).map(
      ({ name }) => name,
    );
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(metrics).filter((key) => key in primaryMetrics)).toEqual([]);
  });
});
