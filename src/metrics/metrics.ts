import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter } from '../core/ports/meter.ts';
import {
  type CounterRow,
  type GaugeRow,
  type HistogramRow,
  type MetricRow,
  metrics,
  other,
  primaryMetrics,
} from './table.ts';

/** Every metric of the proxy, as docs/reference/metrics.md shows them. */
export const metricsTable: readonly {
  readonly name: string;
  readonly type: MetricRow['type'];
  readonly labels: readonly string[];
  readonly help: string;
}[] = Object.values<MetricRow>({ ...metrics, ...primaryMetrics }).map(
  ({ name, type, labels = {}, help }) => ({
    name,
    type,
    labels: Object.keys(labels),
    help,
  }),
);

/** A registry with the numbers of the process itself. Each has its own, so that two can live in one process. */
export function createRegistry(): Registry {
  const registry = new Registry();
  // The lag of the event loop is measured by waking it: a hundred times a second, as is usual, costs an idle instance more
  // than all else that it does.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  return registry;
}

/** The one implementation of `Meter`. No label takes a value that its table does not list. */
export function createMeter(registry: Registry): Meter {
  const decisions = counter(registry, metrics.decisions);
  const requestStartsRefused = counter(registry, metrics.requestStartsRefused);
  const transitions = counter(registry, metrics.transitions);
  const transitionSeconds = histogram(registry, metrics.transitionSeconds);
  const calls = gauge(registry, metrics.calls);
  const openGrants = gauge(registry, metrics.openGrants);
  const drainSeconds = histogram(registry, metrics.drainSeconds);
  const writesAborted = counter(registry, metrics.writesAborted);
  const writesUnanswered = counter(registry, metrics.writesUnanswered);
  const writesDiscarded = counter(registry, metrics.writesDiscarded);
  const bytesAdmitted = counter(registry, metrics.bytesAdmitted);
  const storeSeconds = histogram(registry, metrics.storeSeconds);
  const storeUp = gauge(registry, metrics.storeUp);
  const storeClockSkew = gauge(registry, metrics.storeClockSkew);
  const storeClockSteps = counter(registry, metrics.storeClockSteps);
  const graphAnswers = counter(registry, metrics.graphAnswers);
  const graphSeconds = histogram(registry, metrics.graphSeconds);
  const graphTokensRefused = counter(registry, metrics.graphTokensRefused);
  const upstreamAnswers = counter(registry, metrics.upstreamAnswers);
  const upstreamSeconds = histogram(registry, metrics.upstreamSeconds);
  const webSockets = counter(registry, metrics.webSockets);
  const webSocketFrames = counter(registry, metrics.webSocketFrames);
  const callsEnded = counter(registry, metrics.callsEnded);
  const notifications = counter(registry, metrics.notifications);
  const notificationSeconds = histogram(registry, metrics.notificationSeconds);
  const notices = counter(registry, metrics.notices);
  const contradictions = counter(registry, metrics.contradictions);
  const callbackUris = counter(registry, metrics.callbackUris);
  const evidenceWaiting = gauge(registry, metrics.evidenceWaiting);
  const evidenceOldest = gauge(registry, metrics.evidenceOldest);
  const evidenceBytes = gauge(registry, metrics.evidenceBytes);
  const evidenceExceeded = gauge(registry, metrics.evidenceExceeded);
  const evidenceWritten = counter(registry, metrics.evidenceWritten);
  const sessionLive = gauge(registry, metrics.sessionLive);
  const policyReloads = counter(registry, metrics.policyReloads);

  return {
    decision: (surface, reason) => decisions(1, { surface, reason }),
    requestStartRefused: (why) => requestStartsRefused(1, { why }),
    transition(event, from, to, seconds) {
      transitions(1, { event, from, to });
      transitionSeconds(seconds, { event });
    },
    drain: (seconds, how) => drainSeconds(seconds, { outcome: how }),
    writesAborted: (count) => writesAborted(count),
    writesUnanswered: (count) => writesUnanswered(count),
    writesDiscarded(agreed, open) {
      writesDiscarded(agreed, { outcome: outcome(true) });
      writesDiscarded(open, { outcome: outcome(false) });
    },
    bytesAdmitted: (count) => bytesAdmitted(count),
    storeCommand(command, seconds, ok) {
      storeSeconds(seconds, { command, outcome: outcome(ok) });
      storeUp(ok ? 1 : 0);
    },
    storeClock(skewSeconds, step) {
      storeClockSkew(skewSeconds);
      if (step !== undefined) storeClockSteps(1, { direction: step });
    },
    graphAnswer(action, status, seconds) {
      graphAnswers(1, { action, status: String(status) });
      graphSeconds(seconds, { action });
    },
    graphTokenRefused: (outcome) => graphTokensRefused(1, { outcome }),
    upstreamAnswer(status, seconds) {
      upstreamAnswers(1, { status: String(status) });
      upstreamSeconds(seconds);
    },
    webSocket: (event) => webSockets(1, { event }),
    webSocketFrames: (direction, count) => webSocketFrames(count, { direction }),
    session: (live) => sessionLive(live ? 1 : 0),
    policyReload: (ok) => policyReloads(1, { outcome: outcome(ok) }),
    evidence({ waiting, oldestSeconds, written }) {
      evidenceWaiting(waiting);
      evidenceOldest(oldestSeconds);
      evidenceWritten(written);
    },
    evidenceBacklog({ bytes, exceeded }) {
      evidenceBytes(bytes);
      evidenceExceeded(exceeded ? 1 : 0);
    },
    openGrants: (count) => openGrants(count),
    calls(census) {
      for (const [state, count] of Object.entries(census)) calls(count, { state });
    },
    callEnded: (end) => callsEnded(1, { reason: end }),
    contradiction: (kind) => contradictions(1, { kind }),
    notice: (kind, outcome, count) => notices(count, { kind, outcome }),
    notification(status, addedSeconds) {
      notifications(1, { status: String(status) });
      notificationSeconds(addedSeconds);
    },
    callbackUri: (outcome) => callbackUris(1, { outcome }),
  };
}

