import { type AlertCase, decision, job, now, one, type Series, step, transition } from './shape.ts';

export const store: readonly AlertCase[] = [
  {
    alert: 'TallylightStoreDown',
    severity: 'critical',
    fires: { series: { tallylight_store_up: '0x20' }, at: '5m' },
    labels: one,
    silent: [{ series: { tallylight_store_up: '1x3 0 1x20' }, at: '4m' }],
  },
  {
    alert: 'TallylightNoSession',
    severity: 'critical',
    fires: { series: { tallylight_session_live: '0x20' }, at: '5m' },
    labels: one,
    silent: [{ series: { tallylight_session_live: '1x3 0 1x20' }, at: '4m' }],
  },
  {
    alert: 'TallylightStoreMemory',
    severity: 'critical',
    fires: {
      series: { tallylight_store_memory_bytes: '81x20', tallylight_store_memory_limit_bytes: '100x20' },
      at: '15m',
    },
    labels: job,
    silent: [
      {
        series: { tallylight_store_memory_bytes: '80x20', tallylight_store_memory_limit_bytes: '100x20' },
        at: '15m',
      },
      // 0: no limit.
      {
        series: { tallylight_store_memory_bytes: '81x20', tallylight_store_memory_limit_bytes: '0x20' },
        at: '15m',
      },
    ],
  },
  {
    alert: 'TallylightStoreClock',
    severity: 'warning',
    fires: { series: { tallylight_store_clock_skew_seconds: '-6x20' }, at: '5m' },
    labels: job,
    silent: [
      {
        series: {
          tallylight_store_clock_skew_seconds: '-4x20',
          'tallylight_store_clock_steps_total{direction="back"}': now,
        },
        at: '5m',
      },
    ],
  },
  {
    alert: 'TallylightStoreClock',
    severity: 'warning',
    fires: { series: { 'tallylight_store_clock_steps_total{direction="back"}': step }, at: '9m' },
    labels: job,
    silent: [{ series: { 'tallylight_store_clock_steps_total{direction="back"}': '0x20' }, at: '9m' }],
  },
];

export const evidence: readonly AlertCase[] = [
  {
    alert: 'TallylightEvidenceWaits',
    severity: 'critical',
    fires: { series: { tallylight_evidence_oldest_waiting_seconds: '61x20' }, at: '5m' },
    labels: job,
    silent: [{ series: { tallylight_evidence_oldest_waiting_seconds: '60x20' }, at: '5m' }],
  },
  {
    alert: 'TallylightEvidenceBacklog',
    severity: 'critical',
    fires: { series: { tallylight_evidence_backlog_exceeded: '1x20' }, at: '1m' },
    labels: job,
    silent: [{ series: { tallylight_evidence_backlog_exceeded: '0x20' }, at: '1m' }],
  },
  {
    alert: 'TallylightEvidenceSilent',
    severity: 'critical',
    fires: {
      series: { [transition('startConfirmed')]: '0+1x30', tallylight_evidence_written_records_total: '9x30' },
      at: '20m',
    },
    labels: job,
    silent: [
      {
        series: {
          [transition('startConfirmed')]: '0+1x30',
          tallylight_evidence_written_records_total: '0+1x30',
        },
        at: '20m',
      },
    ],
  },
  {
    alert: 'TallylightEvidenceSpace',
    severity: 'critical',
    fires: { series: { tallylight_evidence_free_bytes: '1073741823x20' }, at: '15m' },
    labels: one,
    silent: [{ series: { tallylight_evidence_free_bytes: '1073741824x20' }, at: '15m' }],
  },
];

/** The clock of promtool begins at the epoch. */
const expiry = 'tallylight_certificate_expiry_timestamp_seconds{use="server"}';

