import { callMetrics } from './call-metrics.ts';
import { consoleMetrics } from './console-metrics.ts';
import { aggregationOf, helpOf, type MetricRow } from './row.ts';
import { serviceMetrics } from './service-metrics.ts';

/** Every number an instance reports. The metrics table of the documentation is generated from it. */
export const metrics = { ...callMetrics, ...serviceMetrics };

/** What every process reports of itself, with or without workers. */
export const processMetrics = {
  build: {
    name: 'tallylight_build_info',
    type: 'gauge',
    across: 'max',
    help: 'Always 1; its labels are the version of Tallylight and of Node.js.',
    labels: { version: [], node: [] },
  },
  eventLoopLag: {
    name: 'tallylight_event_loop_lag_seconds',
    type: 'gauge',
    across: 'max',
    help: 'The longest time by which an event loop was late over the last 30 seconds, or since the scrape before the last if that is longer; sampled ten times a second.',
    unknownAtFirst: true,
  },
  eventLoopActive: {
    name: 'tallylight_event_loop_active_seconds_total',
    type: 'counter',
    help: 'Seconds that event loops were busy. The rate of one process is its utilization: near 1 it is saturated. Workers are added up.',
  },
  logDropped: {
    name: 'tallylight_log_lines_dropped_total',
    type: 'counter',
    help: 'Log lines that were dropped because the reader of standard output is too slow or gone and no more lines fit into memory.',
  },
  logWaiting: {
    name: 'tallylight_log_waiting_bytes',
    type: 'gauge',
    across: 'sum',
    help: 'Bytes of log lines that wait in memory for the reader of standard output.',
  },
} as const satisfies Record<string, MetricRow>;

/** What the process reports that several workers belong to. */
export const primaryMetrics = {
  workers: {
    name: 'tallylight_workers',
    type: 'gauge',
    across: 'sum',
    help: 'Workers, by state. Absent if a single process serves all requests.',
    labels: { state: ['starting', 'serving', 'leaving'] },
  },
  workerExits: {
    name: 'tallylight_worker_exits_total',
    type: 'counter',
    help: 'Workers that ended, by how: `asked` (shut down or replaced), `unexpected` (crashed), `hung` (did not respond and were killed).',
    labels: { how: ['asked', 'unexpected', 'hung'] },
    zeros: 'all',
  },
} as const satisfies Record<string, MetricRow>;

export const otherLabel = 'other';

/** Every metric of the proxy, as docs/reference/metrics.md shows them. */
export const metricsTable: readonly {
  readonly name: string;
  readonly type: MetricRow['type'];
  readonly labels: readonly string[];
  readonly combine: 'sum' | 'min' | 'max';
  readonly help: string;
}[] = Object.values<MetricRow>({
  ...metrics,
  ...processMetrics,
  ...primaryMetrics,
  ...consoleMetrics,
}).map((row) => ({
  name: row.name,
  type: row.type,
  labels: Object.keys(row.labels ?? {}),
  combine: aggregationOf(row),
  help: helpOf(row),
}));
