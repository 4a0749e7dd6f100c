import type { Meter } from '../src/core/ports/meter.ts';

const nothing = (): void => undefined;

/** Used if the host gives no metrics registry. */
export const silentMeter: Meter = {
  decision: nothing,
  requestStartRefused: nothing,
  transition: nothing,
  drain: nothing,
  writesAborted: nothing,
  writesUnanswered: nothing,
  writesDiscarded: nothing,
  bytesAdmitted: nothing,
  storeCommand: nothing,
  storeClock: nothing,
  graphAnswer: nothing,
  graphTokenRefused: nothing,
  upstreamAnswer: nothing,
  webSocket: nothing,
  webSocketFrames: nothing,
  session: nothing,
  policyReload: nothing,
  evidence: nothing,
  evidenceBacklog: nothing,
  openGrants: nothing,
  calls: nothing,
  callEnded: nothing,
  contradiction: nothing,
  notice: nothing,
  notification: nothing,
  callbackUri: nothing,
};
