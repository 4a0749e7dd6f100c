import { describe, expect, test } from '@jest/globals';
import { barChart, growthChart } from '../../bench/chart.ts';
import type { Sample } from '../../bench/measure.ts';
import { ratios, spread, type Results, type WorkloadResult } from '../../bench/results.ts';
import { report } from '../../bench/table.ts';
import { targetLines } from '../../bench/targets.ts';

const samples = (...rates: number[]): Sample[] =>
  rates.map((perCpuSecond) => ({ perCpuSecond, perSecond: perCpuSecond / 2, cores: 0.5, p50: 1, p99: 2 }));

const workload = (more: Partial<WorkloadResult>): WorkloadResult => ({
  name: 'post640',
  title: '640-byte POSTs',
  unit: 'requests',
  offered: 0,
  series: {},
  ...more,
});

const results = (workloads: WorkloadResult[]): Results => ({
  workloads,
  absent: ['nginx: it is not installed'],
  node: 'v24.0.0',
  date: '2026-01-31T12:00:00.000Z',
  machine: { cpu: 'a <fast> one', cores: 2, kernel: '6', pinned: true, load: [0, 1] },
  options: {},
});

const byCalls = [10, 100_000].map((calls) => ({
  calls,
  cpuPerRequest: 100,
  memory: 1e8,
  sent: calls === 10 ? 0.6 : 0.7,
  ran: { evalsha: 0.6 },
}));
const byInstances = [{ instances: 16, cpuPerAdmission: 0.2, memory: 1e6, sent: 0.6 }];

test('the middle of the rounds, and how far they are apart', () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
});

test('a ratio is made within its round', () => {
  const measured = workload({ series: { tallylight: samples(10, 100), express: samples(5, 10) } });
  expect(ratios(measured, 'tallylight', 'express')).toEqual([2, 10]);
  // A peer that failed in a round has no counterpart there.
  const broken = workload({ series: { tallylight: samples(10, 100), express: samples(5) } });
  expect(ratios(broken, 'tallylight', 'express')).toBeUndefined();
});

describe('a target', () => {
  const metOf = (series: WorkloadResult['series'], what: RegExp, node = 24): boolean | undefined =>
    targetLines(results([workload({ series })]), node).find((line) => what.test(line.what))?.met;

  test('is met by the median, on the right side of the bound', () => {
    const against = (rate: number): boolean | undefined =>
      metOf({ tallylight: samples(rate, rate, 1), express: samples(100, 100, 100) }, /against Express/);
    expect(against(400)).toBe(true);
    expect(against(399)).toBe(false);
  });

  test('of cost is the other way round', () => {
    const frames = (rate: number): boolean | undefined =>
      targetLines(
        results([
          workload({
            name: 'ws',
            unit: 'frames',
            series: { tallylight: samples(100), pipe: samples(rate) },
          }),
        ]),
        24,
      ).find(({ what }) => what.includes('raw TCP pipe'))?.met;
    expect(frames(114)).toBe(true);
    expect(frames(116)).toBe(false);
  });

  test('for Node 24 is none on Node 20', () => {
    const series = { tallylight: samples(10), nginxLua: samples(100) };
    expect(metOf(series, /640-byte POSTs against nginx/, 24)).toBe(false);
    expect(metOf(series, /640-byte POSTs against nginx/, 20)).toBeUndefined();
  });

  test('that was not measured is not met', () => {
    for (const line of targetLines(results([]), 24)) expect(line).not.toHaveProperty('met');
  });

  test('about the store is missed by one command too many', () => {
    const store = (sent: number): (boolean | undefined)[] =>
      targetLines(
        {
          ...results([]),
          capacity: {
            byCalls: byCalls.map((point) => ({ ...point, sent })),
            byInstances,
            callBytes: 1,
            heldCallBytes: 2,
          },
        },
        24,
      )
        .filter(({ what }) => what.startsWith('store commands a second of an idle'))
        .map(({ met }) => met);
    expect(store(0.6)).toEqual([true]);
    expect(store(1.6)).toEqual([false]);
  });
});

test('frames that did not come in time are told, since they make a bunch', () => {
  const paced = (perSecond: number): string | undefined => {
    const series = { tallylight: samples(10).map((one) => ({ ...one, perSecond })), alwaysYes: samples(10) };
    const line = targetLines(results([workload({ offered: 5, series })]), 24)[0];
    return line?.note;
  };
  expect(paced(5)).toBeUndefined();
  expect(paced(4)).toBe('not in pace: tallylight');
});

test('the table and the charts hold every peer and every point', () => {
  const found = results([workload({ series: { tallylight: samples(1234), nginx: samples(5678) } })]);
  const said = report(found, targetLines(found, 24));
  for (const part of ['1234', '5678', 'not measured', 'left out: nginx']) expect(said).toContain(part);
  expect(barChart(found).match(/<rect x=/g)).toHaveLength(2);
  const growth = growthChart({ byCalls, byInstances, callBytes: 1, heldCallBytes: 2 }, 'v24 & more');
  expect(growth.match(/<circle/g)).toHaveLength(9);
  expect(growth).toContain('v24 &#38; more');
});
