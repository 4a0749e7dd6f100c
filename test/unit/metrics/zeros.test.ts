import { describe, expect, test } from '@jest/globals';
import { callEnds } from '../../../src/core/call/ends.ts';
import { contradictions } from '../../../src/core/call/roster.ts';
import { nextState, transitions } from '../../../src/core/call/state.ts';
import { reasons } from '../../../src/core/reasons.ts';
import { createMeter, createPrimaryMeter } from '../../../src/metrics/metrics.ts';
import { createRegistry } from '../../../src/metrics/process.ts';
import { type MetricRow, zerosOf } from '../../../src/metrics/row.ts';
import { createConsoleMeter } from '../../../src/metrics/console-meter.ts';
import { consoleMetrics } from '../../../src/metrics/console-metrics.ts';
import { metrics, primaryMetrics } from '../../../src/metrics/table.ts';

/** Counters and histograms with labels: `increase` does not see the event with which a series is born. */
const labelled = Object.values<MetricRow>({ ...metrics, ...primaryMetrics, ...consoleMetrics }).flatMap(
  (row) => (row.type === 'gauge' || row.labels === undefined ? [] : [row]),
);
/** Nothing alerts on one label value of these: thousands of series for nothing. */
const bornLater = ['tallylight_store_command_duration_seconds', 'tallylight_graph_answer_duration_seconds'];
/** Far too many to list; those that alerts are about are listed below. */
const wide = ['status', 'action'];

/** Samples before anything has happened, without their values. */
async function atTheStart(): Promise<{ readonly all: ReadonlySet<string>; readonly nonZero: string[] }> {
  const registries = [createRegistry(), createRegistry()] as const;
  createMeter(registries[0]);
  createPrimaryMeter(registries[1]);
  createConsoleMeter(registries[1]);
  const texts = await Promise.all(registries.map((registry) => registry.metrics()));
  const lines = texts
    .join('\n')
    .split('\n')
    .filter((line) => line.startsWith('tallylight_'));
  const split = lines.map((line) => line.split(/ (?=[^ ]+$)/) as [string, string]);
  return {
    all: new Set(split.map(([series]) => series)),
    nonZero: split.filter(([, value]) => value !== '0').map(([series]) => series),
  };
}

describe('before anything has happened', () => {
  test.each(labelled.filter(({ name }) => !bornLater.includes(name)).map((row) => [row.name, row] as const))(
    '%s is 0 for every value of its labels',
    async (name, row) => {
      const series = [...(await atTheStart()).all].filter((one) => one.startsWith(name));
      for (const [label, values] of Object.entries(row.labels)) {
        if (wide.includes(label)) continue;
        const missing = values.filter((value) => !series.some((one) => one.includes(`${label}="${value}"`)));
        expect({ label, missing }).toEqual({ label, missing: [] });
      }
      expect(zerosOf(row).length).toBeGreaterThan(0);
    },
  );

  test('nothing but what is always so is counted', async () => {
    const { nonZero } = await atTheStart();
    expect(nonZero.filter((series) => !series.startsWith('tallylight_event_loop'))).toEqual([
      'tallylight_enforcing',
    ]);
  });

  test.each([
    ...Object.keys(contradictions).map((kind) => `tallylight_contradictions_total{kind="${kind}"}`),
    ...Object.keys(callEnds).map((reason) => `tallylight_calls_ended_total{reason="${reason}"}`),
    ...Object.keys(reasons).map(
      (reason) => `tallylight_gate_decisions_total{surface="control",reason="${reason}"}`,
    ),
    'tallylight_gate_decisions_total{surface="media",reason="admitted"}',
    'tallylight_policy_reloads_total{outcome="failed"}',
    'tallylight_callback_uris_total{outcome="bypasses"}',
    'tallylight_drain_duration_seconds_count{outcome="cut"}',
    'tallylight_worker_exits_total{how="hung"}',
    'tallylight_graph_tokens_refused_total{outcome="passed"}',
    ...['200', '403', '500', '503'].map(
      (status) => `tallylight_graph_answers_total{action="updateRecordingStatus",status="${status}"}`,
    ),
    'tallylight_notifications_total{status="502"}',
    'tallylight_upstream_answers_total{status="500"}',
    'tallylight_call_transitions_total{event="startConfirmed",from="starting",to="recording"}',
    'tallylight_call_transitions_total{event="startUnknown",from="starting",to="idle"}',
  ])('there is %s', async (series) => {
    expect((await atTheStart()).all).toContain(series);
  });

  test('of transitions there are those that can happen, and no others', () => {
    const possible = zerosOf(metrics.transitions);
    for (const { event, from, to } of possible) expect(nextState(from as 'idle', event as 'ended')).toBe(to);
    const targets = Object.values<Readonly<Record<string, string>>>(transitions);
    expect(possible.length).toBe(targets.reduce((sum, each) => sum + Object.keys(each).length, 0));
  });
});
