import { callEnds } from '../core/call/ends.ts';
import { contradictions } from '../core/call/roster.ts';
import { observedReasons } from '../core/call/observation.ts';
import { keptStates, stateNames, transitions } from '../core/call/state.ts';
import { startProblems } from '../core/http/request-start.ts';
import { frameDirections, streamEnds } from '../core/http/stream-end.ts';
import { noticeOutcomes } from '../core/notices/outcomes.ts';
import { reasons } from '../core/reasons.ts';
import { combinations, type MetricRow } from './row.ts';
import { recordingBuckets, longBuckets, outcomes, shortBuckets, statuses, commonStatuses } from './values.ts';

const events = Object.keys(transitions);
const possibleTransitions = Object.entries(transitions).flatMap(([event, targets]) =>
  Object.entries(targets).map(([from, to]) => ({ event, from, to })),
);

/** Of calls: what was decided about them, their media and their notifications. */
export const callMetrics = {
  decisions: {
    name: 'tallylight_gate_decisions_total',
    type: 'counter',
    help: 'Requests that were admitted, forwarded, observed or refused, by surface and reason.',
    labels: {
      surface: ['control', 'media', 'notification'],
      reason: ['admitted', 'passed', 'observed', ...Object.keys(reasons)],
    },
    zeros: 'all',
  },
  observedWrites: {
    name: 'tallylight_observed_writes_total',
    type: 'counter',
    help: 'Media writes that the gate would have refused and let pass because the store only observes (`TALLYLIGHT_OBSERVE_UNTIL`), by the reason of the refusal.',
    labels: { reason: observedReasons },
    zeros: 'all',
  },
  requestStartsRefused: {
    name: 'tallylight_request_starts_refused_total',
    type: 'counter',
    help: 'Media writes refused with RecordingNotActive because it is not proven that they began after recording was confirmed (`TALLYLIGHT_REQUEST_START_HEADER`), by why.',
    labels: { why: Object.keys(startProblems) },
    zeros: 'all',
  },
  transitions: {
    name: 'tallylight_call_transitions_total',
    type: 'counter',
    help: 'State changes of calls made by this instance, by event and states.',
    labels: { event: events, from: stateNames, to: stateNames },
    zeros: possibleTransitions,
  },
  transitionSeconds: {
    name: 'tallylight_call_transition_duration_seconds',
    type: 'histogram',
    help: 'Seconds to commit a state change to the store, including retries after conflicts with other instances, by event.',
    labels: { event: events },
    zeros: 'all',
    buckets: shortBuckets,
  },
  calls: {
    name: 'tallylight_calls',
    type: 'gauge',
    across: 'first',
    shared: true,
    help: 'Calls in the store, by state, as last reported by the store. Idle and ended calls expire and are not counted.',
    labels: { state: keptStates },
  },
  openGrants: {
    name: 'tallylight_open_grants',
    type: 'gauge',
    across: 'sum',
    help: 'Calls for which this instance currently admits media.',
  },
  recordingSeconds: {
    name: 'tallylight_recording_duration_seconds',
    type: 'histogram',
    help: 'Seconds that a recording was open, from Graph confirming it until its last write had ended. Observed when it is closed, by the instance that closes it.',
    buckets: recordingBuckets,
  },
  oldestUnconfirmedStop: {
    name: 'tallylight_stop_oldest_unconfirmed_seconds',
    type: 'gauge',
    across: 'max',
    shared: true,
    help: 'Age in seconds of the oldest stop that is not confirmed: writes are draining, or Graph has not confirmed it; 0 if there is none. Stops that the store does not have yet are reported by the instance that received them. Time in which no instance ran does not count.',
  },
  drainSeconds: {
    name: 'tallylight_drain_duration_seconds',
    type: 'histogram',
    help: 'Seconds from a revocation to the end of the last write of the call on this instance, by how the writes ended.',
    labels: { outcome: ['drained', 'cut', 'shutDown', 'expired', 'lost'] },
    zeros: 'all',
    buckets: longBuckets,
  },
  writesAborted: {
    name: 'tallylight_writes_aborted_total',
    type: 'counter',
    help: 'Admitted writes that ended before the handler had received all of the body: aborted by a stop or a timeout, or by a peer.',
  },
  writesUnanswered: {
    name: 'tallylight_writes_unanswered_total',
    type: 'counter',
    help: 'Admitted writes whose whole body may have reached the handler, but whose response was not delivered.',
  },
  writesDiscarded: {
    name: 'tallylight_writes_discarded_total',
    type: 'counter',
    help: 'Writes that media handlers were asked to discard, by outcome: `ok` if the handler agreed in time.',
    labels: { outcome: outcomes },
    zeros: 'all',
  },
  bytesAdmitted: {
    name: 'tallylight_admitted_bytes_total',
    type: 'counter',
    help: 'Bytes of admitted writes. Counted when the instance stops admitting media of the call; `tallylight_admitted_live_bytes_total` counts them while they pass.',
  },
  liveBytesAdmitted: {
    name: 'tallylight_admitted_live_bytes_total',
    type: 'counter',
    help: 'Bytes of admitted writes, counted while the writes are in progress: it stands still while calls are open if no media arrives.',
  },
  webSockets: {
    name: 'tallylight_websockets_total',
    type: 'counter',
    help: 'WebSockets that were opened or ended, by event.',
    labels: { event: ['opened', ...streamEnds] },
    zeros: 'all',
  },
  webSocketsOpen: {
    name: 'tallylight_websockets_open',
    type: 'gauge',
    across: 'sum',
    help: 'WebSockets that are open now.',
  },
  webSocketFrames: {
    name: 'tallylight_websocket_frames_total',
    type: 'counter',
    help: 'WebSocket frames that were forwarded, by direction. Updated every 100 frames and at the end of a WebSocket.',
    labels: { direction: frameDirections },
    zeros: 'all',
  },
  callsEnded: {
    name: 'tallylight_calls_ended_total',
    type: 'counter',
    help: 'Calls that this instance ended, by reason.',
    labels: { reason: Object.keys(callEnds) },
    zeros: 'all',
  },
  notifications: {
    name: 'tallylight_notifications_total',
    type: 'counter',
    help: 'Notifications from Graph that were forwarded to a bot, by the status code of the response of the bot.',
    labels: { status: statuses },
    zeros: combinations({ status: commonStatuses }),
  },
  notificationSeconds: {
    name: 'tallylight_notification_added_duration_seconds',
    type: 'histogram',
    help: "Upper bound of the seconds that the proxy added to a notification: from receiving its header until it was forwarded and processed, plus from the end of the bot's response until Graph was answered.",
    buckets: shortBuckets,
  },
  notices: {
    name: 'tallylight_notices_total',
    type: 'counter',
    help: 'Items in notifications from Graph, by kind and outcome.',
    labels: { kind: ['call', 'operation', 'roster', 'ignored'], outcome: Object.keys(noticeOutcomes) },
    zeros: 'all',
  },
  contradictions: {
    name: 'tallylight_contradictions_total',
    type: 'counter',
    help: 'Contradictions between the state of the gate and the recording status in the roster, by kind. They do not change the gate.',
    labels: { kind: Object.keys(contradictions) },
    zeros: 'all',
  },
  callbackUris: {
    name: 'tallylight_callback_uris_total',
    type: 'counter',
    help: 'Callback URIs that bots gave for a call, by outcome. With `bypasses`, notifications of the call do not reach the proxy.',
    labels: { outcome: ['proxied', 'rewritten', 'bypasses', 'absent', 'unreadable'] },
    zeros: 'all',
  },
} as const satisfies Record<string, MetricRow>;
