import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { LogBacklog } from '../core/ports/log.ts';
import { eventLoopLag as measureLag } from './event-loop-lag.ts';
import { register } from './register.ts';
import { processMetrics } from './table.ts';

/** Prometheus asks about this often, ms. */
const windowMs = 15_000;
/** The longest time a timer takes, ms. */
const never = 2 ** 31 - 1;
/** Their values contain the time between two wake-ups: on an idle process they are that time, and nearly constant. */
const misleading = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (what) => `nodejs_eventloop_lag_${what}_seconds`,
);

/** A registry with the numbers of the process itself. Each has its own, so that two can live in one process. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: never });
  for (const name of misleading) registry.removeSingleMetric(name);
  reportEventLoop(registry);
  return registry;
}

function reportEventLoop(registry: Registry): void {
  const lag = measureLag(windowMs);
  let counted = 0;
  const { eventLoopLag, eventLoopActive } = processMetrics;
  const report = register(registry, { eventLoopLag, eventLoopActive }, () => {
    report.eventLoopLag(lag());
    const active = performance.eventLoopUtilization().active / 1000;
    report.eventLoopActive(Math.max(0, active - counted));
    counted = active;
  });
}

/** What became of the lines of the log of this process. */
export function reportLog(registry: Registry, backlog: () => LogBacklog): void {
  let counted = 0;
  const { logDropped, logWaiting } = processMetrics;
  const report = register(registry, { logDropped, logWaiting }, () => {
    const { droppedLines, waitingBytes } = backlog();
    report.logDropped(droppedLines - counted);
    report.logWaiting(waitingBytes);
    counted = droppedLines;
  });
}

/** Which program reports here. Its labels are not of a closed list: they are the same for the life of the process. */
export function reportBuild(registry: Registry, version: string): void {
  const { name, help } = processMetrics.build;
  const labels = { version, node: process.versions.node };
  new Gauge({
    ...{ name, help, labelNames: Object.keys(labels), registers: [registry] },
    aggregator: processMetrics.build.across,
  }).set(labels, 1);
}
