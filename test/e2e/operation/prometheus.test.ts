import { describe, expect, test } from '@jest/globals';
import { dashboards } from '../../../dashboards/all.ts';
import { connectPeers } from '../../../src/sandbox/peers.ts';
import { notificationIssuerOf } from '../../../src/sandbox/token-mint.ts';
import { eventually } from '../../support/eventually.ts';
import { expressionsOf, readDashboard } from '../../support/grafana.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import type { ProxyProcess } from '../../support/process.ts';
import { type Alert, startPrometheus, type TestPrometheus } from '../../support/prometheus.ts';
import { alerts, recordings } from '../../support/prometheus-rules.ts';

const testBed = processTestBed('prometheus', { TALLYLIGHT_WITNESS_GRACE_MS: '0' });

/** Two instances of one store, and a Prometheus that has scraped both. */
async function scraped(): Promise<{ a: ProxyProcess; b: ProxyProcess; prometheus: TestPrometheus }> {
  const notified = {
    TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: '/callbacks/*', upstream: testBed.peers.callbackBot.url }]),
    TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notificationIssuerOf(testBed.peers.mint)]),
  };
  const [a, b] = await Promise.all([testBed.start(notified), testBed.start(notified)]);
  connectPeers(testBed.peers, a.url);
  const prometheus = await startPrometheus([a, b].map(({ adminUrl }) => new URL(adminUrl).host));
  testBed.later(() => prometheus.stop());
  await eventually(async () => (await prometheus.query('up == 1')).length === 2, { what: 'two targets' });
  return { a, b, prometheus };
}

/** Those of this name that are pending or fire. */
const named = async (prometheus: TestPrometheus, name: string): Promise<readonly Alert[]> =>
  (await prometheus.alerts()).filter(({ labels }) => labels.alertname === name);

const firing = async (prometheus: TestPrometheus, name: string): Promise<readonly Alert[]> =>
  (await named(prometheus, name)).filter(({ state }) => state === 'firing');

const total = async (prometheus: TestPrometheus, expression: string): Promise<number> =>
  Number((await prometheus.query(expression))[0]?.value[1] ?? Number.NaN);

/** Metrics of rules that these instances do not have: neither certificates, workers nor an observation, and this Redis no limit. */
const absent = [
  'tallylight_certificate_expiry_timestamp_seconds',
  'tallylight_observation_end_timestamp_seconds',
  'tallylight_store_memory_limit_bytes',
  'tallylight_worker_exits_total',
];

const namesIn = (expressions: readonly string[]): string[] =>
  [...new Set(expressions.flatMap((expr) => expr.match(/\b(?:tallylight[_:]\w+|up)\b/g) ?? []))].sort();

describe('Prometheus', () => {
  test('follows a call on two instances, and can evaluate every rule and every panel', async () => {
    const { a, b, prometheus } = await scraped();
    for (const proxy of [a, b]) {
      const bot = await testBed.recordingBot(proxy);
      expect((await bot.upload('frame', 640)).status).toBe(201);
      expect((await bot.report('notRecording')).status).toBe(200);
      expect((await bot.upload('late', 640)).status).toBe(403);
      expect((await bot.hangUp()).status).toBe(204);
    }
    const confirmed = 'sum(tallylight_call_transitions_total{event="stopConfirmed"})';
    await eventually(async () => (await total(prometheus, confirmed)) >= 2, {
      what: 'two stops in Prometheus',
    });
    await eventually(async () => (await prometheus.query('tallylight_enforcing == 1')).length === 2, {
      what: 'two instances that enforce',
    });

    const rules = await eventually(
      async () => {
        const all = await prometheus.rules();
        return all.every(({ health }) => health !== 'unknown') ? all : undefined;
      },
      { what: 'an evaluation of every rule' },
    );
    expect(rules.length).toBe(alerts.length + recordings.length);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);

    const expressions = Object.keys(dashboards).flatMap((name) => expressionsOf(readDashboard(name)));
    // It throws where Prometheus has something against it.
    for (const expression of expressions) await prometheus.query(expression);
    const names = namesIn([...alerts, ...recordings].map(({ expr }) => expr));
    const present = names.filter((name) => !absent.includes(name) && !name.startsWith('tallylight:'));
    for (const name of present)
      await eventually(async () => (await prometheus.query(name)).length > 0, { what: name });
    for (const name of absent) expect([name, await prometheus.query(name)]).toEqual([name, []]);

    const all = await prometheus.alerts();
    expect(all.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname)).toEqual([]);
  });

  test('raises the alert of a contradiction, and no alert of a law that held', async () => {
    const { a, prometheus } = await scraped();
    const bot = await testBed.recordingBot(a);
    expect(await firing(prometheus, 'TallylightContradiction')).toEqual([]);
    // Graph says that it took the stop, and participants are shown the recording still.
    testBed.peers.graph.script({
      action: 'updateRecordingStatus',
      call: bot.call,
      asked: 'notRecording',
      effect: 'never',
    });
    expect((await bot.report('notRecording')).status).toBe(200);
    testBed.peers.graph.addParticipant(bot.call);
    const [alert] = await eventually(
      async () => {
        const found = await firing(prometheus, 'TallylightContradiction');
        return found.length > 0 ? found : undefined;
      },
      { what: 'the alert' },
    );
    expect(alert?.labels).toEqual({
      alertname: 'TallylightContradiction',
      job: 'tallylight',
      kind: 'shownAfterStop',
      severity: 'critical',
    });
    expect(await named(prometheus, 'TallylightNotEnforcing')).toEqual([]);
  });

  test('raises the alert of an instance that is not there', async () => {
    const { a, b, prometheus } = await scraped();
    const pending = async (name: string): Promise<Alert | undefined> => (await named(prometheus, name))[0];
    expect(await pending('TallylightInstanceDown')).toBeUndefined();
    b.kill('SIGKILL');
    // It waits for five minutes before it fires.
    expect(await eventually(() => pending('TallylightInstanceDown'), { what: 'the alert' })).toMatchObject({
      state: 'pending',
      labels: { instance: new URL(b.adminUrl).host, severity: 'warning' },
    });
    expect(await pending('TallylightDown')).toBeUndefined();
    a.kill('SIGKILL');
    await eventually(() => pending('TallylightDown'), { what: 'the other alert' });
  });
});
