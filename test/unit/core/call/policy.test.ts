import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  collide,
  defaultPolicy,
  inForce,
  matches,
  mayUpload,
  selectPolicy,
  specificity,
  strictestRules,
  type Policy,
} from '../../../../src/core/call/policy.ts';

const policy = (name: string, match: Policy['match'], more: Partial<Policy> = {}): Policy => ({
  name,
  match,
  ...strictestRules,
  ...more,
});

const who = { tenant: 'tenant-1', app: 'app-1' };
const both = inForce(policy('both', { tenants: ['tenant-1'], apps: ['app-1'] }));
const app = inForce(policy('app', { apps: ['app-1'] }));
const tenant = inForce(policy('tenant', { tenants: ['tenant-1'] }));
const everybody = inForce(policy('everybody', {}));
const stranger = inForce(policy('stranger', { tenants: ['tenant-2'], apps: ['app-2'] }));

describe('the policy for a caller', () => {
  test.each([
    ['both', [both, app, tenant, everybody, stranger]],
    ['app', [app, tenant, everybody, stranger]],
    ['tenant', [tenant, everybody, stranger]],
    ['everybody', [everybody, stranger]],
    ['default', [stranger]],
    ['default', []],
  ])('is "%s", the most specific that matches, in any order', (name, policies) => {
    expect(selectPolicy(policies, who).name).toBe(name);
    expect(selectPolicy(policies.toReversed(), who).name).toBe(name);
  });

  test.each([
    [{ tenant: 'tenant-1', app: 'app-2' }, 'tenant'],
    [{ tenant: 'tenant-2', app: 'app-1' }, 'app'],
    [{ tenant: 'tenant-2', app: 'app-2' }, 'stranger'],
    [{ tenant: 'tenant-3', app: 'app-3' }, 'everybody'],
    [null, 'everybody'],
  ])('who is %j is "%s"', (caller, name) => {
    expect(selectPolicy([both, app, tenant, everybody, stranger], caller).name).toBe(name);
  });

  test('who is not known is never one that was meant for somebody', () => {
    expect(selectPolicy([both, app, tenant, stranger], null)).toBe(defaultPolicy);
  });

  test('with an empty list is for nobody', () => {
    expect(matches(policy('none', { tenants: [] }), who)).toBe(false);
    expect(matches(policy('none', { apps: [] }), who)).toBe(false);
  });

  test('by default is the strictest', () => {
    expect(defaultPolicy).toMatchObject({
      recordResponse: 'refuse',
      operationPatch: 'refuse',
      updateMetadata: 'refuse',
      appAlias: 'refuse',
      onStartRefused: 'keepCall',
      uploaders: [],
    });
    expect(defaultPolicy.match).toEqual({});
  });
});

describe('two policies', () => {
  test.each([
    [{}, {}, true],
    [{ tenants: ['1'] }, { tenants: ['1', '2'] }, true],
    [{ tenants: ['1'] }, { tenants: ['2'] }, false],
    [{ tenants: ['1'] }, {}, false],
    [{ tenants: ['1'] }, { apps: ['1'] }, false],
    [{ apps: ['1'] }, { apps: ['2', '1'] }, true],
    [{ tenants: ['1'], apps: ['1'] }, { tenants: ['1'], apps: ['2'] }, false],
    [{ tenants: ['1'], apps: ['1'] }, { tenants: ['2'], apps: ['1'] }, false],
    [{ tenants: ['1'], apps: ['1', '2'] }, { tenants: ['2', '1'], apps: ['2'] }, true],
    [{ tenants: [] }, { tenants: [] }, false],
  ])('for %j and %j collide: %j', (one, two, expected) => {
    expect(collide(policy('one', one), policy('two', two))).toBe(expected);
    expect(collide(policy('two', two), policy('one', one))).toBe(expected);
  });

  const list = fc.option(fc.uniqueArray(fc.constantFrom('1', '2', '3'), { maxLength: 3 }), {
    nil: undefined,
  });
  const match = fc.record({ tenants: list, apps: list }).map(({ tenants, apps }) => ({
    ...(tenants === undefined ? {} : { tenants }),
    ...(apps === undefined ? {} : { apps }),
  }));
  const callers = ['1', '2', '3', '4'].flatMap((one) =>
    ['1', '2', '3', '4'].map((two) => ({ tenant: one, app: two })),
  );

  test('collide exactly if some caller is matched by both at the same level', () => {
    fc.assert(
      fc.property(match, match, (a, b) => {
        const [one, two] = [policy('one', a), policy('two', b)];
        const shared = callers.some((caller) => matches(one, caller) && matches(two, caller));
        expect(collide(one, two)).toBe(shared && specificity(one) === specificity(two));
      }),
      { numRuns: 1000 },
    );
  });

  test('that do not collide are never decided by their order', () => {
    fc.assert(
      fc.property(fc.array(match, { maxLength: 4 }), (all) => {
        const policies = all.map((one, index) => inForce(policy(`p${index}`, one)));
        fc.pre(policies.every((one) => policies.every((two) => one === two || !collide(one, two))));
        for (const caller of [...callers, null])
          expect(selectPolicy(policies.toReversed(), caller)).toBe(selectPolicy(policies, caller));
      }),
    );
  });
});

describe('the digest of a policy', () => {
  test('names its content, whatever the order of its keys', () => {
    const one = policy('p', { tenants: ['1'], apps: ['2'] });
    const two = Object.fromEntries(Object.entries(one).toReversed()) as unknown as Policy;
    const three = { ...two, match: { apps: ['2'], tenants: ['1'] } };
    expect(inForce(one).digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(inForce(two).digest).toBe(inForce(one).digest);
    expect(inForce(three).digest).toBe(inForce(one).digest);
  });

  test.each<Partial<Policy>>([
    { name: 'q' },
    { match: { tenants: ['1'] } },
    { drainMs: 0 },
    { recordResponse: 'whileRecording' },
    { operationPatch: 'forward' },
    { updateMetadata: 'forward' },
    { appAlias: 'forward' },
    { onStartRefused: 'hangUp' },
    { mediaReads: 'refuse' },
    { uploaders: ['1'] },
  ])('changes with %j', (change) => {
    expect(inForce(policy('p', {}, change)).digest).not.toBe(inForce(policy('p', {})).digest);
  });
});

describe('who may upload', () => {
  const owner = { tenant: 't', app: 'bot' };
  const rules = { ...strictestRules, uploaders: ['uploader'] };

  test.each([
    [{ tenant: 't', app: 'bot' }, true],
    [{ tenant: 't', app: 'uploader' }, true],
    [{ tenant: 't', app: 'stranger' }, false],
    [{ tenant: 'u', app: 'bot' }, false],
    [{ tenant: 'u', app: 'uploader' }, false],
    [{ tenant: 'bot', app: 't' }, false],
  ])('for a bot: %j, %j', (caller, allowed) => {
    expect(mayUpload(rules, owner, caller)).toBe(allowed);
  });

  test('is only the bot itself, unless the policy names others', () => {
    expect(mayUpload(strictestRules, owner, owner)).toBe(true);
    expect(mayUpload(strictestRules, owner, { tenant: 't', app: 'uploader' })).toBe(false);
  });

  test('is anybody, where the call could be bound to nobody', () => {
    expect(mayUpload(strictestRules, null, { tenant: 'u', app: 'stranger' })).toBe(true);
  });
});
