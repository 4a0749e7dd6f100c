import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { format, resolveConfig } from 'prettier';
import { parse, stringify } from 'yaml';

const deploy = resolve(import.meta.dirname, '../../../deploy');
const file = join(deploy, 'kubernetes/components/monitoring/prometheus-rule.yaml');
const rules: unknown = parse(readFileSync(join(deploy, 'prometheus/tallylight.rules.yaml'), 'utf8'));

/** The rules as an object of the operator, which has no way to read a file of rules. */
const rule = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PrometheusRule',
  metadata: { name: 'tallylight', labels: { 'app.kubernetes.io/name': 'tallylight' } },
  spec: rules,
};

test('the rules for the Prometheus operator are those of the file for Prometheus', async () => {
  const text = `# Generated from deploy/prometheus/tallylight.rules.yaml by "npm run docs".\n${stringify(rule, { lineWidth: 0, blockQuote: 'literal' })}`;
  const fresh = await format(text, { ...(await resolveConfig(file)), parser: 'yaml' });
  if (process.env.TALLYLIGHT_WRITE_DOCS === '1') writeFileSync(file, fresh);
  expect(parse(fresh)).toEqual(rule);
  expect(readFileSync(file, 'utf8')).toBe(fresh);
});
