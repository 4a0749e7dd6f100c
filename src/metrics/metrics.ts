import type { Registry } from 'prom-client';
import type { Meter } from '../core/ports/meter.ts';
import { oldestSuccess } from './oldest-success.ts';
import { register } from './register.ts';
import { metrics, primaryMetrics } from './table.ts';

/** The one implementation of `Meter`. No label takes a value that its table does not list. */
export function createMeter(registry: Registry): Meter {
  const samplers: (() => void)[] = [];
  const m = register(registry, metrics, () => {
    for (const sample of samplers) sample();
  });
  const keySets = oldestSuccess();
  const credentials = oldestSuccess();
  let webSocketsOpen = 0;
  const loaded: Meter['loaded'] = (what) => m.reloadSuccess(Date.now() / 1000, { what });
  m.enforcing(1);

  return {
    sampled: (take) => void samplers.push(take),
    decision: (surface, reason) => m.decisions(1, { surface, reason }),
    observing(until) {
      m.enforcing(until === undefined ? 1 : 0);
      m.observationEnd(until === undefined ? undefined : until / 1000);
    },
    observedWrite: (reason) => m.observedWrites(1, { reason }),
    requestStartRefused: (why) => m.requestStartsRefused(1, { why }),
    transition(event, from, to, seconds) {
      m.transitions(1, { event, from, to });
      m.transitionSeconds(seconds, { event });
    },
    recorded: (seconds) => m.recordingSeconds(seconds),
    oldestUnconfirmedStop: (seconds) => m.oldestUnconfirmedStop(seconds),
    drain: (seconds, how) => m.drainSeconds(seconds, { outcome: how }),
    writesAborted: (count) => m.writesAborted(count),
    writesUnanswered: (count) => m.writesUnanswered(count),
    writesDiscarded(agreed, open) {
      m.writesDiscarded(agreed, { outcome: outcome(true) });
      m.writesDiscarded(open, { outcome: outcome(false) });
    },
    bytesAdmitted: (count) => m.bytesAdmitted(count),
    liveBytesAdmitted: (count) => m.liveBytesAdmitted(count),
    requests(plane, { inFlight, limit }) {
      m.requestsInFlight(inFlight, { plane });
      m.requestsLimit(limit, { plane });
    },
    storeCommand(command, seconds, ok) {
      m.storeSeconds(seconds, { command, outcome: outcome(ok) });
      m.storeUp(ok ? 1 : 0);
    },
    storeClock(skewSeconds, step) {
      m.storeClockSkew(skewSeconds);
      if (step !== undefined) m.storeClockSteps(1, { direction: step });
    },
    storeMemory(memory) {
      m.storeMemory(memory?.usedBytes);
      m.storeMemoryLimit(memory?.limitBytes);
    },
    graphAnswer(action, status, seconds) {
      m.graphAnswers(1, { action, status: String(status) });
      m.graphSeconds(seconds, { action });
    },
    graphTokenRefused: (outcome) => m.graphTokensRefused(1, { outcome }),
    graphCredentialRequest(client, ok) {
      m.credentialRequests(1, { outcome: outcome(ok) });
      m.credentialSuccess(credentials.report(client, ok));
    },
    graphCredentials: (clients) => m.credentialSuccess(credentials.keep(clients)),
    redisToken(token) {
      m.redisTokenRequests(1, { outcome: outcome(token !== 'failed') });
      if (token === 'failed') return;
      m.redisTokenSuccess(Date.now() / 1000);
      m.redisTokenExpiry(token.expiresAt / 1000);
    },
    keySetFetch(keys, ok) {
      m.keySetFetches(1, { outcome: outcome(ok) });
      m.keySetSuccess(keySets.report(keys, ok));
    },
    certificate: (use, expiresAt) =>
      m.certificateExpiry(expiresAt === undefined ? undefined : expiresAt / 1000, { use }),
    upstreamAnswer(status, seconds) {
      m.upstreamAnswers(1, { status: String(status) });
      m.upstreamSeconds(seconds);
    },
    webSocket(event) {
      m.webSockets(1, { event });
      webSocketsOpen += event === 'opened' ? 1 : -1;
      m.webSocketsOpen(webSocketsOpen);
    },
    webSocketFrames: (direction, count) => m.webSocketFrames(count, { direction }),
    session: (live) => m.sessionLive(live ? 1 : 0),
    loaded,
    policyReload(ok) {
      m.policyReloads(1, { outcome: outcome(ok) });
      if (ok) loaded('policies');
    },
    certificateReload(ok) {
      m.certificateReloads(1, { outcome: outcome(ok) });
      if (ok) loaded('certificate');
    },
    graphCredentialReload(ok) {
      m.credentialReloads(1, { outcome: outcome(ok) });
      if (ok) loaded('graphCredential');
    },
    revocationListReload(ok) {
      m.revocationListReloads(1, { outcome: outcome(ok) });
      if (ok) loaded('revokedTokens');
    },
    evidence({ waiting, oldestSeconds, written }) {
      m.evidenceWaiting(waiting);
      m.evidenceOldest(oldestSeconds);
      m.evidenceWritten(written);
    },
    evidenceBacklog({ bytes, exceeded }) {
      m.evidenceBytes(bytes);
      m.evidenceExceeded(exceeded ? 1 : 0);
    },
    evidenceFree: (bytes) => m.evidenceFree(bytes),
    openGrants: (count) => m.openGrants(count),
    calls(census) {
      for (const [state, count] of Object.entries(census)) m.calls(count, { state });
    },
    callEnded: (end) => m.callsEnded(1, { reason: end }),
    contradiction: (kind) => m.contradictions(1, { kind }),
    notice: (kind, outcome, count) => m.notices(count, { kind, outcome }),
    notification(status, addedSeconds) {
      m.notifications(1, { status: String(status) });
      m.notificationSeconds(addedSeconds);
    },
    callbackUri: (outcome) => m.callbackUris(1, { outcome }),
  };
}

/** What the process counts that several workers belong to. */
export interface PrimaryMeter extends Pick<Meter, 'policyReload' | 'graphCredentialReload' | 'loaded'> {
  workers(count: Readonly<Record<'starting' | 'serving' | 'leaving', number>>): void;
  workerExit(how: 'asked' | 'unexpected' | 'hung'): void;
}

export function createPrimaryMeter(registry: Registry): PrimaryMeter {
  const { policyReloads, credentialReloads, reloadSuccess } = metrics;
  const m = register(registry, { policyReloads, credentialReloads, reloadSuccess, ...primaryMetrics });
  const loaded: Meter['loaded'] = (what) => m.reloadSuccess(Date.now() / 1000, { what });
  return {
    loaded,
    policyReload(ok) {
      m.policyReloads(1, { outcome: outcome(ok) });
      if (ok) loaded('policies');
    },
    graphCredentialReload(ok) {
      m.credentialReloads(1, { outcome: outcome(ok) });
      if (ok) loaded('graphCredential');
    },
    workers(count) {
      for (const [state, number] of Object.entries(count)) m.workers(number, { state });
    },
    workerExit: (how) => m.workerExits(1, { how }),
  };
}

const outcome = (ok: boolean): 'ok' | 'failed' => (ok ? 'ok' : 'failed');
