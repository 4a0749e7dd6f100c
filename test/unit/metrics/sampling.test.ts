import { expect, test } from '@jest/globals';
import { createMeter } from '../../../src/metrics/metrics.ts';
import { oldestSuccess } from '../../../src/metrics/oldest-success.ts';
import { createRegistry } from '../../../src/metrics/process.ts';

test('of several the one that waits longest is told, and nothing while one has never succeeded', () => {
  let now = 1000;
  const successes = oldestSuccess(() => now);
  const report = (name: string, ok: boolean): number | undefined => successes.report(name, ok);
  expect(report('a', true)).toBe(1);
  expect(report('b', false)).toBeUndefined();
  now = 5000;
  expect(report('a', true)).toBeUndefined();
  expect(report('b', true)).toBe(5);
  now = 9000;
  expect(report('a', true)).toBe(5);
  // A failure takes nothing back.
  expect(report('b', false)).toBe(5);
  expect(report('b', true)).toBe(9);
});

test('what is only known by asking is asked for each time metrics are read, once', async () => {
  const registry = createRegistry();
  const meter = createMeter(registry);
  let asked = 0;
  meter.sampled(() => {
    asked += 1;
    meter.liveBytesAdmitted(10);
    meter.oldestUnconfirmedStop(asked);
  });
  expect(await registry.metrics()).toContain('tallylight_admitted_live_bytes_total 10\n');
  expect(asked).toBe(1);
  const text = await registry.metrics();
  expect(text).toContain('tallylight_admitted_live_bytes_total 20\n');
  expect(text).toContain('tallylight_stop_oldest_unconfirmed_seconds 2\n');
});

test('a store that does not tell any more has no memory that is shown', async () => {
  const registry = createRegistry();
  const meter = createMeter(registry);
  meter.storeMemory({ usedBytes: 1, limitBytes: undefined });
  const without = await registry.metrics();
  expect(without).toMatch(/^tallylight_store_memory_bytes 1$/m);
  expect(without).not.toMatch(/^tallylight_store_memory_limit_bytes /m);
  meter.storeMemory(undefined);
  expect(await registry.metrics()).not.toMatch(/^tallylight_store_memory/m);
});

async function samples(registry: ReturnType<typeof createRegistry>): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith('tallylight_'));
}

test('reloads that succeeded tell their time, each its own', async () => {
  const registry = createRegistry();
  const meter = createMeter(registry);
  meter.graphCredentialReload(true);
  meter.revocationListReload(true);
  const now = await samples(registry);
  for (const what of ['graphCredential', 'revokedTokens'])
    expect(now).toContainEqual(
      expect.stringMatching(
        new RegExp(`^tallylight_reload_last_success_timestamp_seconds\\{what="${what}"\\} [1-9]`),
      ),
    );
  expect(now.filter((line) => line.includes('what='))).toHaveLength(2);
});

test('of credentials that are not in use any more the last success is not told', async () => {
  const registry = createRegistry();
  const meter = createMeter(registry);
  const name = 'tallylight_graph_credential_last_success_timestamp_seconds';
  const told = async (): Promise<boolean> => (await samples(registry)).some((line) => line.startsWith(name));
  meter.graphCredentialRequest('a', true);
  meter.graphCredentialRequest('b', false);
  expect(await told()).toBe(false);
  meter.graphCredentials(['a']);
  expect(await told()).toBe(true);
  meter.graphCredentials(['c']);
  expect(await told()).toBe(false);
});

test('a certificate that is gone has no end', async () => {
  const registry = createRegistry();
  const meter = createMeter(registry);
  meter.certificate('graphCredential', 1000);
  expect((await samples(registry)).join()).toContain('certificate_expiry');
  meter.certificate('graphCredential', undefined);
  expect((await samples(registry)).join()).not.toContain('certificate_expiry');
});
