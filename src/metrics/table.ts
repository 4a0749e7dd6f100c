import { callEnds } from '../core/call/ends.ts';
import { contradictions } from '../core/call/roster.ts';
import { keptStates, stateNames, transitions } from '../core/call/state.ts';
import { actions } from '../core/graph/action-table.ts';
import { actionName } from '../core/graph/identify-action.ts';
import { startProblems } from '../core/http/request-start.ts';
import { frameDirections, streamEnds } from '../core/http/stream-end.ts';
import { noticeOutcomes } from '../core/notices/outcomes.ts';
import { reasons } from '../core/reasons.ts';

/** Every value a label can have; what is none of them is counted as `other`. */
type LabelValues = Readonly<Record<string, readonly string[]>>;

interface AnyMetricRow {
  readonly name: `tallylight_${string}`;
  readonly help: string;
  readonly labels?: LabelValues;
}

export interface CounterRow extends AnyMetricRow {
  readonly type: 'counter';
}

export interface GaugeRow extends AnyMetricRow {
  readonly type: 'gauge';
  /** How the values of several workers become one; `first`: all tell the same, and the first was asked last. */
  readonly across: 'sum' | 'min' | 'max' | 'first';
  /** Absent until its first report, and while it is not known: 0 would be a claim. */
  readonly unknownAtFirst?: true;
}

export interface HistogramRow extends AnyMetricRow {
  readonly type: 'histogram';
  /** Upper bounds, seconds. */
  readonly buckets: readonly number[];
}

/** Counters and histograms of several workers are added up. */
export type MetricRow = CounterRow | GaugeRow | HistogramRow;

const events = Object.keys(transitions);
/** 100 to 599, what HTTP knows. */
const statuses = Array.from({ length: 500 }, (_, index) => String(100 + index));
const outcomes = ['ok', 'failed'];
const graphActions = [...new Set(actions.map(actionName))];
/** Scripts of the store and the plain commands beside them. */
const commands = [
  ...['acquire', 'begin', 'claim', 'commit', 'commitClosing', 'due', 'enrol', 'heartbeat', 'idle', 'join'],
  ...['lease', 'leave', 'read', 'release', 'report', 'revoke', 'settle', 'sweep', 'touch'],
  ...[
    'del',
    'get',
    'hdel',
    'hget',
    'hgetall',
    'ping',
    'publish',
    'time',
    'type',
    'xdel',
    'xlen',
    'xrange',
    'xread',
  ],
];

