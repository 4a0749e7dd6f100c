import { actions } from '../core/graph/action-table.ts';
import { actionName } from '../core/graph/identify-action.ts';
import { certificateUses, planes, reloadables } from '../core/ports/meter.ts';
import { combinations, type MetricRow } from './row.ts';
import { long, outcomes, short, statuses, usualStatuses } from './values.ts';

const graphActions = [...new Set(actions.map(actionName))];
/** Those whose failures are alerted on. */
const statusActions = graphActions.filter((name) => name.includes('updateRecordingStatus'));
/** Scripts of the store and the plain commands beside them. */
const commands = [
  ...['acquire', 'begin', 'claim', 'commit', 'commitClosing', 'due', 'enrol', 'heartbeat', 'idle', 'join'],
  ...['lease', 'leave', 'read', 'release', 'report', 'revoke', 'settle', 'sweep', 'touch'],
  ...['del', 'get', 'hdel', 'hget', 'hgetall', 'ping', 'publish', 'time'],
  ...['type', 'xdel', 'xlen', 'xrange', 'xread'],
];

/** Of the service: its limits, and everything that it depends on. */
export const serviceMetrics = {
  enforcing: {
    name: 'tallylight_enforcing',
    type: 'gauge',
    across: 'min',
    help: 'Whether this instance enforces the laws for every tenant (1), or only observes some of them until a date (0, `TALLYLIGHT_OBSERVE_UNTIL`). Alert if it is absent or 0.',
  },
  sessionLive: {
    name: 'tallylight_session_live',
    type: 'gauge',
    across: 'min',
    help: 'Whether this instance has a live session in the store (1) or not (0). Without one all its gates are closed.',
  },
  requestsInFlight: {
    name: 'tallylight_requests_in_flight',
    type: 'gauge',
    across: 'sum',
    help: 'Requests in progress that count against a limit, by plane: requests to Graph (`control`; those with reserved capacity, such as stops and keepAlives of known calls, are `controlReserved`), uploads and WebSockets (`media`), notifications (`callbacks`).',
    labels: { plane: planes },
    unknownAtFirst: true,
  },
  requestsLimit: {
    name: 'tallylight_requests_limit',
    type: 'gauge',
    across: 'sum',
    help: 'The limit of `tallylight_requests_in_flight`, by plane. Requests beyond it are refused.',
    labels: { plane: planes },
    unknownAtFirst: true,
  },
  storeUp: {
    name: 'tallylight_store_up',
    type: 'gauge',
    across: 'min',
    help: 'Whether the store answered the last command (1) or not (0). Absent before the first command.',
    unknownAtFirst: true,
  },
  storeSeconds: {
    name: 'tallylight_store_command_duration_seconds',
    type: 'histogram',
    help: 'Seconds per store command, by command and outcome. Not reported by the in-process store.',
    labels: { command: commands, outcome: outcomes },
    zeros: [],
    buckets: short,
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
    shared: true,
    help: 'Steps of the clock of the store that this instance observed, by direction.',
    labels: { direction: ['forward', 'back'] },
    zeros: 'all',
  },
  storeMemory: {
    name: 'tallylight_store_memory_bytes',
    type: 'gauge',
    across: 'first',
    shared: true,
    help: 'Memory in use that counts against the limit of Redis; in a cluster, of the server that is closest to its limit. Absent with the in-process store, and if Redis does not report it.',
    unknownAtFirst: true,
  },
  storeMemoryLimit: {
    name: 'tallylight_store_memory_limit_bytes',
    type: 'gauge',
    across: 'first',
    shared: true,
    help: 'The limit of the same server (`maxmemory`). Absent if there is none. At the limit Redis refuses writes: no recording starts.',
    unknownAtFirst: true,
  },
  graphAnswers: {
    name: 'tallylight_graph_answers_total',
    type: 'counter',
    help: 'Responses from Graph, by action and status code.',
    labels: { action: graphActions, status: statuses },
    zeros: combinations({ action: statusActions, status: usualStatuses }),
  },
  graphSeconds: {
    name: 'tallylight_graph_answer_duration_seconds',
    type: 'histogram',
    help: 'Seconds from sending a request to Graph to the end of its response, by action.',
    labels: { action: graphActions },
    zeros: [],
    buckets: long,
  },
  graphTokensRefused: {
    name: 'tallylight_graph_tokens_refused_total',
    type: 'counter',
    help: 'Responses with status 401 from Graph to an access token of the proxy, by outcome: request repeated with a new token, or response passed to the bot.',
    labels: { outcome: ['repeated', 'passed'] },
    zeros: 'all',
  },
  credentialRequests: {
    name: 'tallylight_graph_credential_requests_total',
    type: 'counter',
    help: 'Requests for Graph access tokens with the credentials of the proxy, by outcome.',
    labels: { outcome: outcomes },
    zeros: 'all',
  },
  credentialSuccess: {
    name: 'tallylight_graph_credential_last_success_timestamp_seconds',
    type: 'gauge',
    across: 'min',
    help: 'Unix time of the last successful request for a Graph access token; of several credentials, that of the one that waits longest. Absent until each credential in use has succeeded once. A token is requested when one is needed.',
    unknownAtFirst: true,
  },
  keySetFetches: {
    name: 'tallylight_key_set_fetches_total',
    type: 'counter',
    help: 'Requests for the signing keys of token issuers, by outcome.',
    labels: { outcome: outcomes },
    zeros: 'all',
  },
  keySetSuccess: {
    name: 'tallylight_key_set_last_success_timestamp_seconds',
    type: 'gauge',
    across: 'min',
    help: 'Unix time of the last successful request for signing keys; of several key sets, that of the one that waits longest. Absent until each has succeeded once.',
    unknownAtFirst: true,
  },
  certificateExpiry: {
    name: 'tallylight_certificate_expiry_timestamp_seconds',
    type: 'gauge',
    across: 'min',
    help: 'Unix time at which a certificate in use expires, by use: `server` (`TALLYLIGHT_TLS_CERT_FILE`), `graphCredential` (the earliest of the certificates of `TALLYLIGHT_GRAPH_CREDENTIAL`). Absent where there is none.',
    labels: { use: certificateUses },
    unknownAtFirst: true,
  },
  certificateReloads: {
    name: 'tallylight_certificate_reloads_total',
    type: 'counter',
    help: 'Reloads of the TLS certificate after its files had changed, by outcome. After a failed reload the previous certificate stays in use.',
    labels: { outcome: outcomes },
    zeros: 'all',
  },
  upstreamAnswers: {
    name: 'tallylight_upstream_answers_total',
    type: 'counter',
    help: 'Responses of media handlers, by status code.',
    labels: { status: statuses },
    zeros: combinations({ status: usualStatuses }),
  },
  upstreamSeconds: {
    name: 'tallylight_upstream_answer_duration_seconds',
    type: 'histogram',
    help: 'Seconds from sending a request to a media handler to the end of its response.',
    buckets: long,
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
    shared: true,
    help: 'Approximate size in bytes of the evidence in the store that is not yet written, as last observed by this instance; absent while unknown.',
    unknownAtFirst: true,
  },
  evidenceExceeded: {
    name: 'tallylight_evidence_backlog_exceeded',
    type: 'gauge',
    across: 'max',
    shared: true,
    help: 'Whether the evidence backlog exceeds `TALLYLIGHT_EVIDENCE_BACKLOG` (1) or not (0). If it does, no recording starts and no write is admitted. Alert on this metric.',
  },
  evidenceWritten: {
    name: 'tallylight_evidence_written_records_total',
    type: 'counter',
    help: 'Evidence lines that this instance wrote durably.',
  },
  evidenceFree: {
    name: 'tallylight_evidence_free_bytes',
    type: 'gauge',
    across: 'min',
    help: 'Bytes that this process can still write to the file system of the evidence directory. Absent if the file system does not answer.',
    unknownAtFirst: true,
  },
  policyReloads: {
    name: 'tallylight_policy_reloads_total',
    type: 'counter',
    help: 'Reloads of the policies, by outcome. After a failed reload the previous policies stay in force.',
    labels: { outcome: outcomes },
    zeros: 'all',
  },
  reloadSuccess: {
    name: 'tallylight_reload_last_success_timestamp_seconds',
    type: 'gauge',
    across: 'min',
    help: 'Unix time at which what is in force was read, at the start or by the last successful reload, by what.',
    labels: { what: reloadables },
    unknownAtFirst: true,
  },
} as const satisfies Record<string, MetricRow>;
