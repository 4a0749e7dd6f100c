import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Meter } from '../../../src/core/ports/meter.ts';
import { type ReasonCode, reasons } from '../../../src/core/reasons.ts';
import { createMeter } from '../../../src/metrics/metrics.ts';
import { createRegistry, reportBuild, reportLog } from '../../../src/metrics/process.ts';
import { helpOf, type MetricRow } from '../../../src/metrics/row.ts';
import { metrics, metricsTable, processMetrics } from '../../../src/metrics/table.ts';
import { lua } from '../../../src/store/redis/lua.generated.ts';

/** What each instance reports. */
const rows = Object.values<MetricRow>(metrics);
const ofTheProcess: readonly string[] = Object.values<MetricRow>(processMetrics).map(({ name }) => name);

const nameOf = (line: string): string => line.replace(/(_sum|_count|_bucket)?(\{| ).*$/, '');

/** The samples of what an instance reports, as lines without their help. */
async function samples(registry: ReturnType<typeof createRegistry>): Promise<string[]> {
  const lines = (await registry.metrics()).split('\n');
  return lines.filter((line) => line.startsWith('tallylight_') && !ofTheProcess.includes(nameOf(line)));
}

/** What one report adds to a fresh registry, buckets left out. */
async function added(report: (meter: Meter) => void): Promise<string[]> {
  const registry = createRegistry();
  const meter = createMeter(registry);
  const before = new Set(await samples(registry));
  report(meter);
  return (await samples(registry)).filter((line) => !before.has(line) && !line.includes('_bucket'));
}

describe('every report changes its metrics', () => {
  const cases: readonly [string, (meter: Meter) => void, readonly string[]][] = [
    [
      'a decision',
      (meter) => meter.decision('media', 'RecordingNotActive'),
      ['tallylight_gate_decisions_total{surface="media",reason="RecordingNotActive"} 1'],
    ],
    [
      'an admission',
      (meter) => meter.decision('media', 'admitted'),
      ['tallylight_gate_decisions_total{surface="media",reason="admitted"} 1'],
    ],
    [
      'a transition',
      (meter) => meter.transition('startConfirmed', 'starting', 'recording', 0.25),
      [
        'tallylight_call_transitions_total{event="startConfirmed",from="starting",to="recording"} 1',
        'tallylight_call_transition_duration_seconds_sum{event="startConfirmed"} 0.25',
        'tallylight_call_transition_duration_seconds_count{event="startConfirmed"} 1',
      ],
    ],
    [
      'a write that began too early',
      (meter) => meter.requestStartRefused('early'),
      ['tallylight_request_starts_refused_total{why="early"} 1'],
    ],
    [
      'an observation',
      (meter) => meter.observing(1_800_000_000_000),
      ['tallylight_enforcing 0', 'tallylight_observation_end_timestamp_seconds 1800000000'],
    ],
    [
      'an observed write',
      (meter) => meter.observedWrite('StoreUnavailable'),
      ['tallylight_observed_writes_total{reason="StoreUnavailable"} 1'],
    ],
    [
      'a drain',
      (meter) => meter.drain(2, 'cut'),
      [
        'tallylight_drain_duration_seconds_sum{outcome="cut"} 2',
        'tallylight_drain_duration_seconds_count{outcome="cut"} 1',
      ],
    ],
    ['aborted writes', (meter) => meter.writesAborted(3), ['tallylight_writes_aborted_total 3']],
    ['unanswered writes', (meter) => meter.writesUnanswered(2), ['tallylight_writes_unanswered_total 2']],
    [
      'discarded writes',
      (meter) => meter.writesDiscarded(2, 1),
      [
        'tallylight_writes_discarded_total{outcome="ok"} 2',
        'tallylight_writes_discarded_total{outcome="failed"} 1',
      ],
    ],
    ['admitted bytes', (meter) => meter.bytesAdmitted(640), ['tallylight_admitted_bytes_total 640']],
    [
      'bytes of open writes',
      (meter) => meter.liveBytesAdmitted(64),
      ['tallylight_admitted_live_bytes_total 64'],
    ],
    [
      'the length of a recording',
      (meter) => meter.recorded(90),
      ['tallylight_recording_duration_seconds_sum 90', 'tallylight_recording_duration_seconds_count 1'],
    ],
    [
      'a stop that is not confirmed',
      (meter) => meter.oldestUnconfirmedStop(12),
      ['tallylight_stop_oldest_unconfirmed_seconds 12'],
    ],
    [
      'requests in progress',
      (meter) => meter.requests('media', { inFlight: 3, limit: 512 }),
      ['tallylight_requests_in_flight{plane="media"} 3', 'tallylight_requests_limit{plane="media"} 512'],
    ],
    [
      'the memory of the store',
      (meter) => meter.storeMemory({ usedBytes: 70, limitBytes: 100 }),
      ['tallylight_store_memory_bytes 70', 'tallylight_store_memory_limit_bytes 100'],
    ],
    [
      'a failed request for a Graph token',
      (meter) => meter.graphCredentialRequest('client-1', false),
      ['tallylight_graph_credential_requests_total{outcome="failed"} 1'],
    ],
    [
      'a failed request for signing keys',
      (meter) => meter.keySetFetch('keys-1', false),
      ['tallylight_key_set_fetches_total{outcome="failed"} 1'],
    ],
    [
      'a certificate',
      (meter) => meter.certificate('server', 1_800_000_000_500),
      ['tallylight_certificate_expiry_timestamp_seconds{use="server"} 1800000000.5'],
    ],
    [
      'a failed reload of the certificate',
      (meter) => meter.certificateReload(false),
      ['tallylight_certificate_reloads_total{outcome="failed"} 1'],
    ],
    [
      'a failed reload of the Graph credentials',
      (meter) => meter.graphCredentialReload(false),
      ['tallylight_graph_credential_reloads_total{outcome="failed"} 1'],
    ],
    [
      'a failed reload of the list of revoked tokens',
      (meter) => meter.revocationListReload(false),
      ['tallylight_revocation_list_reloads_total{outcome="failed"} 1'],
    ],
    [
      'a failed request for a token for Redis',
      (meter) => meter.redisToken('failed'),
      ['tallylight_redis_token_requests_total{outcome="failed"} 1'],
    ],
    ['free space', (meter) => meter.evidenceFree(4096), ['tallylight_evidence_free_bytes 4096']],
    [
      'a store command',
      (meter) => meter.storeCommand('acquire', 0.5, true),
      [
        'tallylight_store_command_duration_seconds_sum{command="acquire",outcome="ok"} 0.5',
        'tallylight_store_command_duration_seconds_count{command="acquire",outcome="ok"} 1',
        'tallylight_store_up 1',
      ],
    ],
    [
      'a store command that failed',
      (meter) => meter.storeCommand('acquire', 0.5, false),
      [
        'tallylight_store_command_duration_seconds_sum{command="acquire",outcome="failed"} 0.5',
        'tallylight_store_command_duration_seconds_count{command="acquire",outcome="failed"} 1',
        'tallylight_store_up 0',
      ],
    ],
    [
      'the clock of the store',
      (meter) => meter.storeClock(-5, undefined),
      ['tallylight_store_clock_skew_seconds -5'],
    ],
    [
      'a step of that clock',
      (meter) => meter.storeClock(3600, 'forward'),
      [
        'tallylight_store_clock_skew_seconds 3600',
        'tallylight_store_clock_steps_total{direction="forward"} 1',
      ],
    ],
    [
      'an answer of Graph',
      (meter) => meter.graphAnswer('updateRecordingStatus', 200, 0.5),
      [
        'tallylight_graph_answers_total{action="updateRecordingStatus",status="200"} 1',
        'tallylight_graph_answer_duration_seconds_sum{action="updateRecordingStatus"} 0.5',
        'tallylight_graph_answer_duration_seconds_count{action="updateRecordingStatus"} 1',
      ],
    ],
    [
      'a token that Graph refused',
      (meter) => meter.graphTokenRefused('repeated'),
      ['tallylight_graph_tokens_refused_total{outcome="repeated"} 1'],
    ],
    [
      'an answer of a media handler',
      (meter) => meter.upstreamAnswer(201, 0.5),
      [
        'tallylight_upstream_answers_total{status="201"} 1',
        'tallylight_upstream_answer_duration_seconds_sum 0.5',
        'tallylight_upstream_answer_duration_seconds_count 1',
      ],
    ],
    [
      'a WebSocket',
      (meter) => {
        meter.webSocket('opened');
        meter.webSocketFrames('toHandler', 3);
        meter.webSocket('stopped');
      },
      [
        'tallylight_websockets_total{event="opened"} 1',
        'tallylight_websockets_total{event="stopped"} 1',
        'tallylight_websocket_frames_total{direction="toHandler"} 3',
      ],
    ],
    [
      'evidence that waits too long',
      (meter) => meter.evidenceBacklog({ bytes: 4096, exceeded: true }),
      ['tallylight_evidence_waiting_bytes 4096', 'tallylight_evidence_backlog_exceeded 1'],
    ],
    ['a live session', (meter) => meter.session(true), ['tallylight_session_live 1']],
    [
      'a failed policy reload',
      (meter) => meter.policyReload(false),
      ['tallylight_policy_reloads_total{outcome="failed"} 1'],
    ],
    [
      'evidence',
      (meter) => meter.evidence({ waiting: 4, oldestSeconds: 1.5, written: 7 }),
      [
        'tallylight_evidence_waiting_records 4',
        'tallylight_evidence_oldest_waiting_seconds 1.5',
        'tallylight_evidence_written_records_total 7',
      ],
    ],
    [
      'the end of a call',
      (meter) => meter.callEnded('silence'),
      ['tallylight_calls_ended_total{reason="silence"} 1'],
    ],
    [
      'a notification',
      (meter) => meter.notification(202, 0.25),
      [
        'tallylight_notifications_total{status="202"} 1',
        'tallylight_notification_added_duration_seconds_sum 0.25',
        'tallylight_notification_added_duration_seconds_count 1',
      ],
    ],
    [
      'what notifications told',
      (meter) => meter.notice('roster', 'known', 3),
      ['tallylight_notices_total{kind="roster",outcome="known"} 3'],
    ],
    [
      'a contradiction',
      (meter) => meter.contradiction('neverShown'),
      ['tallylight_contradictions_total{kind="neverShown"} 1'],
    ],
    [
      'a callback address',
      (meter) => meter.callbackUri('bypasses'),
      ['tallylight_callback_uris_total{outcome="bypasses"} 1'],
    ],
    ['open grants', (meter) => meter.openGrants(2), ['tallylight_open_grants 2']],
    ['a census', (meter) => meter.calls({ recording: 3 }), ['tallylight_calls{state="recording"} 3']],
  ];

  test.each(cases)('%s', async (_name, report, expected) => {
    expect((await added(report)).sort()).toEqual([...expected].sort());
  });

  test('the cases use every metric there is', async () => {
    const registry = createRegistry();
    const meter = createMeter(registry);
    for (const [, report] of cases) report(meter);
    // Their values are times of this machine.
    meter.graphCredentialRequest('client-1', true);
    meter.keySetFetch('keys-1', true);
    meter.redisToken({ expiresAt: Date.now() });
    meter.loaded('policies');
    const seen = (await samples(registry)).map(nameOf);
    expect([...new Set(seen)].sort()).toEqual(rows.map(({ name }) => name).sort());
  });

  test('what a gauge does not know yet it does not claim', async () => {
    const registry = createRegistry();
    const meter = createMeter(registry);
    const text = (await samples(registry)).join('\n');
    expect(text).not.toMatch(/tallylight_(store_up|evidence_waiting_records|evidence_oldest)/);
    expect(text).toContain('tallylight_session_live 0');
    meter.session(true);
    meter.session(false);
    expect(await samples(registry)).toContain('tallylight_session_live 0');
  });

  test('what was written adds up, what waits does not', async () => {
    const registry = createRegistry();
    const meter = createMeter(registry);
    meter.evidence({ waiting: 5, oldestSeconds: 9, written: 2 });
    meter.evidence({ waiting: 1, oldestSeconds: 0, written: 4 });
    const now = await samples(registry);
    expect(now).toContain('tallylight_evidence_written_records_total 6');
    expect(now).toContain('tallylight_evidence_waiting_records 1');
    expect(now).toContain('tallylight_evidence_oldest_waiting_seconds 0');
    meter.evidence({ written: 1 });
    const later = (await samples(registry)).join('\n');
    expect(later).not.toMatch(/tallylight_evidence_(waiting|oldest)/);
    expect(later).toContain('tallylight_evidence_written_records_total 7');
  });
});

describe('labels are bounded', () => {
  test('whatever is reported, a label has only the values of its table, or "other"', async () => {
    const registry = createRegistry();
    const meter = createMeter(registry);
    const word = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'toString', 'GET calls/{call}/', '200'));
    const seconds = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(
        word,
        word,
        word,
        fc.integer({ min: -5, max: 100_000 }),
        seconds,
        (a, b, c, status, time) => {
          meter.decision(a as 'media', b as ReasonCode);
          meter.transition(a, b, c, time);
          meter.drain(time, a as 'cut');
          meter.storeCommand(a, time, true);
          meter.graphAnswer(b, status, time);
          meter.upstreamAnswer(status, time);
        },
      ),
      { numRuns: 500 },
    );
    const rows = new Map<string, MetricRow>(Object.values<MetricRow>(metrics).map((row) => [row.name, row]));
    let labelled = 0;
    for (const { name, values } of await registry.getMetricsAsJSON()) {
      const row = rows.get(name);
      if (row === undefined) continue;
      for (const { labels } of values) {
        for (const [label, value] of Object.entries(labels)) {
          if (label === 'le') continue;
          labelled += 1;
          expect([...(row.labels?.[label] ?? []), 'other']).toContain(value);
        }
      }
    }
    expect(labelled).toBeGreaterThan(20);
    expect(await samples(registry)).toContainEqual(
      expect.stringMatching(/^tallylight_upstream_answers_total\{status="other"\} [1-9]/),
    );
  });

  test('the widest status codes are kept exactly, what HTTP does not know is not', async () => {
    const lines = await added((meter) => {
      for (const status of [99, 100, 599, 600]) meter.upstreamAnswer(status, 1);
    });
    expect(lines.filter((line) => line.includes('status='))).toEqual([
      'tallylight_upstream_answers_total{status="other"} 2',
      'tallylight_upstream_answers_total{status="100"} 1',
      'tallylight_upstream_answers_total{status="599"} 1',
    ]);
  });

  test('every refusal reason has a label of its own', () => {
    expect(metrics.decisions.labels.reason).toEqual(expect.arrayContaining(Object.keys(reasons)));
  });

  test('every command of the Redis store has a label of its own', () => {
    const folder = join(import.meta.dirname, '../../../src/store/redis');
    const sources = readdirSync(folder)
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(folder, name), 'utf8'));
    const plain = [...sources.join('\n').matchAll(/\.command\('(\w+)'/g)].map(([, name]) => name ?? '');
    expect(plain).toContain('ping');
    const names = [...Object.keys(lua).filter((name) => name !== 'prelude'), ...plain];
    expect(metrics.storeSeconds.labels.command).toEqual(expect.arrayContaining(names));
  });
});