const short = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const long = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Every number the proxy reports. The metrics table of the documentation is generated from it. */
export const metrics = {
  decisions: {
    name: 'tallylight_gate_decisions_total',
    type: 'counter',
    help: 'Requests that were admitted, forwarded or refused, by surface and reason.',
    labels: {
      surface: ['control', 'media', 'notification'],
      reason: ['admitted', 'passed', ...Object.keys(reasons)],
    },
  },
  requestStartsRefused: {
    name: 'tallylight_request_starts_refused_total',
    type: 'counter',
    help: 'Media writes refused with RecordingNotActive because it is not proven that they began after recording was confirmed (`TALLYLIGHT_REQUEST_START_HEADER`), by why.',
    labels: { why: Object.keys(startProblems) },
  },
  transitions: {
    name: 'tallylight_call_transitions_total',
    type: 'counter',
    help: 'State changes of calls made by this instance, by event and states.',
    labels: { event: events, from: stateNames, to: stateNames },
  },
  transitionSeconds: {
    name: 'tallylight_call_transition_duration_seconds',
    type: 'histogram',
    help: 'Seconds to commit a state change to the store, including retries after conflicts with other instances, by event.',
    labels: { event: events },
    buckets: short,
  },
  calls: {
    name: 'tallylight_calls',
    type: 'gauge',
    across: 'first',
    help: 'Calls in the store, by state, as last reported by the store. Idle and ended calls expire and are not counted.',
    labels: { state: keptStates },
  },
  openGrants: {
    name: 'tallylight_open_grants',
    type: 'gauge',
    across: 'sum',
    help: 'Calls for which this instance currently admits media.',
  },
  drainSeconds: {
    name: 'tallylight_drain_duration_seconds',
    type: 'histogram',
    help: 'Seconds from a revocation to the end of the last write of the call on this instance, by how the writes ended.',
    labels: { outcome: ['drained', 'cut', 'shutDown', 'expired', 'lost'] },
    buckets: long,
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
  },
  bytesAdmitted: {
    name: 'tallylight_admitted_bytes_total',
    type: 'counter',
    help: 'Bytes of admitted writes. Counted when the instance stops admitting media of the call.',
  },
  storeSeconds: {
    name: 'tallylight_store_command_duration_seconds',
    type: 'histogram',
    help: 'Seconds per store command, by command and outcome. Not reported by the in-process store.',
    labels: { command: commands, outcome: outcomes },
    buckets: short,
  },
  storeUp: {
    name: 'tallylight_store_up',
    type: 'gauge',
    across: 'min',
    help: 'Whether the store answered the last command (1) or not (0). Absent before the first command.',
    unknownAtFirst: true,
  },
  storeClockSkew: {
    name: 'tallylight_store_clock_skew_seconds',
    type: 'gauge',
    across: 'first',
    help: 'Seconds by which the clock of the store is ahead of the clock of this machine, measured at the last heartbeat. Informational: no deadline depends on it. Not reported by the in-process store.',
    unknownAtFirst: true,
  },
  storeClockSteps: {
    name: 'tallylight_store_clock_steps_total',
    type: 'counter',
    help: 'Steps of the clock of the store that this instance observed, by direction.',
    labels: { direction: ['forward', 'back'] },
  },
  graphAnswers: {
    name: 'tallylight_graph_answers_total',
    type: 'counter',
    help: 'Responses from Graph, by action and status code.',
    labels: { action: graphActions, status: statuses },
  },
  graphSeconds: {
    name: 'tallylight_graph_answer_duration_seconds',
    type: 'histogram',
    help: 'Seconds from sending a request to Graph to the end of its response, by action.',
    labels: { action: graphActions },
    buckets: long,
  },
  graphTokensRefused: {
    name: 'tallylight_graph_tokens_refused_total',
    type: 'counter',
    help: 'Responses with status 401 from Graph to an access token of the proxy, by outcome: request repeated with a new token, or response passed to the bot.',
    labels: { outcome: ['repeated', 'passed'] },
  },
  upstreamAnswers: {
    name: 'tallylight_upstream_answers_total',
    type: 'counter',
    help: 'Responses of media handlers, by status code.',
    labels: { status: statuses },
  },
  upstreamSeconds: {
    name: 'tallylight_upstream_answer_duration_seconds',
    type: 'histogram',
    help: 'Seconds from sending a request to a media handler to the end of its response.',
    buckets: long,
  },
  webSockets: {
    name: 'tallylight_websockets_total',
    type: 'counter',
    help: 'WebSockets that were opened or ended, by event.',
    labels: { event: ['opened', ...streamEnds] },
  },
  webSocketFrames: {
    name: 'tallylight_websocket_frames_total',
    type: 'counter',
    help: 'WebSocket frames that were forwarded, by direction. Updated every 100 frames and at the end of a WebSocket.',
    labels: { direction: frameDirections },
  },
  callsEnded: {
    name: 'tallylight_calls_ended_total',
    type: 'counter',
    help: 'Calls that this instance ended, by reason.',
    labels: { reason: Object.keys(callEnds) },
  },
  notifications: {
    name: 'tallylight_notifications_total',
    type: 'counter',
    help: 'Notifications from Graph that were forwarded to a bot, by the status code of the response of the bot.',
    labels: { status: statuses },
  },
  notificationSeconds: {
    name: 'tallylight_notification_added_duration_seconds',
    type: 'histogram',
    help: "Upper bound of the seconds that the proxy added to a notification: from receiving its header until it was forwarded and processed, plus from the end of the bot's response until Graph was answered.",
    buckets: short,
  },
  notices: {
    name: 'tallylight_notices_total',
    type: 'counter',
    help: 'Items in notifications from Graph, by kind and outcome.',
    labels: { kind: ['call', 'operation', 'roster', 'ignored'], outcome: Object.keys(noticeOutcomes) },
  },
  contradictions: {
    name: 'tallylight_contradictions_total',
    type: 'counter',
    help: 'Contradictions between the state of the gate and the recording status in the roster, by kind. They do not change the gate.',
    labels: { kind: Object.keys(contradictions) },
  },
  callbackUris: {
    name: 'tallylight_callback_uris_total',
    type: 'counter',
    help: 'Callback URIs that bots gave for a call, by outcome. With `bypasses`, notifications of the call do not reach the proxy.',
    labels: { outcome: ['proxied', 'rewritten', 'bypasses', 'absent', 'unreadable'] },
  },
  evidenceWaiting: {
    name: 'tallylight_evidence_waiting_records',
    type: 'gauge',
    across: 'max',
    help: 'Evidence records in the store that are not yet in the evidence directory. Reported only by the instance that writes evidence; absent while unknown.',
    unknownAtFirst: true,
  },
  evidenceOldest: {
    name: 'tallylight_evidence_oldest_waiting_seconds',
    type: 'gauge',
    across: 'max',
    help: 'Age in seconds of the oldest evidence record that is not yet written; 0 if there is none. Reported only by the instance that writes evidence; absent while unknown.',
    unknownAtFirst: true,
  },
  evidenceBytes: {
    name: 'tallylight_evidence_waiting_bytes',
    type: 'gauge',
    across: 'max',
    help: 'Approximate size in bytes of the evidence in the store that is not yet written, as last observed by this instance; absent while unknown.',
    unknownAtFirst: true,
  },
  evidenceExceeded: {
    name: 'tallylight_evidence_backlog_exceeded',
    type: 'gauge',
    across: 'max',
    help: 'Whether the evidence backlog exceeds `TALLYLIGHT_EVIDENCE_BACKLOG` (1) or not (0). If it does, no recording starts and no write is admitted. Alert on this metric.',
  },
  evidenceWritten: {
    name: 'tallylight_evidence_written_records_total',
    type: 'counter',
    help: 'Evidence lines that this instance wrote durably.',
  },
  sessionLive: {
    name: 'tallylight_session_live',
    type: 'gauge',
    across: 'min',
    help: 'Whether this instance has a live session in the store (1) or not (0). Without one all its gates are closed.',
  },
  policyReloads: {
    name: 'tallylight_policy_reloads_total',
    type: 'counter',
    help: 'Reloads of the policies, by outcome. After a failed reload the previous policies stay in force.',
    labels: { outcome: outcomes },
  },
} as const satisfies Record<string, MetricRow>;

/** What the process reports that several workers belong to. */
export const primaryMetrics = {
  workers: {
    name: 'tallylight_workers',
    type: 'gauge',
    across: 'sum',
    help: 'Workers, by state. Absent if a single process serves all requests.',
    labels: { state: ['starting', 'serving', 'leaving'] },
  },
  workerExits: {
    name: 'tallylight_worker_exits_total',
    type: 'counter',
    help: 'Workers that ended, by how: `asked` (shut down or replaced), `unexpected` (crashed), `hung` (did not respond and were killed).',
    labels: { how: ['asked', 'unexpected', 'hung'] },
  },
} as const satisfies Record<string, MetricRow>;

export const other = 'other';
