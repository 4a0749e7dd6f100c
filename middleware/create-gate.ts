import { randomUUID } from 'node:crypto';
import { createVerifier } from '../src/auth/verify.ts';
import { type PolicyFor, selectPolicy } from '../src/core/call/policy.ts';
import { messageOf } from '../src/core/errors.ts';
import type { ReadHolds } from '../src/core/ports/hold-store.ts';
import type { Clock } from '../src/core/ports/clock.ts';
import type { Log } from '../src/core/ports/log.ts';
import type { Meter } from '../src/core/ports/meter.ts';
import type { Store } from '../src/core/ports/store.ts';
import { openFileSink } from '../src/evidence/journal/file-sink.ts';
import { readHoldsFrom } from '../src/evidence/journal/read-holds.ts';
import { startEvidenceWriter } from '../src/evidence/journal/writer.ts';
import { Gate } from '../src/gate/gate.ts';
import { clientAddress } from '../src/http/client-address.ts';
import { systemClock } from '../src/http/clock.ts';
import { noLimits } from '../src/http/limits.ts';
import { requestLog } from '../src/http/request-log.ts';
import { requestStart } from '../src/http/request-start.ts';
import { createMeter } from '../src/metrics/metrics.ts';
import { connectGraph } from '../src/upstream/graph.ts';
import { outboundFetch } from '../src/upstream/pool.ts';
import { consoleLog, guarded } from './log.ts';
import { silentMeter } from './meter.ts';
import { gateOptions, type GateOptions, readOptions } from './options.ts';
import { type RecordingGate, register } from './parts.ts';
import { policiesInForce } from './policies.ts';

/** Requests of the application to Graph at a time, in each of the two ways. */
const graphConnections = 512;

/**
 * Joins the store and creates the gate of a host application. Throws `ConfigurationInvalid` for a wrong option. If
 * the store does not answer, it does not throw: gates stay closed until the store answers.
 *
 * @example
 * ```ts
 * const gate = await createGate({
 *   store: memoryStore(),
 *   issuers: [{ issuer: 'https://…/v2.0', audience: 'api://recorder', jwksUri: 'https://…/keys' }],
 *   evidence: { directory: '/var/lib/recorder/evidence' },
 * });
 * ```
 */
export async function createGate(options: GateOptions): Promise<RecordingGate> {
  const read = readOptions(gateOptions, options);
  const { store, issuers, evidence, registry } = read;
  const log = guarded(read.log ?? consoleLog);
  const policies = policiesInForce(read.policies);
  const policyFor: PolicyFor = (who) => selectPolicy(policies, who);
  const meter = registry === undefined ? silentMeter : createMeter(registry);
  const times = {
    ttlMs: read.sessionTtlMs,
    drainMs: read.drainMs,
    graphTimeoutMs: read.graphTimeoutMs,
    ttlMaxMs: read.sessionTtlMaxMs ?? read.sessionTtlMs,
    graphTimeoutMaxMs: read.graphTimeoutMaxMs ?? read.graphTimeoutMs,
  };
  const outbound = outboundFetch();
  const verifier = createVerifier(issuers, { fetch: outbound.fetch, log, meter });
  const deps = { clock: systemClock, log, meter, policyFor, newId: randomUUID };
  let canReadHolds: (read: ReadHolds) => void = () => undefined;
  const holdsReader = new Promise<ReadHolds>((resolve) => (canReadHolds = resolve));
  const gate = new Gate({
    ...deps,
    calls: store.calls,
    sessions: store.sessions,
    outbox: store.outbox,
    holds: store.holds,
    ...readingHolds(store, evidence?.directory, holdsReader),
    times,
  });
  const stopEvidence = await startEvidence(store, evidence?.directory, gate, canReadHolds, {
    clock: systemClock,
    log,
    meter,
  });
  await gate.open();

  const requests = requestLog({ log, clock: systemClock });
  const graphs = new Map<string, ReturnType<typeof connectGraph>>();
  const recordingGate: RecordingGate = {
    isReady: () => gate.isReady(),
    async close() {
      requests.close();
      await step(log, 'leaving the store', gate.close());
      await stopEvidence();
      verifier.close();
      await step(log, 'closing the store', store.close());
      await Promise.all([...graphs.values()].map((graph) => graph.close()));
      await outbound.close();
    },
  };
  register(recordingGate, {
    ...deps,
    gate,
    verifier,
    now: () => systemClock.now(),
    // The host's own server keeps the measure.
    limits: noLimits(),
    requests,
    clientAddress: clientAddress([]),
    ...(read.requestStart === undefined
      ? {}
      : { requestStart: requestStart(read.requestStart, () => systemClock.now()) }),
    graphAt(origin) {
      const known = graphs.get(origin);
      if (known !== undefined) return known;
      // Graph's own URLs stay: the host does not serve Graph's paths.
      const graph = connectGraph({
        url: origin,
        publicUrl: () => origin,
        timeoutMs: times.graphTimeoutMs,
        connections: graphConnections,
      });
      graphs.set(origin, graph);
      return graph;
    },
  });
  return recordingGate;
}

/**
 * Who reads the holds from the journal when the store began without data: this instance, if it has the directory. A store
 * of this process without a directory has no holds from before; for any other store another instance reads them.
 */
function readingHolds(
  { inProcess }: Store,
  directory: string | undefined,
  holdsReader: Promise<ReadHolds>,
): { readonly readHolds?: ReadHolds } {
  if (directory !== undefined) return { readHolds: async () => (await holdsReader)() };
  return inProcess === true ? { readHolds: () => Promise.resolve([]) } : {};
}

/** Drains the store's evidence to a directory; returns the way to end that, with everything written. */
async function startEvidence(
  { outbox }: Store,
  directory: string | undefined,
  gate: Gate,
  canReadHolds: (read: ReadHolds) => void,
  deps: { readonly clock: Clock; readonly log: Log; readonly meter: Meter },
): Promise<() => Promise<void>> {
  const { log } = deps;
  if (directory === undefined) {
    log.warn(
      {},
      'evidence.directory is not set: evidence stays in the store until another instance writes it; a memory store loses it',
    );
    return () => Promise.resolve();
  }
  const sink = await openFileSink(directory, { log });
  const writer = startEvidenceWriter({
    ...deps,
    outbox,
    sink,
    owner: randomUUID(),
    onDurable: (record) => gate.onRecordWritten(record),
    standingHolds: () => gate.byHand.standingLines(),
  });
  canReadHolds(readHoldsFrom({ directory, sink: sink.id, outbox, writer }));
  return async () => {
    await step(log, 'flushing the evidence', writer.flush());
    await step(log, 'stopping the evidence writer', writer.stop());
    await step(log, 'closing the evidence sink', sink.close());
  };
}

/** A step that fails is logged, and the next one is still taken. */
async function step(log: Log, what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    log.error({ step: what, error: messageOf(error) }, 'a step of closing the gate failed');
  }
}
