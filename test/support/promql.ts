import { parser } from '@prometheus-io/lezer-promql';
import { createRegistry } from '../../src/metrics/process.ts';
import type { MetricRow } from '../../src/metrics/row.ts';
import { consoleMetrics } from '../../src/metrics/console-metrics.ts';
import { metrics, primaryMetrics, processMetrics } from '../../src/metrics/table.ts';

/** By name of a series: its labels, and the values of each; undefined: any value. */
export type KnownSeries = ReadonlyMap<string, Readonly<Record<string, readonly string[] | undefined>>>;

/** Labels that Prometheus gives to everything that it scrapes. */
const scraped = { job: undefined, instance: undefined };

type Series = [name: string, labels: Readonly<Record<string, readonly string[] | undefined>>];

function seriesOf({ name, type, labels = {} }: MetricRow): Series[] {
  // No list: whatever the version of something is.
  const values = Object.entries(labels).map(([label, list]) => [label, list.length === 0 ? undefined : list]);
  const all = { ...scraped, ...(Object.fromEntries(values) as Series[1]) };
  if (type !== 'histogram') return [[name, all]];
  return [
    [`${name}_bucket`, { ...all, le: undefined }],
    [`${name}_sum`, all],
    [`${name}_count`, all],
  ];
}

/** What a scrape of the proxy returns, and what Prometheus adds. */
export async function scrapedSeries(): Promise<KnownSeries> {
  const rows = Object.values<MetricRow>({
    ...metrics,
    ...processMetrics,
    ...primaryMetrics,
    ...consoleMetrics,
  });
  const ofProcess = (await createRegistry().getMetricsAsJSON()).map(({ name }): Series => [name, scraped]);
  return new Map([
    ...ofProcess,
    ...rows.flatMap(seriesOf),
    ['up', scraped],
    ['ALERTS', { ...scraped, alertname: undefined, alertstate: ['pending', 'firing'], severity: undefined }],
  ]);
}

/** What every instance of a store reports alike. */
const shared: ReadonlySet<string> = new Set(
  Object.values<MetricRow>({ ...metrics, ...processMetrics, ...primaryMetrics, ...consoleMetrics })
    .filter((row) => row.shared === true)
    .map(({ name }) => name),
);

type Node = ReturnType<typeof parser.parse>['topNode'];

interface Selector {
  readonly name: string;
  readonly matchers: readonly { readonly label: string; readonly op: string; readonly value: string }[];
}

const below = (node: Node, name: string): Node[] => {
  const found: Node[] = [];
  node.cursor().iterate((each) => {
    if (each.name === name) found.push(each.node);
  });
  return found;
};

/** What keeps an expression from being about what the proxy reports: a sentence each. */
export function faultsOf(expression: string, known: KnownSeries): string[] {
  const tree = parser.parse(expression).topNode;
  const text = ({ from, to }: { readonly from: number; readonly to: number }): string =>
    expression.slice(from, to);
  // The grammar marks what it cannot read by a node of this name.
  if (below(tree, '⚠').length > 0) return [`it cannot be read: ${expression}`];

  const selectorsIn = (node: Node): Selector[] =>
    below(node, 'VectorSelector').map((selector) => ({
      name: below(selector, 'Identifier').map(text)[0] ?? '',
      matchers: below(selector, 'UnquotedLabelMatcher').map((matcher) => ({
        label: below(matcher, 'LabelName').map(text)[0] ?? '',
        op: below(matcher, 'MatchOp').map(text)[0] ?? '',
        value: JSON.parse(below(matcher, 'StringLiteral').map(text)[0] ?? '""') as string,
      })),
    }));

  const faults = selectorsIn(tree).flatMap((selector) => faultsOfSelector(selector, known));
  for (const modifier of [...below(tree, 'AggregateModifier'), ...below(tree, 'MatchingModifierClause')]) {
    const about = selectorsIn(modifier.parent ?? tree);
    for (const label of below(modifier, 'LabelName').map(text))
      if (!about.some(({ name }) => label in (known.get(name) ?? {})))
        faults.push(`nothing in ${text(modifier.parent ?? tree)} has a label ${label}`);
  }
  for (const aggregate of below(tree, 'AggregateExpr'))
    if (text(aggregate).startsWith('sum'))
      for (const { name } of selectorsIn(aggregate))
        if (shared.has(name)) faults.push(`${name} is the same everywhere, and must not be added up`);
  return faults;
}

function faultsOfSelector({ name, matchers }: Selector, known: KnownSeries): string[] {
  const labels = known.get(name);
  if (labels === undefined) return [`there is no metric ${name}`];
  return matchers.flatMap(({ label, op, value }) => {
    if (!(label in labels)) return [`${name} has no label ${label}`];
    const values = labels[label];
    if (values === undefined) return [];
    // Every alternative must match something: one that does not is a value that does not exist any more.
    const wanted = op.endsWith('~') ? value.split('|') : [value];
    return wanted
      .filter((each) => !values.some((one) => (op.endsWith('~') ? matches(one, each) : one === each)))
      .map((each) => `${label} of ${name} is never ${each}`);
  });
}

/** As Prometheus does it: anchored at both ends. */
const matches = (value: string, pattern: string): boolean => new RegExp(`^(?:${pattern})$`).test(value);
