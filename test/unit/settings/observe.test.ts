import { describe, expect, test } from '@jest/globals';
import { createGate } from '../../../middleware/index.ts';
import { maxObservationMs } from '../../../src/core/call/observation.ts';
import { messageOf } from '../../../src/core/errors.ts';
import { policySchema } from '../../../src/policies/schema.ts';
import { doubtsOf } from '../../../src/settings/doubts.ts';
import { loadSettings, type ProxySettings } from '../../../src/settings/settings.ts';
import { warnAbout } from '../../../src/settings/warnings.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { base } from '../../support/settings.ts';

const now = Date.UTC(2026, 11, 1, 12);
const tenants = ['11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222'];

function load(until: string, of = tenants.join(', ')): ProxySettings {
  const settings = loadSettings(
    {
      ...base,
      TALLYLIGHT_OBSERVE_UNTIL: until,
      TALLYLIGHT_OBSERVE_TENANTS: of,
    },
    undefined,
    now,
  );
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  return settings;
}

function complaintAbout(until?: string, of?: string): string {
  try {
    loadSettings(
      {
        ...base,
        ...(until === undefined ? {} : { TALLYLIGHT_OBSERVE_UNTIL: until }),
        ...(of === undefined ? {} : { TALLYLIGHT_OBSERVE_TENANTS: of }),
      },
      undefined,
      now,
    );
  } catch (error) {
    expect(error).toBeFault('ConfigurationInvalid');
    return messageOf(error);
  }
  throw new Error('the settings were accepted');
}

describe('the end of an observation', () => {
  test.each([
    ['2026-12-31', '2026-12-31T00:00:00.000Z'],
    ['2026-12-24T18:30:00Z', '2026-12-24T18:30:00.000Z'],
    ['2026-12-24T18:30:00.5+02:00', '2026-12-24T16:30:00.500Z'],
  ])('may be %s', (given, until) => {
    expect(load(given).observation).toEqual({ until: Date.parse(until), tenants });
  });

  test.each([
    'tomorrow',
    '31.12.2026',
    '2026-12-32',
    '2026-02-30',
    '2026-12-24T18:30:00',
    '2026-12-24 18:30:00Z',
    '1798675200000',
    '30d',
  ])('may not be %s', (given) => {
    expect(complaintAbout(given, tenants[0])).toContain('TALLYLIGHT_OBSERVE_UNTIL must be a date');
  });

  test('is at most 30 days ahead, at every start', () => {
    const last = new Date(now + maxObservationMs).toISOString();
    expect(load(last).observation?.until).toBe(now + maxObservationMs);
    const later = new Date(now + maxObservationMs + 1).toISOString();
    expect(complaintAbout(later, tenants[0])).toContain(
      'TALLYLIGHT_OBSERVE_UNTIL is more than 30 days ahead',
    );
    expect(complaintAbout('9999-12-31', tenants[0])).toContain('more than 30 days ahead');
  });

  test('that has passed enforces, so that a restart after it succeeds, and is told', () => {
    const settings = load('2026-12-01');
    expect(settings.observation).toBeDefined();
    expect(doubtsOf(settings, now)).toMatchObject([
      { setting: 'TALLYLIGHT_OBSERVE_UNTIL', text: expect.stringContaining('laws are enforced') },
    ]);
    const log = collectedLog();
    warnAbout(settings, log, now);
    expect(log.lines.map(({ level, facts }) => [level, facts.setting])).toContainEqual([
      'warn',
      'TALLYLIGHT_OBSERVE_UNTIL',
    ]);
  });

  test('that is to come is no doubt, and the start warns of it', () => {
    const settings = load('2026-12-31');
    expect(doubtsOf(settings, now)).toEqual([]);
    const log = collectedLog();
    warnAbout(settings, log, now);
    expect(log.lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        facts: { setting: 'TALLYLIGHT_OBSERVE_UNTIL', until: '2026-12-31T00:00:00.000Z', tenants },
      }),
    );
  });
});

describe('the tenants that are observed', () => {
  test('are named, as text or as a list', () => {
    expect(load('2026-12-31', JSON.stringify(tenants.toReversed())).observation?.tenants).toEqual(tenants);
    expect(load('2026-12-31', `${tenants[1]!},${tenants[1]!.toUpperCase()}`).observation?.tenants).toEqual([
      tenants[1],
    ]);
  });

  test('must be named', () => {
    expect(complaintAbout('2026-12-31')).toContain('TALLYLIGHT_OBSERVE_TENANTS is missing');
    expect(complaintAbout('2026-12-31', '[]')).toContain('TALLYLIGHT_OBSERVE_TENANTS');
    expect(complaintAbout('2026-12-31', '*')).toContain('TALLYLIGHT_OBSERVE_TENANTS');
    expect(complaintAbout(undefined, tenants[0])).toContain('TALLYLIGHT_OBSERVE_UNTIL is missing');
  });
});

describe('nothing is observed', () => {
  test('without the setting', () => {
    expect(loadSettings(base)).not.toHaveProperty('observation');
  });

  test('by a policy: it has no field for that', () => {
    expect(policySchema.safeParse({ name: 'p', match: {} }).success).toBe(true);
    for (const field of ['observe', 'observeUntil', 'enforce', 'enforced', 'enforcing'])
      expect(policySchema.safeParse({ name: 'p', match: {}, [field]: false }).success).toBe(false);
  });

  test('by the middleware', async () => {
    const options = {
      store: memoryStore(),
      issuers: [{ issuer: 'https://login.example', audience: 'a', jwksUri: 'https://login.example/keys' }],
      observation: { until: Date.now() + 60_000, tenants },
    };
    await expect(createGate(options)).rejects.toBeFault('ConfigurationInvalid');
  });
});
