import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { format } from 'prettier';
import { parse } from 'yaml';
import { z } from 'zod';
import { strictestRules } from '../../../src/core/call/policy.ts';
import { policySchema } from '../../../src/policies/schema.ts';

const root = join(import.meta.dirname, '../../../policies');
const file = join(root, 'policy.schema.json');
const generated = z.toJSONSchema(policySchema, { io: 'input', target: 'draft-2020-12' });

const fresh = await format(JSON.stringify(generated), { parser: 'json', printWidth: 110 });
if (process.env.TALLYLIGHT_WRITE_DOCS === '1') writeFileSync(file, fresh);

test('the schema for editors is what the program checks', () => {
  expect(readFileSync(file, 'utf8')).toBe(fresh);
});

test('every field is described, and its default is the strictest rule', () => {
  const fields = generated.properties ?? {};
  expect(Object.keys(fields)).toEqual(['$schema', 'name', 'match', ...Object.keys(strictestRules)]);
  const { properties: inMatch = {} } = fields.match as typeof generated;
  expect(Object.keys(inMatch)).toEqual(['tenants', 'apps']);
  for (const field of [...Object.values(fields), ...Object.values(inMatch)])
    expect((field as typeof generated).description).toMatch(/^[A-Z].*\.$/);
  expect(policySchema.parse({ name: 'a', match: {} })).toEqual({ name: 'a', match: {}, ...strictestRules });
});

describe('an editor and the program agree', () => {
  const ajv = new Ajv2020();
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  const accepts = ajv.compile(JSON.parse(readFileSync(file, 'utf8')) as object);
  const shipped = ['default.json', ...readdirSync(join(root, 'examples')).map((name) => `examples/${name}`)];

  test.each(shipped)('on %s', (name) => {
    const value: unknown = parse(readFileSync(join(root, name), 'utf8'));
    expect(accepts(value)).toBe(true);
    expect(policySchema.safeParse(value).success).toBe(true);
  });

  test.each([
    { name: 'a' },
    { match: {} },
    { name: 'a', match: {}, drainMs: 60_001 },
    { name: 'a', match: {}, drainMs: '5' },
    { name: 'a', match: {}, nope: 1 },
    { name: 'a', match: { tenant: [] } },
    { name: 'a', match: { tenants: [] } },
    { name: 'a', match: { tenants: ['x'] } },
    { name: 'a', match: {}, appAlias: 'yes' },
    { name: '-', match: {} },
  ])('on refusing %j', (value) => {
    expect(accepts(value)).toBe(false);
    expect(policySchema.safeParse(value).success).toBe(false);
  });
});
