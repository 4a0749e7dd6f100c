import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from '../console/backend.ts';
import { parseCallKey } from '../core/call/key.ts';
import type { PolicyInForce } from '../core/call/policy.ts';
import { isFault, messageOf } from '../core/errors.ts';
import type { ReadHolds } from '../core/ports/hold-store.ts';
import type { Log } from '../core/ports/log.ts';
import type { Plane } from '../core/ports/meter.ts';
import type { Store } from '../core/ports/store.ts';
import { openFileSink } from '../evidence/journal/file-sink.ts';
import { readHoldsFrom } from '../evidence/journal/read-holds.ts';
import { startEvidenceWriter } from '../evidence/journal/writer.ts';
import { Activity } from '../gate/activity.ts';
import { freshForMs } from '../gate/change.ts';
import type { GateParts } from '../gate/context.ts';
import { Gate } from '../gate/gate.ts';
import { clientAddress } from '../http/client-address.ts';
import { systemClock } from '../http/clock.ts';
import { callProbe } from '../http/control/call-probe.ts';
import { stopSender } from '../http/control/stop-sender.ts';
import { createLimits } from '../http/limits.ts';
import { requestLog } from '../http/request-log.ts';
import { requestStart } from '../http/request-start.ts';
import { addressWithoutProxies } from '../http/unlisted-proxy.ts';
import { createMeter } from '../metrics/metrics.ts';
import { createRegistry, reportBuild } from '../metrics/process.ts';
import { createPolicySet, fixedPolicySet } from '../policies/load.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { connectAdapters } from './adapters.ts';
import { createAdmin } from './admin.ts';
import { askToReconnect, drainConnections } from './drain-connections.ts';
import { startConsoleServer } from './console.ts';
import { consoleBackend } from './console-backend.ts';
import { named, withSetting } from './named-setting.ts';
import { originOf } from './origin.ts';
import { type Condition, judgeReadiness, notStarted, type Readiness, shuttingDown } from './readiness.ts';
import { closeServer, createListener, listenAs } from './server.ts';
import { survey } from './survey.ts';
import { reportCertificates, usableTls, watchTls } from './tls.ts';
import { version } from './version.ts';

const probeEveryMs = 20;

/** One instance: it serves, and is a session in the store. */
export interface Instance {
  /** Origin under which bots see the proxy. */
  readonly url: string;
  readonly registry: ReturnType<typeof createRegistry>;
  /** Asks the store and the file system for metrics that only they know. */
  survey(): Promise<void>;
  readiness(): Promise<Readiness>;
  /** What the console asks of this instance. */
  readonly backend: Backend;
  readonly policyName: (digest: string) => string | undefined;
  reloadPolicies(): void;
  /** Is not ready from now on and asks clients to connect anew, elsewhere; serves whatever comes. */
  retire(): void;
  /** Takes no new connections and lets those there are finish, for `withinMs`. Gates stay as they are. */
  leave(withinMs: number): Promise<void>;
  /** Stops admitting, drains, leaves the store, flushes the evidence: bounded. */
  close(): Promise<void>;
}

export interface RunningProxy extends Pick<Instance, 'url' | 'reloadPolicies' | 'retire' | 'close'> {
  readonly adminUrl: string;
  /** undefined: there is no console. */
  readonly consoleUrl: string | undefined;
}

/** What the process gives its proxy besides settings. */
export interface ProxyParts {
  readonly log: Log;
  readonly openStore: (report: Pick<ReturnType<typeof createMeter>, 'storeCommand' | 'storeClock'>) => Store;
  /** Those in force; undefined: those of the directory that the settings name. */
  readonly policies?: readonly PolicyInForce[];
  /** How long to wait, before listening, until gates may open; default 0. */
  readonly readyWithinMs?: number;
}

