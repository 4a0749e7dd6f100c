import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../core/errors.ts';
import type { Log, Store } from '../core/ports.ts';
import { openFileSink } from '../evidence/file-sink.ts';
import { startEvidenceWriter } from '../evidence/writer.ts';
import { Gate } from '../gate/gate.ts';
import { createLimits } from '../http/limits.ts';
import { callProbe } from '../http/call-probe.ts';
import { createMeter, createRegistry } from '../metrics/metrics.ts';
import { createPolicySet } from '../policies/load.ts';
import { connectAdapters, named } from './adapters.ts';
import { createAdmin, type Readiness } from './admin.ts';
import { systemClock } from '../http/clock.ts';
import { closeServer, createListener, listen } from './server.ts';
import type { ProxySettings } from './settings.ts';
import { usableTls, watchTls } from './tls.ts';

export interface RunningProxy {
  /** Origin under which bots see the proxy. */
  readonly url: string;
  readonly adminUrl: string;
  reloadPolicies(): void;
  /** Stops admitting, drains, leaves the store, flushes the evidence: bounded. */
  close(): Promise<void>;
}

/** What the process gives its proxy besides settings. */
export interface ProxyParts {
  readonly log: Log;
  readonly openStore: (report: Pick<ReturnType<typeof createMeter>, 'storeCommand'>) => Store;
}

/** Builds the adapters, hands them to the stages as their ports, and listens. */
export async function startProxy(
  settings: ProxySettings,
  { log, openStore }: ProxyParts,
): Promise<RunningProxy> {
  const tls = settings.tls === undefined ? undefined : usableTls(settings.tls);
  const registry = createRegistry();
  const meter = createMeter(registry);
  const policies = named('TALLYLIGHT_POLICY_DIR', () => createPolicySet(settings.policyDir, { log, meter }));
  const store = openStore(meter);
  let publicUrl = settings.publicUrl ?? '';
  const adapters = connectAdapters(settings, { log, publicUrl: () => publicUrl });
  const { auth, graph } = adapters;
  const gate = new Gate({
    calls: store.calls,
    sessions: store.sessions,
    clock: systemClock,
    log,
    meter,
    policyFor: policies.policyFor,
    newId: randomUUID,
    times: {
      ttlMs: settings.sessionTtlMs,
      drainMs: settings.drainMs,
      graphTimeoutMs: settings.graphTimeoutMs,
      silenceMs: settings.callSilenceMs,
      witnessGraceMs: settings.witnessGraceMs,
    },
    sizes: settings.limits,
    ...(auth.mode === 'jwt' ? { probe: callProbe(graph, (who) => auth.credentials.tokenFor(who)) } : {}),
  });
  const stages = {
    gate,
    policyFor: policies.policyFor,
    meter,
    log,
    newId: randomUUID,
    now: () => performance.now(),
    limits: createLimits(settings.limits, () => performance.now()),
  };

  const sink = await openFileSink(settings.evidenceDir, { log });
  const owner = randomUUID();
  log.info({ instance: owner }, 'this instance is named so in the repairs of the evidence');
  const writer = startEvidenceWriter({
    outbox: store.outbox,
    sink,
    owner,
    clock: systemClock,
    log,
    meter,
    onDurable: (record) => gate.witnessed(record),
  });
  await gate.open();

  const server = createListener(adapters.planes(stages), tls, settings.limits);
  const address = await listen(server, settings.port, settings.host);
  const unwatch = settings.tls === undefined ? () => undefined : watchTls(server, settings.tls, log);
  publicUrl ||= originOf(settings.tls === undefined ? 'http' : 'https', address);

  let closing = false;
  const admin = createAdmin({
    readiness: async (): Promise<Readiness> => ({
      signalling: !closing,
      gates: closing ? 'shutting down' : await mayOpenGates(store, gate),
    }),
    metrics: async () => {
      // A store that does not answer leaves the last census; whether it answers is a number of its own.
      await store.calls.census().then(
        (census) => meter.calls(census),
        () => undefined,
      );
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  });
  const adminAddress = await listen(admin, settings.adminPort, settings.host);

  return {
    url: publicUrl,
    adminUrl: originOf('http', adminAddress),
    reloadPolicies: () => policies.reload(),
    async close() {
      closing = true;
      unwatch();
      const served = closeServer(server, settings.drainMs + settings.graphTimeoutMs);
      await step(log, 'leaving the store', gate.close());
      await served;
      await step(log, 'flushing the evidence', writer.flush());
      await step(log, 'stopping the evidence writer', writer.stop());
      await step(log, 'closing the evidence sink', sink.close());
      await step(log, 'closing the store', store.close());
      await step(log, 'closing the connections', adapters.close());
      await closeServer(admin, 1000);
    },
  };
}

/** A step of the shutdown that fails is told, and the next one is still taken. */
async function step(log: Log, what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    log.error({ step: what, error: messageOf(error) }, 'a step of the shutdown failed');
  }
}

async function mayOpenGates(store: Store, gate: Gate): Promise<true | string> {
  try {
    await store.ping();
  } catch (error) {
    return `the store does not answer: ${messageOf(error)}`;
  }
  return gate.isReady() || 'this instance has no session in the store';
}

function originOf(scheme: 'http' | 'https', { address, family, port }: AddressInfo): string {
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
