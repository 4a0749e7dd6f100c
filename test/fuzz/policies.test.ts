import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isFault } from '../../src/core/errors.ts';
import { selectPolicy, strictestRules, type PolicyInForce } from '../../src/core/call/policy.ts';
import { loadPolicies } from '../../src/policies/load.ts';
import { cases, edited, ofLongRun } from './cases.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallylight-fuzz-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const guid = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
const shipped = readFileSync(new URL('../../policies/default.json', import.meta.url), 'utf8');
const loose = JSON.stringify({
  name: 'loose',
  match: { tenants: [guid], apps: [guid] },
  recordResponse: 'whileRecording',
  operationPatch: 'forward',
  updateMetadata: 'forward',
  appAlias: 'forward',
  uploaders: [guid],
});
const yaml = 'name: plain\nmatch: {}\ndrainMs: 5\nmediaReads: whileRecording\n';
const pieces = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '&a ',
    '*a',
    '!!js/function ',
    '!!set ',
    '<<: *a',
    '- ',
    '? ',
    '|\n',
    '#',
    '\t',
    '\n',
    '---\n',
  ],
  ...[
    'null',
    '-1',
    '60001',
    '1e3',
    '0x10',
    'yes',
    'match',
    'tenants',
    'name',
    'forward',
    'FORWARD',
    'refuse',
    '__proto__',
    'hangUp',
    guid,
  ],
];
const choices = [
  'recordResponse',
  'operationPatch',
  'updateMetadata',
  'appAlias',
  'callbackUri',
  'onStartRefused',
] as const;

function load(text: string): readonly PolicyInForce[] | undefined {
  writeFileSync(join(directory, 'policy.yaml'), text);
  try {
    return loadPolicies(directory);
  } catch (error) {
    if (!isFault(error, 'ConfigurationInvalid')) throw error;
    return undefined;
  }
}

test('whatever a policy file says, it is refused as a whole, or what it does not loosen stays strict', () => {
  let loaded = 0;
  fc.assert(
    fc.property(edited(fc.constantFrom(shipped, loose, yaml), pieces, 3), (text) => {
      const policies = load(text);
      if (policies === undefined) return;
      loaded += 1;
      for (const policy of policies) {
        for (const rule of choices) {
          if (policy[rule] === strictestRules[rule]) continue;
          expect(text).toContain(rule);
          expect(text).toContain(policy[rule]);
        }
        for (const app of policy.uploaders) expect(text.toLowerCase()).toContain(app);
        expect(policy.drainMs ?? 0).toBeLessThanOrEqual(60_000);
        expect(policy.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      }
      // Whom no policy names, the strictest one is for, unless one is for everybody.
      const stranger = selectPolicy(policies, { tenant: 'x', app: 'y' });
      expect(Object.keys(stranger.match)).toEqual([]);
    }),
    cases(),
  );
  expect(loaded).toBeGreaterThan(ofLongRun(50));
});
