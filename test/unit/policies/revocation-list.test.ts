import { describe, expect, test } from '@jest/globals';
import { messageOf } from '../../../src/core/errors.ts';
import { readRevocations } from '../../../src/policies/revocation-list.ts';

const tenant = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
const hash = 'A'.repeat(64);

test('a list names tokens, or what was issued before a moment', () => {
  const yaml = `
- hash: ${hash}
  note: leaked in a ticket
- jti: one
- uti: two
- { tenant: ${tenant.toUpperCase()}, issuedBefore: 2030-01-31T12:00:00+01:00 }
`;
  expect(readRevocations('revoked.yaml', yaml)).toEqual([
    { hash: hash.toLowerCase(), note: 'leaked in a ticket' },
    { jti: 'one' },
    { uti: 'two' },
    { tenant, issuedBefore: Date.parse('2030-01-31T11:00:00Z') },
  ]);
  expect(readRevocations('revoked.json', '[{"jti":"one"}]')).toEqual([{ jti: 'one' }]);
  expect(readRevocations('revoked.json', '[]')).toEqual([]);
});

describe('a list is refused', () => {
  test.each<[string, string, string]>([
    ['with nothing in it', '', ':1: the file must have a list'],
    ['with only a comment', '# none\n', ':1: the file must have a list'],
    ['that is no list', 'jti: one', ':1: the file must have a list'],
    ['that is not YAML', '- jti: "one', 'this is not valid YAML or JSON'],
    ['whose hash is none', '- hash: abc', ':1: [0].hash must be the SHA-256'],
    ['with an entry that names nothing', '- note: x', ':1: [0] must have exactly one of hash, jti'],
    ['with an entry that names two things', '- { jti: a, uti: b }', ':1: [0] must have exactly one of'],
    ['with a name that is not known', '- jti: a\n- token: secret-token', ':2: [1].token is not known here'],
    [
      'with a time without a zone',
      `- { tenant: ${tenant}, issuedBefore: "2030-01-31T12:00:00" }`,
      'its zone',
    ],
    ['that would revoke everything', '- issuedBefore: 2030-01-31T12:00:00Z', 'would revoke every token'],
    ['with a tenant that is none', '- { tenant: x, issuedBefore: 2030-01-31T12:00:00Z }', 'must be a GUID'],
    [
      'that narrows a single token',
      `- { jti: a, tenant: ${tenant} }`,
      'only allowed together with "issuedBefore"',
    ],
  ])('%s', (_, content, what) => {
    let fault: unknown;
    try {
      readRevocations('revoked.yaml', content);
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
    expect(messageOf(fault)).toContain('revoked.yaml');
    expect(messageOf(fault)).toContain(what);
    expect(messageOf(fault)).not.toContain('secret-token');
  });
});
