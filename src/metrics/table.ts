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
  ...['acquire', 'claim', 'commit', 'commitClosing', 'due', 'enrol', 'heard', 'heartbeat', 'join', 'lease'],
  ...['leave', 'read', 'release', 'report', 'revoke', 'settle', 'silent', 'sweep', 'touch'],
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
    help: 'Requests that were admitted, passed or refused, by surface and reason.',
    labels: {
      surface: ['control', 'media', 'notification'],
      reason: ['admitted', 'passed', ...Object.keys(reasons)],
    },
  },
  requestStartsRefused: {
    name: 'tallylight_request_starts_refused_total',
    type: 'counter',
    help: 'Media writes that were refused with RecordingNotActive since they are not known to have begun after recording was confirmed (`TALLYLIGHT_REQUEST_START_HEADER`), by why.',
    labels: { why: Object.keys(startProblems) },
  },
  transitions: {
    name: 'tallylight_call_transitions_total',
    type: 'counter',
    help: 'State changes of calls that this instance made.',
    labels: { event: events, from: stateNames, to: stateNames },
  },
  transitionSeconds: {
    name: 'tallylight_call_transition_duration_seconds',
    type: 'histogram',
    help: 'Time to make a state change durable in the store, conflicts with other instances included.',
    labels: { event: events },
    buckets: short,
  },
  calls: {
    name: 'tallylight_calls',
    type: 'gauge',
    across: 'first',
    help: 'Calls by state, as the store told last; idle and ended ones are forgotten in time and not counted.',
    labels: { state: keptStates },
  },
  openGrants: {
    name: 'tallylight_open_grants',
    type: 'gauge',
    across: 'sum',
    help: 'Calls for which this instance admits media now.',
  },
  drainSeconds: {
    name: 'tallylight_drain_duration_seconds',
    type: 'histogram',
    help: 'Time from a revocation to the last write of the call on an instance, by how the writes ended.',
    labels: { outcome: ['drained', 'cut', 'shutDown', 'expired', 'lost'] },
    buckets: long,
  },
  writesAborted: {
    name: 'tallylight_writes_aborted_total',
    type: 'counter',
    help: 'Admitted writes that did not finish and of which the handler has not had everything: cut by a stop or a deadline, or broken off by a peer.',
  },
  writesUnanswered: {
    name: 'tallylight_writes_unanswered_total',
    type: 'counter',
    help: 'Admitted writes whose whole body may be with the handler, and whose answer nobody took.',
  },
  writesDiscarded: {
    name: 'tallylight_writes_discarded_total',
    type: 'counter',
    help: 'Writes that media handlers were asked to discard, by whether they agreed in time.',
    labels: { outcome: outcomes },
  },
  bytesAdmitted: {
    name: 'tallylight_admitted_bytes_total',
    type: 'counter',
    help: 'Bytes of admitted writes, counted when the grant of their call ends.',
  },
  storeSeconds: {
    name: 'tallylight_store_command_duration_seconds',
    type: 'histogram',
    help: 'Time of store commands, by command and outcome. The in-process store reports none.',
    labels: { command: commands, outcome: outcomes },
    buckets: short,
  },
  storeUp: {
    name: 'tallylight_store_up',
    type: 'gauge',
    across: 'min',
    help: 'Whether the last store command was answered (1) or not (0). Absent before the first.',
    unknownAtFirst: true,
  },
  storeClockSkew: {
    name: 'tallylight_store_clock_skew_seconds',
    type: 'gauge',
    across: 'first',
    help: "How far the store's clock is ahead of this machine's, as the last heartbeat told. Nothing waits by it. The in-process store reports none.",
    unknownAtFirst: true,
  },
  storeClockSteps: {
    name: 'tallylight_store_clock_steps_total',
    type: 'counter',
    help: "How often the store's clock was seen to be set, by direction; each instance counts what it sees.",
    labels: { direction: ['forward', 'back'] },
  },
  graphAnswers: {
    name: 'tallylight_graph_answers_total',
    type: 'counter',
    help: 'Answers of Graph, by action and status code.',
    labels: { action: graphActions, status: statuses },
  },
  graphSeconds: {
    name: 'tallylight_graph_answer_duration_seconds',
    type: 'histogram',
    help: 'Time from sending a request to Graph to the end of its answer.',
    labels: { action: graphActions },
    buckets: long,
  },
  graphTokensRefused: {
    name: 'tallylight_graph_tokens_refused_total',
    type: 'counter',
    help: "Answers of 401 by Graph to one of the proxy's own tokens: repeated with a new token, or passed on to the bot.",
    labels: { outcome: ['repeated', 'passed'] },
  },
  upstreamAnswers: {
    name: 'tallylight_upstream_answers_total',
    type: 'counter',
    help: 'Answers of media handlers, by status code.',
    labels: { status: statuses },
  },
  upstreamSeconds: {
    name: 'tallylight_upstream_answer_duration_seconds',
    type: 'histogram',
    help: 'Time from sending a request to a media handler to the end of its answer.',
    buckets: long,
  },
  webSockets: {
    name: 'tallylight_websockets_total',
    type: 'counter',
    help: 'WebSockets that were opened, and those that ended, by how.',
    labels: { event: ['opened', ...streamEnds] },
  },
  webSocketFrames: {
    name: 'tallylight_websocket_frames_total',
    type: 'counter',
    help: 'Frames that were passed on over WebSockets, by direction; reported by the hundred and at the end.',
    labels: { direction: frameDirections },
  },
  callsEnded: {
    name: 'tallylight_calls_ended_total',
    type: 'counter',
    help: 'Calls that this instance ended, by how their end was known.',
    labels: { reason: Object.keys(callEnds) },
  },
  notifications: {
    name: 'tallylight_notifications_total',
    type: 'counter',
    help: 'Notifications of Graph that were passed to a bot, by the status that the bot answered.',
    labels: { status: statuses },
  },
  notificationSeconds: {
    name: 'tallylight_notification_added_duration_seconds',
    type: 'histogram',
    help: "Time that the proxy added to a notification, at most: from its head until it was passed on and read, and from the end of the bot's answer to Graph.",
    buckets: short,
  },
  notices: {
    name: 'tallylight_notices_total',
    type: 'counter',
    help: 'What notifications told, one by one, and what became of it.',
    labels: { kind: ['call', 'operation', 'roster', 'ignored'], outcome: Object.keys(noticeOutcomes) },
  },
  contradictions: {
    name: 'tallylight_contradictions_total',
    type: 'counter',
    help: "Contradictions between the gate and the roster's own recording status, by kind. The gate does not move for them.",
    labels: { kind: Object.keys(contradictions) },
  },
  callbackUris: {
    name: 'tallylight_callback_uris_total',
    type: 'counter',
    help: 'Callback addresses that bots gave for a call; notifications of one that bypasses are never seen here.',
    labels: { outcome: ['proxied', 'rewritten', 'bypasses', 'absent', 'unreadable'] },
  },
  evidenceWaiting: {
    name: 'tallylight_evidence_waiting_records',
    type: 'gauge',
    across: 'max',
    help: 'Evidence records in the store that are not yet in the durable sink. Told by the instance that writes them, absent elsewhere and while unknown.',
    unknownAtFirst: true,
  },
  evidenceOldest: {
    name: 'tallylight_evidence_oldest_waiting_seconds',
    type: 'gauge',
    across: 'max',
    help: 'Age of the oldest evidence record that waits; 0 if none does. Told by the instance that writes them, absent elsewhere and while unknown.',
    unknownAtFirst: true,
  },
  evidenceBytes: {
    name: 'tallylight_evidence_waiting_bytes',
    type: 'gauge',
    across: 'max',
    help: 'About how much memory the evidence that waits takes in the store, as this instance saw it last; absent while unknown.',
    unknownAtFirst: true,
  },
  evidenceExceeded: {
    name: 'tallylight_evidence_backlog_exceeded',
    type: 'gauge',
    across: 'max',
    help: 'Whether evidence waits beyond `TALLYLIGHT_EVIDENCE_BACKLOG` (1), so that no recording starts and no write is let in. Alert on this metric.',
  },
  evidenceWritten: {
    name: 'tallylight_evidence_written_records_total',
    type: 'counter',
    help: 'Evidence lines that this instance made durable.',
  },
  sessionLive: {
    name: 'tallylight_session_live',
    type: 'gauge',
    across: 'min',
    help: 'Whether this instance has a live session in the store (1) or keeps all its gates closed (0).',
  },
  policyReloads: {
    name: 'tallylight_policy_reloads_total',
    type: 'counter',
    help: 'Reloads of the policies; a failed one keeps the policies that were in force.',
    labels: { outcome: outcomes },
  },
} as const satisfies Record<string, MetricRow>;

/** What the process reports that several workers belong to. */
export const primaryMetrics = {
  workers: {
    name: 'tallylight_workers',
    type: 'gauge',
    across: 'sum',
    help: 'Workers by state. Absent where one process does everything.',
    labels: { state: ['starting', 'serving', 'leaving'] },
  },
  workerExits: {
    name: 'tallylight_worker_exits_total',
    type: 'counter',
    help: 'Workers that ended, by why: they had been told to, they ended unexpectedly, or they did not answer and were killed.',
    labels: { how: ['asked', 'unexpected', 'hung'] },
  },
} as const satisfies Record<string, MetricRow>;

export const other = 'other';
