import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { format } from 'prettier';
import { parse } from 'yaml';
import { dashboards } from '../../../dashboards/all.ts';
import { grafana, panelsOf, readDashboard } from '../../support/grafana.ts';

const folder = join(grafana, 'dashboards');

const fresh = Object.fromEntries(
  await Promise.all(
    Object.entries(dashboards).map(
      async ([name, board]) =>
        [name, await format(JSON.stringify(board), { parser: 'json', printWidth: 110 })] as const,
    ),
  ),
);
if (process.env.TALLYLIGHT_WRITE_DOCS === '1')
  for (const [name, text] of Object.entries(fresh)) writeFileSync(join(folder, name), text);

test.each(Object.keys(dashboards))('%s is what the generator makes', (name) => {
  expect(readFileSync(join(folder, name), 'utf8')).toBe(fresh[name]);
});

test('there is no other dashboard', () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(dashboards).sort());
});

describe.each(Object.keys(dashboards))('%s', (name) => {
  const board = readDashboard(name);
  const panels = panelsOf(board);

  test('has a title, a unit and a description on each panel, none twice', () => {
    expect(panels.length).toBeGreaterThan(20);
    for (const { title, description, fieldConfig } of panels) {
      expect(title).toMatch(/\S/);
      expect(description).toMatch(/^[A-Z1].*\.$/);
      expect(fieldConfig?.defaults?.unit).toMatch(/\S/);
    }
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  test('asks the data source, the job and the instance that are chosen', () => {
    const names = board.templating?.list.map((each) => each.name);
    expect(names).toEqual(['datasource', 'job', 'instance']);
    for (const { title, datasource, targets } of panels) {
      expect([title, datasource?.uid]).toEqual([title, '${datasource}']);
      expect(targets?.length).toBeGreaterThan(0);
      for (const { expr } of targets ?? [])
        expect(expr).toMatch(/job=~"\$job"|^sum by \(alertname, severity\)/);
    }
  });

  test('has no query that hides another of its panel', () => {
    for (const { targets = [] } of panels)
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  });
});

describe('Grafana is given', () => {
  const root = resolve(grafana, '../..');
  const read = (path: string): unknown => parse(readFileSync(join(root, path), 'utf8'));
  const compose = read('docker-compose.yml') as {
    services: { grafana: { volumes: string[] }; prometheus: { volumes: string[]; command: string[] } };
  };
  const mounted = (service: 'grafana' | 'prometheus', at: string): string | undefined =>
    compose.services[service].volumes.find((volume) => volume.endsWith(`:${at}:ro`))?.split(':')[0];

  test('its data source, its provider and the dashboards, each where the other says', () => {
    expect(mounted('grafana', '/etc/grafana/provisioning')).toBe('./deploy/grafana/provisioning');
    const { providers } = read('deploy/grafana/provisioning/dashboards/tallylight.yaml') as {
      providers: { options: { path: string } }[];
    };
    expect(providers.map(({ options }) => mounted('grafana', options.path))).toEqual([
      './deploy/grafana/dashboards',
    ]);
    const { datasources } = read('deploy/grafana/provisioning/datasources/prometheus.yaml') as {
      datasources: { url: string; jsonData: { timeInterval: string } }[];
    };
    const prometheus = read('deploy/prometheus/prometheus.yml') as { global: { scrape_interval: string } };
    expect(datasources.map(({ url, jsonData }) => [url, jsonData.timeInterval])).toEqual([
      ['http://prometheus:9090', prometheus.global.scrape_interval],
    ]);
  });

  test('a Prometheus that reads the rules', () => {
    expect(mounted('prometheus', '/etc/prometheus')).toBe('./deploy/prometheus');
    expect(compose.services.prometheus.command).toContain('--config.file=/etc/prometheus/prometheus.yml');
    const { rule_files: files } = read('deploy/prometheus/prometheus.yml') as { rule_files: string[] };
    expect(files).toEqual(['tallylight.rules.yaml']);
  });
});
