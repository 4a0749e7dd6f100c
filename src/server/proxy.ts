import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from '../console/backend.ts';
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
import { createRegistry, reportBuild, reportLog } from '../metrics/process.ts';
import { createPolicySet, fixedPolicySet } from '../policies/load.ts';
import type { ProxySettings, Settings } from '../settings/settings.ts';
import { connectAdapters } from './adapters.ts';
import { createAdmin } from './admin.ts';
import { askToReconnect, drainConnections } from './drain-connections.ts';
import { startConsoleServer } from './console.ts';
import { gateConditions } from './gate-conditions.ts';
import { consoleBackend } from './console-backend.ts';
import type { ProcessLog } from './log.ts';
import { named, withSetting } from './named-setting.ts';
import { judgeReadiness, notStarted, type Readiness, shuttingDown, withObservation } from './readiness.ts';
import { originOf } from './origin.ts';
import { closeServer, createListener, listenAs } from './server.ts';
import { survey } from './survey.ts';
import { reloader } from './reload.ts';
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
  /** Reads policies and Graph credentials again; what cannot be taken leaves those in force. */
  reload(): Promise<void>;
  /** Is not ready from now on and asks clients to connect anew, elsewhere; serves whatever comes. */
  retire(): void;
  /** Takes no new connections and lets those there are finish, for `withinMs`. Gates stay as they are. */
  leave(withinMs: number): Promise<void>;
  /** Stops admitting, drains, leaves the store, flushes the evidence: bounded. */
  close(): Promise<void>;
}

export interface RunningProxy extends Pick<Instance, 'url' | 'reload' | 'retire' | 'close'> {
  readonly adminUrl: string;
  /** undefined: there is no console. */
  readonly consoleUrl: string | undefined;
}

/** What the process gives its proxy besides settings. */
export interface ProxyParts {
  readonly log: Log & Partial<Pick<ProcessLog, 'backlog'>>;
  readonly openStore: (
    report: Pick<ReturnType<typeof createMeter>, 'storeCommand' | 'storeClock' | 'redisToken'>,
  ) => Store;
  /** Those in force; undefined: those of the directory that the settings name. */
  readonly policies?: readonly PolicyInForce[];
  /** Reads the settings again; undefined: they are only read at the start. */
  readonly readSettings?: () => Settings;
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
    reload: () => running.reload(),
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
  { log, openStore, policies: fixed, readSettings, readyWithinMs = 0 }: ProxyParts,
): Promise<Instance> {
  const tls = settings.tls === undefined ? undefined : usableTls(settings.tls);
  const registry = createRegistry();
  reportBuild(registry, version());
  if (log.backlog !== undefined) reportLog(registry, log.backlog);
  const meter = createMeter(registry);
  const policies = named('TALLYLIGHT_POLICY_DIR', () =>
    fixed === undefined ? createPolicySet(settings.policyDir, { log, meter }) : fixedPolicySet(fixed, log),
  );
  const store = openStore(meter);
  let publicUrl = settings.publicUrl ?? '';
  const adapters = connectAdapters(settings, { log, meter, publicUrl: () => publicUrl });
  reportCertificates(settings, meter);
  const { auth, graph } = adapters;
  if (fixed === undefined && auth.mode === 'jwt') meter.loaded('graphCredential');
  const reload = reloader({
    ...{ settings, read: readSettings, policies, log, meter },
    credentials: auth.mode === 'jwt' ? auth.credentials : undefined,
  });
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
    ...(settings.observation === undefined
      ? {}
      : { observation: { ...settings.observation, wallClock: () => Date.now() } }),
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
    standingHolds: () => gate.byHand.standingLines(),
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

  const conditions = gateConditions({ gate, parts, store, adapters, writer });
  const backend = consoleBackend({ gate, store, clock: systemClock });
  let ending = false;
  return {
    url: publicUrl,
    registry,
    backend,
    policyName: (digest) => policies.all.find((policy) => policy.digest === digest)?.name,
    survey: survey({ store, meter, gate, evidenceDir: settings.evidenceDir }),
    readiness: async () =>
      ending ? shuttingDown : withObservation(await judgeReadiness(conditions), gate.observed.current),
    async reload() {
      if (ending) log.info({}, 'settings and policies were not reloaded: the process is shutting down');
      else await reload();
    },
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
