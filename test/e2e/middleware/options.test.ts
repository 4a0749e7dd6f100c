import { afterEach, describe, expect, test } from '@jest/globals';
import * as middleware from '../../../middleware/index.ts';
import {
  createGate,
  hangUp,
  requireRecording,
  updateRecordingStatus,
  type GateOptions,
} from '../../../middleware/index.ts';
import { newStore, silentLog } from './host.ts';

const tenant = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const issuers = [
  { issuer: 'https://issuer.example', audience: 'api://host', jwksUri: 'https://issuer.example/keys' },
];
const good = (): GateOptions => ({ store: newStore(), issuers, log: silentLog });

const gates: middleware.RecordingGate[] = [];
afterEach(async () => {
  for (const gate of gates.splice(0)) await gate.close();
});
async function gateWith(options: Partial<GateOptions> = {}): Promise<middleware.RecordingGate> {
  const gate = await createGate({ ...good(), ...options });
  gates.push(gate);
  return gate;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

describe('createGate', () => {
  test.each<[string, unknown, string]>([
    ['an unknown option', { ...good(), drainMS: 5 }, 'drainMS'],
    ['no store', { ...good(), store: {} }, 'store: must be a store'],
    ['no issuers', { ...good(), issuers: [] }, 'issuers'],
    ['an unknown key of an issuer', { ...good(), issuers: [{ ...issuers[0], tenant }] }, 'issuers[0]'],
    [
      'a key server without TLS',
      { ...good(), issuers: [{ ...issuers[0], jwksUri: 'http://a.example' }] },
      'https',
    ],
    ['a number as text', { ...good(), drainMs: '5' }, 'drainMs'],
    ['a policy without a name', { ...good(), policies: [{ match: {} }] }, 'policies[0].name'],
    [
      'a policy that would relax a law',
      { ...good(), policies: [{ name: 'a', match: {}, requireRecording: false }] },
      'policies[0]',
    ],
    [
      'two policies for the same caller',
      {
        ...good(),
        policies: [
          { name: 'a', match: {} },
          { name: 'b', match: {} },
        ],
      },
      'match the same callers',
    ],
    [
      'two policies of one name',
      {
        ...good(),
        policies: [
          { name: 'a', match: {} },
          { name: 'a', match: { tenants: [tenant] } },
        ],
      },
      'the same name',
    ],
    ['nothing', undefined, 'expected object'],
  ])('refuses %s, and names it', async (_, options, named) => {
    const failure: unknown = await createGate(options as GateOptions).catch((error: unknown) => error);
    expect(failure).toBeFault('ConfigurationInvalid');
    expect(String(failure)).toContain(named);
  });

  test('leaves the options of its caller as they are', async () => {
    const { store, log, ...data } = good();
    const policies = [{ name: 'drains', match: { tenants: [tenant.toUpperCase()] }, drainMs: 5 }];
    const options = Object.freeze({ store, log, ...deepFreeze({ ...data, policies }) });
    const before = JSON.stringify({ ...data, policies });
    await expect(gateWith(options as GateOptions)).resolves.toBeDefined();
    expect(JSON.stringify({ ...data, policies })).toBe(before);
  });

  test('says once that evidence goes nowhere durable without a directory', async () => {
    const warnings: string[] = [];
    await gateWith({ log: { ...silentLog, warn: (_facts, text) => void warnings.push(text) } });
    expect(warnings).toEqual([expect.stringContaining('evidence.directory')]);
  });

  test('joins the store, and leaves and closes it', async () => {
    const store = newStore();
    const gate = await createGate({ ...good(), store });
    expect(gate.isReady()).toBe(true);
    await gate.close();
    expect(gate.isReady()).toBe(false);
    await expect(store.ping()).rejects.toBeFault('StoreUnavailable');
  });
});

describe('a handler', () => {
  const authorization = () => Promise.resolve('Bearer x');

  test.each<[string, (gate: middleware.RecordingGate) => unknown, string]>([
    ['an unknown option', (gate) => requireRecording(gate, { callID: () => 'x' } as object), 'callID'],
    ['a call id that is no function', (gate) => requireRecording(gate, { callId: 'x' } as object), 'callId'],
    [
      'a token header of another name',
      (gate) => requireRecording(gate, { token: 'X-Token' as never }),
      'token',
    ],
    ['no authorization', (gate) => updateRecordingStatus(gate, {} as never), 'authorization'],
    [
      'Graph without TLS',
      (gate) => hangUp(gate, { graphUrl: 'http://graph.example', authorization }),
      'graphUrl',
    ],
    ['another version', (gate) => hangUp(gate, { version: 'v2.0' as 'beta', authorization }), 'version'],
    ['a gate that was not awaited', (gate) => requireRecording(Promise.resolve(gate) as never), 'await'],
  ])('refuses %s, and names it', async (_, make, named) => {
    const gate = await gateWith();
    let failure: unknown;
    try {
      make(gate);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeFault('ConfigurationInvalid');
    expect(String(failure)).toContain(named);
  });
});

test('the middleware has these names, and no others', () => {
  expect(Object.keys(middleware).sort()).toEqual([
    'admitFirst',
    'createGate',
    'hangUp',
    'memoryStore',
    'requireRecording',
    'updateRecordingStatus',
  ]);
});