/** What the process counts that several workers belong to. */
export interface PrimaryMeter extends Pick<Meter, 'policyReload'> {
  workers(count: Readonly<Record<'starting' | 'serving' | 'leaving', number>>): void;
  workerExit(how: 'asked' | 'unexpected' | 'hung'): void;
}

export function createPrimaryMeter(registry: Registry): PrimaryMeter {
  const policyReloads = counter(registry, metrics.policyReloads);
  const workers = gauge(registry, primaryMetrics.workers);
  const workerExits = counter(registry, primaryMetrics.workerExits);
  return {
    policyReload: (ok) => policyReloads(1, { outcome: outcome(ok) }),
    workers(count) {
      for (const [state, number] of Object.entries(count)) workers(number, { state });
    },
    workerExit: (how) => workerExits(1, { how }),
  };
}

const outcome = (ok: boolean): 'ok' | 'failed' => (ok ? 'ok' : 'failed');

type Labels = Readonly<Record<string, string>>;

/** Reports a value with exactly the labels of its row. */
type Report<Row extends MetricRow, Value = number> = (
  value: Value,
  ...labels: Row extends { readonly labels: infer Names }
    ? [Readonly<Record<keyof Names & string, string>>]
    : []
) => void;

/** Counted in memory, and told to the registry when it is asked: the path of media counts several times a request. */
function counter<Row extends CounterRow>(registry: Registry, row: Row): Report<Row> {
  const counts = new Map<Labels, number>();
  new Counter({
    ...described(registry, row),
    collect() {
      for (const [labels, count] of counts) this.inc(labels, count);
      counts.clear();
    },
  });
  const bounded = bounds(row);
  return (value: number, labels?: Labels) => {
    const known = bounded(labels);
    counts.set(known, (counts.get(known) ?? 0) + value);
  };
}

/** undefined: the value is not known any more. */
function gauge<Row extends GaugeRow>(registry: Registry, row: Row): Report<Row, number | undefined> {
  const metric = new Gauge({ ...described(registry, row), aggregator: row.across });
  if (row.unknownAtFirst === true) metric.remove();
  const bounded = bounds(row);
  return (value: number | undefined, labels?: Labels) => {
    if (value === undefined) metric.remove();
    else metric.set(bounded(labels), value);
  };
}

function histogram<Row extends HistogramRow>(registry: Registry, row: Row): Report<Row> {
  const metric = new Histogram({ ...described(registry, row), buckets: [...row.buckets] });
  const bounded = bounds(row);
  return (value: number, labels?: Labels) => metric.observe(bounded(labels), value);
}

const described = (
  registry: Registry,
  { name, help, labels = {} }: MetricRow,
): { name: string; help: string; labelNames: string[]; registers: Registry[] } => ({
  name,
  help,
  labelNames: Object.keys(labels),
  registers: [registry],
});

/**
 * A label whose values anybody else chooses would grow without limit. Equal labels are one object, and so there are never
 * more of them than the table allows.
 */
function bounds({ labels = {} }: MetricRow): (given?: Labels) => Record<string, string> {
  const known = Object.entries(labels).map(([name, values]) => [name, new Set(values)] as const);
  const made = new Map<string, Record<string, string>>();
  return (given = {}) => {
    let key = '';
    for (const [name, values] of known) key += `${valueOf(given, name, values)}\n`;
    const before = made.get(key);
    if (before !== undefined) return before;
    const bounded = Object.fromEntries(
      known.map(([name, values]) => [name, valueOf(given, name, values)] as const),
    );
    made.set(key, bounded);
    return bounded;
  };
}

function valueOf(given: Labels, name: string, values: ReadonlySet<string>): string {
  const value = given[name];
  return value !== undefined && values.has(value) ? value : other;
}
