import { describe, expect, test } from '@jest/globals';
import { dashboards } from '../../../dashboards/all.ts';
import { alertCases } from '../../integration/deploy/alert-cases/all.ts';
import { expressionsOf, readDashboard } from '../../support/grafana.ts';
import { alerts, recordings } from '../../support/prometheus-rules.ts';
import { faultsOf, type KnownSeries, scrapedSeries } from '../../support/promql.ts';

const scraped = await scrapedSeries();
/** The recording rules keep the job alone. */
const known: KnownSeries = new Map([
  ...scraped,
  ...recordings.map(({ record }) => [record, { job: undefined }] as const),
]);

describe('what is asked of Prometheus is what the proxy reports', () => {
  test.each(
    [...recordings, ...alerts].map((rule) => ['record' in rule ? rule.record : rule.alert, rule.expr]),
  )('in %s', (_name, expr) => expect(faultsOf(expr, known)).toEqual([]));

  test.each(Object.keys(dashboards))('in the dashboard %s', (name) => {
    const expressions = expressionsOf(readDashboard(name));
    expect(expressions.length).toBeGreaterThan(20);
    expect(expressions.flatMap((expr) => faultsOf(expr, known))).toEqual([]);
    expect(expressions.filter((expr) => expr.includes('$'))).toEqual([]);
  });

  test('in the cases of the alerts', () => {
    const selectors = alertCases.flatMap(({ fires, silent }) =>
      [fires, ...silent].flatMap(({ series }) => Object.keys(series)),
    );
    expect(selectors.flatMap((selector) => faultsOf(selector, scraped))).toEqual([]);
  });
});

test('the alerts name themselves by labels that they have', () => {
  for (const { annotations, alert, labels } of alerts) {
    expect(alert).toMatch(/^Tallylight[A-Z][A-Za-z]+$/);
    expect(['critical', 'warning']).toContain(labels.severity);
    expect(annotations.summary).toMatch(/^[A-Z][^{]*\.$/);
    expect(annotations.description).toMatch(/\.$/);
  }
});

describe('what is wrong is found', () => {
  test.each([
    ['a metric', 'rate(tallylight_gone_total[5m])', 'there is no metric tallylight_gone_total'],
    ['the sum of a counter', 'tallylight_contradictions_total_sum', 'there is no metric'],
    ['a histogram without its part', 'tallylight_drain_duration_seconds', 'there is no metric'],
    ['a label', 'tallylight_store_up{state="x"}', 'tallylight_store_up has no label state'],
    [
      'a value',
      'tallylight_contradictions_total{kind="neverHeard"}',
      'kind of tallylight_contradictions_total is never neverHeard',
    ],
    [
      'a value among others',
      'tallylight_drain_duration_seconds_count{outcome=~"cut|gone"}',
      'outcome of tallylight_drain_duration_seconds_count is never gone',
    ],
    ['a value that is left out', 'tallylight_calls{state!="gone"}', 'is never gone'],
    ['a label to group by', 'sum by (kind) (tallylight_store_up)', 'nothing in'],
    [
      'a label of another part',
      'sum by (kind) (tallylight_store_up) / tallylight_contradictions_total',
      'kind',
    ],
    ['a label to match on', 'tallylight_store_up * on (kind) tallylight_session_live', 'nothing in'],
    ['a rule', 'tallylight:starts_failed:ratio_rate2h', 'there is no metric'],
    ['a sum over instances that count the same', 'sum(tallylight_calls)', 'must not be added up'],
    ['something that is no expression', 'sum by (kind (up)', 'it cannot be read'],
  ])('%s', (_what, expr, fault) => {
    expect(faultsOf(expr, known).join('\n')).toContain(fault);
  });

  test('and nothing else is', () => {
    const expr =
      'histogram_quantile(0.9, sum by (le, outcome) (rate(tallylight_drain_duration_seconds_bucket{outcome!="lost"}[5m])))';
    expect(faultsOf(expr, known)).toEqual([]);
  });
});