describe('the table', () => {
  test('has unique names and helps, and is what the registry has', async () => {
    expect(new Set(metricsTable.map(({ name }) => name)).size).toBe(metricsTable.length);
    expect(new Set(metricsTable.map(({ help }) => help)).size).toBe(metricsTable.length);
    const registry = createRegistry();
    createMeter(registry);
    reportBuild(registry, '1.2.3');
    reportLog(registry, () => ({ droppedLines: 0, waitingBytes: 0 }));
    const ours = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('tallylight_'));
    const described = ours.map(({ name, help, type }) => `${name} ${String(type)} ${help}`);
    const all = [...rows, ...Object.values<MetricRow>(processMetrics)];
    expect(described.sort()).toEqual(all.map((row) => `${row.name} ${row.type} ${helpOf(row)}`).sort());
    expect(metricsTable.map(({ name }) => name).slice(0, rows.length)).toEqual(rows.map(({ name }) => name));
  });

  test('follows the conventions of Prometheus', () => {
    for (const { name, type, help } of metricsTable) {
      expect(name).toMatch(/^tallylight_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(help).toMatch(/^[A-Z].*\.$/);
    }
  });
});

test('two meters in one process do not clash, and each registry has the numbers of the process', async () => {
  const registries = [createRegistry(), createRegistry()] as const;
  const [first] = registries.map(createMeter);
  first?.openGrants(3);
  expect(await samples(registries[0])).toContain('tallylight_open_grants 3');
  expect(await samples(registries[1])).toContain('tallylight_open_grants 0');
  for (const registry of registries) expect(await registry.metrics()).toContain('process_cpu_seconds_total');
});
