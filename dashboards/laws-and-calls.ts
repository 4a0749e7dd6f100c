import {
  BytesIEC,
  BytesPerSecondIEC,
  CountsPerSecond,
  NoUnit,
  OpsPerSecond,
  PercentUnit,
  RequestsPerSecond,
  Seconds,
} from '@grafana/grafana-foundation-sdk/units';
import { count, max, min, of, ofJob, type Page, quantile, rate, sum } from './panels.ts';

const decisions = 'tallylight_gate_decisions_total';
const transitions = 'tallylight_call_transitions_total';

/** For compliance: whether the laws held, and what became of the calls. */
export const lawsAndCalls: Page = {
  uid: 'tallylight-laws-and-calls',
  title: 'Tallylight: laws and calls',
  description:
    'Whether media is stored only while recording is confirmed, and what became of the calls. No call is named here.',
  rows: {
    'At a glance': [
      {
        title: 'Recordings now',
        description: 'Calls whose recording Graph has confirmed, as the store counts them.',
        unit: NoUnit,
        queries: { recording: max(of('tallylight_calls', 'state="recording"')) },
        stat: {},
      },
      {
        title: 'Gates open',
        description: 'Calls for which an instance admits media now, added up over the instances.',
        unit: NoUnit,
        queries: { open: sum(of('tallylight_open_grants')) },
        stat: {},
      },
      {
        title: 'Contradictions',
        description:
          'How often the roster of a call contradicted its gate in the time shown. Each must be looked into.',
        unit: NoUnit,
        queries: { contradictions: count(of('tallylight_contradictions_total')) },
        stat: { redFrom: 1 },
      },
      {
        title: 'Oldest stop without confirmation',
        description: 'Age of the oldest stop that Graph has not confirmed. The gate of its call is closed.',
        unit: Seconds,
        queries: { age: max(of('tallylight_stop_oldest_unconfirmed_seconds')) },
        stat: { redFrom: 900 },
      },
      {
        title: 'Oldest evidence that waits',
        description: 'Age of the oldest record that is not yet in the evidence directory.',
        unit: Seconds,
        queries: { age: max(of('tallylight_evidence_oldest_waiting_seconds')) },
        stat: { redFrom: 60 },
      },
      {
        title: 'All instances enforce',
        description: '1 if every instance that answers reports that it enforces the gate.',
        unit: NoUnit,
        queries: { enforcing: min(of('tallylight_enforcing')) },
        stat: { redBelow: 1 },
      },
    ],
    Laws: [
      {
        title: 'Contradictions by kind',
        description: 'What the roster showed against the gate. They do not change the gate.',
        unit: CountsPerSecond,
        queries: { '{{kind}}': rate(of('tallylight_contradictions_total'), 'kind') },
      },
      {
        title: 'Media: admitted and refused',
        description:
          'Requests that persist media, by what was decided. Some RecordingNotActive is normal; a rising share means that a bot does not wait for the confirmation.',
        unit: RequestsPerSecond,
        queries: { '{{reason}}': `${rate(of(decisions, 'surface="media"'), 'reason')} > 0` },
      },
      {
        title: 'Media that began too early',
        description:
          'Writes refused because it is not proven that they began after recording was confirmed, by why.',
        unit: RequestsPerSecond,
        queries: { '{{why}}': rate(of('tallylight_request_starts_refused_total'), 'why') },
      },
      {
        title: 'How writes ended at a stop',
        description:
          'Drains by outcome. Writes that are cut did not end by themselves within the drain limit.',
        unit: OpsPerSecond,
        queries: { '{{outcome}}': rate(of('tallylight_drain_duration_seconds_count'), 'outcome') },
      },
      {
        title: 'Time to drain',
        description: 'Time from a revocation to the end of the last write of the call, 99th percentile.',
        unit: Seconds,
        queries: { '{{outcome}}': quantile(0.99, of('tallylight_drain_duration_seconds_bucket'), 'outcome') },
      },
      {
        title: 'Writes that did not end normally',
        description:
          'Aborted: the handler does not have the whole body. Unanswered: it may have it. Discarded: it was asked to discard it.',
        unit: OpsPerSecond,
        queries: {
          aborted: rate(of('tallylight_writes_aborted_total')),
          unanswered: rate(of('tallylight_writes_unanswered_total')),
          'discarded: {{outcome}}': rate(of('tallylight_writes_discarded_total'), 'outcome'),
        },
      },
    ],
    Calls: [
      {
        title: 'Calls by state',
        description: 'Calls in the store by state. Idle and ended calls are not counted.',
        unit: NoUnit,
        queries: { '{{state}}': max(of('tallylight_calls'), 'state') },
      },
      {
        title: 'Starts',
        description: 'What became of requests to start a recording.',
        unit: OpsPerSecond,
        queries: {
          '{{event}}': rate(
            of(
              transitions,
              'event=~"startRequested|startConfirmed|startRefused|startUnknown|startSuperseded"',
            ),
            'event',
          ),
        },
      },
      {
        title: 'Stops',
        description: 'What became of requests to stop a recording.',
        unit: OpsPerSecond,
        queries: {
          '{{event}}': rate(
            of(
              transitions,
              'event=~"stopRequested|drained|stopConfirmed|stopRefused|stopUnknown|stopDeferred"',
            ),
            'event',
          ),
        },
      },
      {
        title: 'Length of recordings',
        description: 'From the confirmation to the end of the last write, of recordings that were closed.',
        unit: Seconds,
        queries: {
          median: quantile(0.5, of('tallylight_recording_duration_seconds_bucket')),
          '95th percentile': quantile(0.95, of('tallylight_recording_duration_seconds_bucket')),
        },
      },
      {
        title: 'Ends of calls',
        description: 'Why calls ended, as far as the proxy ended them.',
        unit: OpsPerSecond,
        queries: { '{{reason}}': rate(of('tallylight_calls_ended_total'), 'reason') },
      },
      {
        title: 'Media admitted',
        description:
          'Bytes of media, as they pass (live), and as they are counted when the gate of their call closes.',
        unit: BytesPerSecondIEC,
        queries: {
          live: rate(of('tallylight_admitted_live_bytes_total')),
          'at close': rate(of('tallylight_admitted_bytes_total')),
        },
      },
    ],
    Objectives: [
      {
        title: 'Starts that failed',
        description: 'Share of the last hour. The objective is 0.1 %; refusals with 8506 are not counted.',
        unit: PercentUnit,
        queries: { '{{job}}': ofJob('tallylight:starts_failed:ratio_rate1h') },
      },
      {
        title: 'Stops that failed',
        description: 'Share of the last hour. The objective is 0.1 %.',
        unit: PercentUnit,
        queries: { '{{job}}': ofJob('tallylight:stops_failed:ratio_rate1h') },
      },
      {
        title: 'Signalling that failed',
        description: 'Share of requests and notifications of the last hour. The objective is 0.01 %.',
        unit: PercentUnit,
        queries: { '{{job}}': ofJob('tallylight:signalling_failed:ratio_rate1h') },
      },
    ],
    Evidence: [
      {
        title: 'Evidence that waits',
        description: 'Records in the store that are not yet in the evidence directory.',
        unit: NoUnit,
        queries: { records: max(of('tallylight_evidence_waiting_records')) },
      },
      {
        title: 'Size of what waits',
        description: 'Beyond TALLYLIGHT_EVIDENCE_BACKLOG no recording starts and no write is admitted.',
        unit: BytesIEC,
        queries: { waiting: max(of('tallylight_evidence_waiting_bytes')) },
      },
      {
        title: 'Backlog exceeded',
        description: '1 while the backlog exceeds its limit.',
        unit: NoUnit,
        queries: { exceeded: max(of('tallylight_evidence_backlog_exceeded')) },
      },
      {
        title: 'Evidence written',
        description: 'Lines that were written durably.',
        unit: OpsPerSecond,
        queries: { lines: rate(of('tallylight_evidence_written_records_total')) },
      },
      {
        title: 'Evidence late',
        description:
          'Share of the last hour in which a record waited for more than 60 s. The objective is 0.01 %.',
        unit: PercentUnit,
        queries: { '{{job}}': ofJob('tallylight:evidence_late:ratio_rate1h') },
      },
      {
        title: 'Space for evidence',
        description: 'What can still be written to the file system of the evidence directory.',
        unit: BytesIEC,
        queries: { '{{instance}}': min(of('tallylight_evidence_free_bytes'), 'instance') },
      },
    ],
    Notifications: [
      {
        title: 'What notifications told',
        description: 'Items in notifications from Graph, by kind and by what became of them.',
        unit: OpsPerSecond,
        queries: {
          '{{kind}}: {{outcome}}': `${rate(of('tallylight_notices_total'), 'kind, outcome')} > 0`,
        },
      },
      {
        title: 'Callback addresses',
        description:
          'Addresses that bots gave for the notifications of a call. With bypasses or unreadable the roster cannot be compared with the gate.',
        unit: OpsPerSecond,
        queries: { '{{outcome}}': rate(of('tallylight_callback_uris_total'), 'outcome') },
      },
      {
        title: 'Alerts that fire',
        description: 'The alerts of deploy/prometheus/tallylight.rules.yaml; each has a runbook.',
        unit: NoUnit,
        queries: {
          '{{alertname}} ({{severity}})':
            'sum by (alertname, severity) (ALERTS{alertname=~"Tallylight.+",alertstate="firing"})',
        },
      },
    ],
  },
};