/** An instance with an admin port of its own. */
export async function startProxy(settings: ProxySettings, parts: ProxyParts): Promise<RunningProxy> {
  const now: { instance?: Instance } = {};
  const admin = createAdmin({
    readiness: () => now.instance?.readiness() ?? Promise.resolve(notStarted),
    metrics: async () => {
      const { instance } = now;
      if (instance === undefined) return undefined;
      const { registry } = instance;
      await instance.survey();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  });
  const address = await listenAs('TALLYLIGHT_ADMIN_PORT', admin, {
    port: settings.adminPort,
    host: settings.host,
  });
  const running = await startInstance(settings, parts).catch(async (error: unknown) => {
    await closeServer(admin, 0);
    throw error;
  });
  const { registry, backend, policyName } = running;
  const console = await startConsoleServer(settings, {
    ...{ registry, backend, policyName },
    log: parts.log,
  }).catch(async (error: unknown) => {
    await running.close();
    await closeServer(admin, 0);
    throw error;
  });
  now.instance = running;
  return {
    url: running.url,
    adminUrl: originOf('http', address),
    consoleUrl: console?.url,
    reloadPolicies: () => running.reloadPolicies(),
    retire: () => running.retire(),
    async close() {
      await console?.close();
      await running.close();
      await closeServer(admin, 1000);
    },
  };
}

/** Builds the adapters, hands them to the stages as their ports, and listens. */
export async function startInstance(
  settings: ProxySettings,
  { log, openStore, policies: fixed, readyWithinMs = 0 }: ProxyParts,
): Promise<Instance> {
  const tls = settings.tls === undefined ? undefined : usableTls(settings.tls);
  const registry = createRegistry();
  reportBuild(registry, version());
  const meter = createMeter(registry);
  const policies = named('TALLYLIGHT_POLICY_DIR', () =>
    fixed === undefined ? createPolicySet(settings.policyDir, { log, meter }) : fixedPolicySet(fixed, log),
  );
  const store = openStore(meter);
  let publicUrl = settings.publicUrl ?? '';
  const adapters = connectAdapters(settings, { log, meter, publicUrl: () => publicUrl });
  reportCertificates(settings, meter);
  const { auth, graph } = adapters;
  const { evidenceBacklog: backlog = {} } = settings;
  let canReadHolds: (read: ReadHolds) => void = () => undefined;
  const holdsReader = new Promise<ReadHolds>((resolve) => (canReadHolds = resolve));
  const parts: GateParts = {
    calls: store.calls,
    sessions: store.sessions,
    outbox: store.outbox,
    onRefused: (call, reason) => activity.refused(call, reason),
    holds: store.holds,
    // The gate joins first, so that it is known whether evidence may be written.
    readHolds: async () => (await holdsReader)(),
    clock: systemClock,
    log,
    meter,
    policyFor: policies.policyFor,
    newId: randomUUID,
    times: {
      ttlMs: settings.sessionTtlMs,
      drainMs: settings.drainMs,
      graphTimeoutMs: settings.graphTimeoutMs,
      ttlMaxMs: settings.sessionTtlMaxMs,
      graphTimeoutMaxMs: settings.graphTimeoutMaxMs,
      silenceMs: settings.callSilenceMs,
      witnessGraceMs: settings.witnessGraceMs,
      ...(backlog.seconds === undefined ? {} : { evidenceWaitMs: backlog.seconds * 1000 }),
    },
    sizes: {
      ...settings.limits,
      ...(backlog.megabytes === undefined ? {} : { evidenceBytes: backlog.megabytes * 1024 * 1024 }),
    },
    ...(auth.mode === 'jwt'
      ? {
          probe: callProbe(graph, auth.credentials),
          stopSender: stopSender(graph, auth.credentials),
        }
      : {}),
  };
  const gate = new Gate(parts);
  const activity = new Activity({ ...parts, feed: store.activity }, () => gate.grants());
  const clientOf = clientAddress(settings.trustedProxies);
  const requests = requestLog({ log, clock: systemClock, ...(settings.accessLog ? { clientOf } : {}) });
  const limits = createLimits({ ...settings.limits, graphTurnMs: settings.graphTimeoutMs }, () =>
    performance.now(),
  );
  meter.sampled(() => {
    for (const [plane, load] of Object.entries(limits.load())) meter.requests(plane as Plane, load);
  });
  const stages = {
    requests,
    gate,
    policyFor: policies.policyFor,
    meter,
    log,
    newId: randomUUID,
    now: () => performance.now(),
    limits,
    clientAddress: settings.trustedProxies.length === 0 ? addressWithoutProxies(log) : clientOf,
    ...(settings.requestStart === undefined
      ? {}
      : {
          requestStart: requestStart(
            { ...settings.requestStart, trustedProxies: settings.trustedProxies },
            () => systemClock.now(),
          ),
        }),
  };

  const sink = await openFileSink(settings.evidenceDir, { log }).catch((error: unknown) => {
    throw isFault(error) ? withSetting('TALLYLIGHT_EVIDENCE_DIR', error) : error;
  });
  const owner = randomUUID();
  log.info({ instance: owner }, 'instance id used in evidence repair records');
  await Promise.all([gate.open(), activity.open()]);
  const writer = startEvidenceWriter({
    outbox: store.outbox,
    sink,
    owner,
    clock: systemClock,
    log,
    meter,
    movedFrom: settings.evidenceMovedFrom,
    mayLead: () => gate.mayWriteEvidence(),
    onDurable: (record) => gate.onRecordWritten(record),
    standingHolds: () => gate.standingHoldLines(),
  });
  canReadHolds(
    readHoldsFrom({ directory: settings.evidenceDir, sink: sink.id, outbox: store.outbox, writer }),
  );
  const listenAt = performance.now() + readyWithinMs;
  while (!gate.isReady() && performance.now() < listenAt) await sleep(probeEveryMs);

  const server = createListener(adapters.planes(stages), tls, settings.limits);
  // A process alone is never left while it goes on; to be ready for it costs every request a little.
  const leave = settings.workers === undefined ? () => Promise.resolve() : drainConnections(server);
  const { port, host } = settings;
  const address = await listenAs('TALLYLIGHT_PORT', server, {
    ...{ port, host },
    backlog: settings.limits.maxConnections,
  });
  const unwatch =
    settings.tls === undefined ? () => undefined : watchTls(server, settings.tls, { log, meter });
  publicUrl ||= originOf(settings.tls === undefined ? 'http' : 'https', address);

  const conditions: readonly Condition[] = [
    { code: 'StoreUnavailable', obstacle: () => silentStore(store) },
    {
      code: 'SessionMissing',
      obstacle: () =>
        gate.isReady() || gate.holdsObstacle() !== undefined
          ? undefined
          : (gate.obstacle() ?? 'this instance has no session in the store'),
    },
    { code: 'HoldsUnknown', obstacle: () => gate.holdsObstacle() },
    // One that has no session leaves the store as it is: to read a call begins the life of its shard.
    { code: 'StoreFresh', obstacle: () => (gate.isReady() ? freshStore(parts) : undefined) },
    { code: 'KeysMissing', obstacle: () => adapters.missingKeys() },
    { code: 'GraphCredentialUnavailable', obstacle: () => adapters.missingCredential() },
    { code: 'EvidenceUnwritable', obstacle: () => writer.obstacle() },
    { code: 'EvidenceBacklog', obstacle: () => gate.evidenceObstacle() },
  ];
  const backend = consoleBackend({ gate, store, clock: systemClock });
  let ending = false;
  return {
    url: publicUrl,
    registry,
    backend,
    policyName: (digest) => policies.all.find((policy) => policy.digest === digest)?.name,
    survey: survey({ store, meter, evidenceDir: settings.evidenceDir }),
    readiness: () => (ending ? Promise.resolve(shuttingDown) : judgeReadiness(conditions)),
    reloadPolicies: () => policies.reload(),
    retire() {
      ending = true;
      askToReconnect(server);
    },
    leave,
    async close() {
      ending = true;
      unwatch();
      backend.end();
      activity.close();
      const served = closeServer(server, settings.drainMs + settings.graphTimeoutMs);
      await step(log, 'leaving the store', gate.close());
      await served;
      requests.close();
      await step(log, 'flushing the evidence', writer.flush());
      await step(log, 'stopping the evidence writer', writer.stop());
      await step(log, 'closing the evidence sink', sink.close());
      await step(log, 'closing the store', store.close());
      await step(log, 'closing the connections', adapters.close());
    },
  };
}

/** A step of the shutdown that fails is logged, and the next one is still taken. */
async function step(log: Log, what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    log.error({ step: what, error: messageOf(error) }, 'a shutdown step failed');
  }
}

const silentStore = ({ ping }: Pick<Store, 'ping'>): Promise<string | undefined> =>
  ping().then(
    () => undefined,
    (error: unknown) => `the store does not answer: ${messageOf(error)}`,
  );

/** A call that nobody has; it is only read. */
const noCall = parseCallKey('00000000-0000-4000-8000-000000000000');

/** That the store does not answer is a condition of its own. */
async function freshStore(deps: GateParts): Promise<string | undefined> {
  try {
    const ms = noCall === undefined ? 0 : freshForMs(deps, await deps.calls.read(noCall));
    return ms > 0
      ? `the store started without data: status changes are refused for another ${(ms / 1000).toFixed(1)} s`
      : undefined;
  } catch {
    return undefined;
  }
}
