import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createGraphCredentials } from '../auth/graph-credential.ts';
import { createVerifier } from '../auth/verify.ts';
import { Fault, isFault, messageOf } from '../core/errors.ts';
import type { Log, Store } from '../core/ports.ts';
import { openFileSink } from '../evidence/file-sink.ts';
import { startEvidenceWriter } from '../evidence/writer.ts';
import { Gate } from '../gate/gate.ts';
import type { MediaDeps } from '../http/media-plane.ts';
import type { ControlAuth, ControlDeps } from '../http/ports.ts';
import { createMeter, createRegistry } from '../metrics/metrics.ts';
import { createPolicySet } from '../policies/load.ts';
import { connectGraph } from '../upstream/graph.ts';
import { connectMedia } from '../upstream/media.ts';
import { outboundFetch } from '../upstream/pool.ts';
import { createAdmin, type Readiness } from './admin.ts';
import { systemClock } from '../http/clock.ts';
import { closeServer, createListener, listen } from './server.ts';
import type { ProxySettings } from './settings.ts';
import { readTls, watchTls } from './tls.ts';

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
  const registry = createRegistry();
  const meter = createMeter(registry);
  const policies = named('TALLYLIGHT_POLICY_DIR', () => createPolicySet(settings.policyDir, { log, meter }));
  const store = openStore(meter);
  const outbound = outboundFetch();
  const verifier = named('TALLYLIGHT_ISSUERS', () =>
    createVerifier(settings.issuers, { fetch: outbound.fetch, log }),
  );
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
    },
  });
  let publicUrl = settings.publicUrl ?? '';
  const graph = connectGraph({
    url: settings.graphUrl,
    publicUrl: () => publicUrl,
    timeoutMs: settings.graphTimeoutMs,
  });
  const stages = {
    gate,
    policyFor: policies.policyFor,
    meter,
    log,
    newId: randomUUID,
    now: () => performance.now(),
  };
  const auth: ControlAuth =
    settings.controlAuth === 'jwt'
      ? {
          mode: 'jwt',
          verifier,
          credentials: named('TALLYLIGHT_GRAPH_CREDENTIAL', () =>
            createGraphCredentials(settings.graphCredentials, { fetch: outbound.fetch, log }),
          ),
        }
      : { mode: 'graph', opaqueTokens: settings.opaqueGraphTokens };
  const control: ControlDeps = { ...stages, auth, graph };
  const handlers = settings.mediaRoutes.map((route) => ({ ...route, handler: connectMedia(route.upstream) }));
  const media: MediaDeps | undefined =
    handlers.length === 0 ? undefined : { ...stages, verifier, routes: handlers };

  const sink = await openFileSink(settings.evidenceDir, { log });
  const owner = randomUUID();
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

  const server = createListener(
    control,
    media,
    settings.tls === undefined ? undefined : readTls(settings.tls),
  );
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
      verifier.close();
      await step(log, 'closing the store', store.close());
      await Promise.all([graph.close(), outbound.close(), ...handlers.map(({ handler }) => handler.close())]);
      await closeServer(admin, 1000);
    },
  };
}

/** What an adapter finds wrong with its configuration is told with the name of the setting. */
function named<T>(setting: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!isFault(error, 'ConfigurationInvalid')) throw error;
    throw new Fault('ConfigurationInvalid', `${setting}: ${error.message}`, { cause: error });
  }
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