export const credentials: readonly AlertCase[] = [
  {
    alert: 'TallylightCertificateExpires',
    severity: 'critical',
    fires: { series: { [expiry]: '172800x120' }, at: '70m' },
    labels: { ...one, use: 'server' },
    silent: [{ series: { [expiry]: '2592000x120' }, at: '70m' }],
  },
  {
    alert: 'TallylightCertificateExpires',
    severity: 'warning',
    fires: { series: { [expiry]: '864000x120' }, at: '70m' },
    labels: { ...one, use: 'server' },
    silent: [{ series: { [expiry]: '2592000x120' }, at: '70m' }],
  },
  {
    alert: 'TallylightKeySetStale',
    severity: 'warning',
    fires: {
      series: {
        'tallylight_key_set_fetches_total{outcome="failed"}': '0+1x60',
        'tallylight_key_set_fetches_total{outcome="ok"}': '1x60',
      },
      at: '40m',
    },
    labels: one,
    silent: [
      {
        series: {
          'tallylight_key_set_fetches_total{outcome="failed"}': '0+1x60',
          'tallylight_key_set_fetches_total{outcome="ok"}': '0+1x60',
        },
        at: '40m',
      },
    ],
  },
  {
    alert: 'TallylightGraphCredentialFailing',
    severity: 'critical',
    fires: {
      series: {
        'tallylight_graph_credential_requests_total{outcome="failed"}': '0+1x20',
        'tallylight_graph_credential_requests_total{outcome="ok"}': '1x20',
      },
      at: '15m',
    },
    labels: one,
    silent: [
      {
        series: {
          'tallylight_graph_credential_requests_total{outcome="failed"}': '0+1x20',
          'tallylight_graph_credential_requests_total{outcome="ok"}': '0+1x20',
        },
        at: '15m',
      },
    ],
  },
  {
    alert: 'TallylightGraphTokensRefused',
    severity: 'critical',
    fires: { series: { 'tallylight_graph_tokens_refused_total{outcome="passed"}': step }, at: '7m' },
    labels: job,
    silent: [{ series: { 'tallylight_graph_tokens_refused_total{outcome="repeated"}': '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightRedisTokenFailing',
    severity: 'critical',
    fires: {
      series: {
        'tallylight_redis_token_requests_total{outcome="failed"}': '0+1x20',
        'tallylight_redis_token_requests_total{outcome="ok"}': '1x20',
      },
      at: '15m',
    },
    labels: one,
    silent: [
      {
        series: {
          'tallylight_redis_token_requests_total{outcome="failed"}': '0+1x20',
          'tallylight_redis_token_requests_total{outcome="ok"}': '0+1x20',
        },
        at: '15m',
      },
    ],
  },
  {
    alert: 'TallylightGraphCredentialReloadFailed',
    severity: 'warning',
    fires: { series: { 'tallylight_graph_credential_reloads_total{outcome="failed"}': step }, at: '7m' },
    labels: one,
    silent: [{ series: { 'tallylight_graph_credential_reloads_total{outcome="ok"}': '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightRevocationListReloadFailed',
    severity: 'critical',
    every: '15s',
    fires: {
      series: { 'tallylight_revocation_list_reloads_total{outcome="failed"}': '0+15x60' },
      at: '10m',
    },
    labels: one,
    silent: [
      // A file that was being replaced when it was read.
      { series: { 'tallylight_revocation_list_reloads_total{outcome="failed"}': '0x10 1x50' }, at: '4m' },
      { series: { 'tallylight_revocation_list_reloads_total{outcome="ok"}': '0+1x60' }, at: '10m' },
    ],
  },
];

const inFlight = (count: number): Series => ({
  'tallylight_requests_in_flight{plane="control"}': `${count}x20`,
  'tallylight_requests_limit{plane="control"}': '100x20',
});

export const service: readonly AlertCase[] = [
  {
    alert: 'TallylightDown',
    severity: 'critical',
    fires: { series: { up: '0x20' }, at: '5m' },
    labels: {},
    silent: [{ series: { up: '0x20', 'up{instance="b:9090"}': '1x20' }, at: '5m' }],
  },
  {
    alert: 'TallylightInstanceDown',
    severity: 'warning',
    fires: { series: { up: '0x20', 'up{instance="b:9090"}': '1x20' }, at: '10m' },
    labels: one,
    silent: [{ series: { up: '1x5 0x3 1x20' }, at: '9m' }],
  },
  {
    alert: 'TallylightRequestsNearLimit',
    severity: 'warning',
    fires: { series: inFlight(81), at: '10m' },
    labels: { ...one, plane: 'control' },
    silent: [{ series: inFlight(80), at: '10m' }],
  },
  {
    alert: 'TallylightInternalFault',
    severity: 'warning',
    fires: { series: { [decision('media', 'InternalFault')]: step }, at: '7m' },
    labels: { ...job, surface: 'media' },
    silent: [{ series: { [decision('media', 'UpstreamFailed')]: '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightWorkersDying',
    severity: 'warning',
    fires: { series: { 'tallylight_worker_exits_total{how="hung"}': step }, at: '7m' },
    labels: { ...one, how: 'hung' },
    silent: [{ series: { 'tallylight_worker_exits_total{how="asked"}': '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightPolicyReloadFailed',
    severity: 'warning',
    fires: { series: { 'tallylight_policy_reloads_total{outcome="failed"}': step }, at: '7m' },
    labels: one,
    silent: [{ series: { 'tallylight_policy_reloads_total{outcome="ok"}': '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightCertificateReloadFailed',
    severity: 'warning',
    fires: { series: { 'tallylight_certificate_reloads_total{outcome="failed"}': step }, at: '7m' },
    labels: one,
    silent: [{ series: { 'tallylight_certificate_reloads_total{outcome="ok"}': '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightLogNotRead',
    severity: 'warning',
    fires: {
      series: { tallylight_log_lines_dropped_total: '0x5 1x30', tallylight_log_waiting_bytes: '0x30' },
      at: '17m',
    },
    labels: one,
    silent: [
      {
        series: { tallylight_log_lines_dropped_total: '5x30', tallylight_log_waiting_bytes: '0x30' },
        at: '17m',
      },
    ],
  },
  {
    alert: 'TallylightLogNotRead',
    severity: 'warning',
    fires: { series: { tallylight_log_waiting_bytes: '0x3 900+100x20' }, at: '15m' },
    labels: one,
    silent: [{ series: { tallylight_log_waiting_bytes: '0x3 900x8 0 900x8' }, at: '15m' }],
  },
];
