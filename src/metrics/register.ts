import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import {
  type CounterRow,
  type GaugeRow,
  helpOf,
  type HistogramRow,
  type LabelValues,
  type MetricRow,
  zerosOf,
} from './row.ts';
import { otherLabel } from './table.ts';

type Labels = Readonly<Record<string, string>>;

/** Reports a value with exactly the labels of its row. undefined, of a gauge: the value is not known any more. */
type Report<Row extends MetricRow> = (
  value: Row extends GaugeRow ? number | undefined : number,
  ...labels: Row extends { readonly labels: infer Names extends LabelValues }
    ? [Readonly<Record<keyof Names & string, string>>]
    : []
) => void;

type Reports<Rows extends Readonly<Record<string, MetricRow>>> = {
  readonly [Name in keyof Rows]: Report<Rows[Name]>;
};

/** Adds the metrics of a table to a registry. `beforeRead` runs each time before any of them is read. */
export function register<Rows extends Readonly<Record<string, MetricRow>>>(
  registry: Registry,
  rows: Rows,
  beforeRead: () => void = () => undefined,
): Reports<Rows> {
  const read = oncePerTurn(beforeRead);
  const one = (row: MetricRow): AnyReport => {
    switch (row.type) {
      case 'counter':
        return counter(registry, row, read);
      case 'gauge':
        return gauge(registry, row, read);
      case 'histogram':
        return histogram(registry, row);
    }
  };
  return Object.fromEntries(
    Object.entries(rows).map(([name, row]) => [name, one(row)]),
  ) as unknown as Reports<Rows>;
}

type AnyReport = (value: number | undefined, labels?: Labels) => void;

/** A registry asks its metrics one after the other, without a pause between. */
function oncePerTurn(run: () => void): () => void {
  let ran = false;
  return () => {
    if (ran) return;
    ran = true;
    queueMicrotask(() => (ran = false));
    run();
  };
}

/** Counted in memory and reported to the registry when it is scraped: the media path counts several times per request. */
function counter(registry: Registry, row: CounterRow, read: () => void): AnyReport {
  const counts = new Map<Labels, number>();
  const metric = new Counter({
    ...described(registry, row),
    collect() {
      read();
      for (const [labels, count] of counts) this.inc(labels, count);
      counts.clear();
    },
  });
  const bounded = bounds(row);
  for (const labels of zerosOf(row)) metric.inc(bounded(labels), 0);
  return (value = 0, labels) => {
    const known = bounded(labels);
    counts.set(known, (counts.get(known) ?? 0) + value);
  };
}

function gauge(registry: Registry, row: GaugeRow, read: () => void): AnyReport {
  const metric = new Gauge({ ...described(registry, row), aggregator: row.across, collect: read });
  if (row.unknownAtFirst === true) metric.remove({});
  const bounded = bounds(row);
  return (value, labels) => {
    if (value === undefined) metric.remove(bounded(labels));
    else metric.set(bounded(labels), value);
  };
}

function histogram(registry: Registry, row: HistogramRow): AnyReport {
  const metric = new Histogram({ ...described(registry, row), buckets: [...row.buckets] });
  const bounded = bounds(row);
  for (const labels of zerosOf(row)) metric.zero(bounded(labels));
  return (value = 0, labels) => metric.observe(bounded(labels), value);
}

const described = (
  registry: Registry,
  row: MetricRow,
): { name: string; help: string; labelNames: string[]; registers: Registry[] } => ({
  name: row.name,
  help: helpOf(row),
  labelNames: Object.keys(row.labels ?? {}),
  registers: [registry],
});

/**
 * A label whose values anybody else chooses would grow without limit. Equal labels are one object, and so there are never
 * more of them than the table allows.
 */
function bounds({ labels = {} }: Pick<MetricRow, 'labels'>): (given?: Labels) => Record<string, string> {
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
  return value !== undefined && values.has(value) ? value : otherLabel;
}
