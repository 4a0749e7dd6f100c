import { describe, expect, test } from '@jest/globals';
import { dashboards } from '../../../dashboards/all.ts';
import { expressionsOf, readDashboard } from '../../support/grafana.ts';
import { alerts, promtool, type RuleFile, ruleFile } from '../../support/prometheus-rules.ts';
import { alertCases } from './alert-cases/all.ts';
import type { AlertCase } from './alert-cases/shape.ts';

const nameOf = ({ alert, severity }: Pick<AlertCase, 'alert' | 'severity'>): string =>
  `${alert} (${severity})`;

const everyLabel = { job: 'tallylight', instance: 'a:9090' };

/** The whole name of a series; labels that the case gives itself are kept. */
function seriesName(selector: string): string {
  const [, metric = '', given = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(selector) ?? [];
  const added = Object.entries(everyLabel)
    .filter(([label]) => !given.includes(`${label}="`))
    .map(([label, value]) => `${label}="${value}"`);
  return `${metric}{${[...added, ...(given === '' ? [] : [given])].join(',')}}`;
}

function filled(text: string, labels: Readonly<Record<string, string>>): string {
  return text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => {
    const value = labels[label];
    if (value === undefined) throw new Error(`the alert has no label ${label}, which its annotations name`);
    return value;
  });
}

/** What promtool expects of an alert that fires. */
function expected({ alert, severity, labels }: AlertCase): object {
  const rule = alerts.find((each) => each.alert === alert && each.labels.severity === severity);
  if (rule === undefined) throw new Error(`there is no rule ${nameOf({ alert, severity })}`);
  return {
    exp_labels: { ...labels, severity },
    exp_annotations: Object.fromEntries(
      Object.entries(rule.annotations).map(([name, text]) => [name, filled(text, labels)]),
    ),
  };
}

/** The rules of an alert, with the shares if it is about them: promtool evaluates every rule that it is given. */
function rulesOf(alert: string, { groups }: RuleFile): RuleFile {
  const wanted = groups.map((group) => ({
    ...group,
    rules: group.rules.filter((rule) => 'alert' in rule && rule.alert === alert),
  }));
  const onShares = wanted.some(({ rules }) => rules.some(({ expr }) => expr.includes('tallylight:')));
  const shares = groups.filter(({ rules }) => rules.some((rule) => 'record' in rule));
  return { groups: [...(onShares ? shares : []), ...wanted.filter(({ rules }) => rules.length > 0)] };
}

/** Whether promtool finds with these rules what the case says. */
function tried(one: AlertCase, rules: RuleFile = ruleFile): ReturnType<typeof promtool> {
  const every = one.every ?? '1m';
  const scene = ({ series, at }: AlertCase['fires'], firing: readonly object[]): object => ({
    interval: every,
    input_series: Object.entries(series).map(([name, values]) => ({ series: seriesName(name), values })),
    alert_rule_test: [{ eval_time: at, alertname: one.alert, exp_alerts: firing }],
  });
  return promtool(['test', 'rules', 'cases.yaml'], {
    'rules.yaml': rulesOf(one.alert, rules),
    'cases.yaml': {
      rule_files: ['rules.yaml'],
      evaluation_interval: every,
      tests: [scene(one.fires, [expected(one)]), ...one.silent.map((each) => scene(each, []))],
    },
  });
}

describe('each alert fires when it should, and not when it should not', () => {
  test.each(alertCases.map((one) => [nameOf(one), one] as const))('%s', async (_name, one) => {
    const { ok, said } = await tried(one);
    expect(ok ? '' : said).toBe('');
  });

  test('none is without a case', () => {
    const tested = new Set(alertCases.map(nameOf));
    const named = alerts.map(({ alert, labels }) => `${alert} (${labels.severity ?? ''})`);
    expect(named.filter((name) => !tested.has(name))).toEqual([]);
    expect(alertCases.filter(({ silent }) => silent.length === 0)).toEqual([]);
  });
});

describe('a rule that changed its meaning is found', () => {
  const one = alertCases.find(({ alert }) => alert === 'TallylightContradiction');
  const withExpression = (expr: string): RuleFile => ({
    groups: ruleFile.groups.map((group) => ({
      ...group,
      rules: group.rules.map((rule) =>
        'alert' in rule && rule.alert === 'TallylightContradiction' ? { ...rule, expr } : rule,
      ),
    })),
  });

  test.each([
    ['it fires no more', 'sum by (job, kind) (increase(tallylight_contradictions_total[10m])) > 5'],
    ['it fires for ever', 'sum by (job, kind) (tallylight_contradictions_total) > 0'],
    ['it has lost a label', 'sum by (job) (increase(tallylight_contradictions_total[10m])) > 0'],
  ])('%s', async (_what, expr) => {
    expect((await tried(one!, withExpression(expr))).ok).toBe(false);
  });
});

const checked = (rules: unknown): ReturnType<typeof promtool> =>
  promtool(['check', 'rules', 'rules.yaml'], { 'rules.yaml': rules });

describe('promtool reads', () => {
  test('the rules', async () => {
    const { ok, said } = await checked(ruleFile);
    expect(ok ? '' : said).toBe('');
  });

  const asRules = (expressions: readonly string[]): object => ({
    groups: [
      { name: 'panels', rules: expressions.map((expr, n) => ({ record: `panel:number:${n}`, expr })) },
    ],
  });

  test.each(Object.keys(dashboards))('every expression of %s', async (name) => {
    const expressions = expressionsOf(readDashboard(name));
    const { ok, said } = await checked(asRules(expressions));
    expect(ok ? '' : said).toBe('');
    expect(said).toContain(`${expressions.length} rules found`);
  });

  test('nothing that is wrong', async () => {
    expect((await checked(asRules(['sum by (job) (up)', 'rate(up)']))).ok).toBe(false);
  });
});
