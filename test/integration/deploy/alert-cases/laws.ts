import { type AlertCase, decision, early, job, notPolicyCall, now, one, step } from './shape.ts';

const observationEnd = 'tallylight_observation_end_timestamp_seconds';
const observedWrites = 'tallylight_observed_writes_total{reason="RecordingNotActive"}';

export const laws: readonly AlertCase[] = [
  {
    alert: 'TallylightContradiction',
    severity: 'critical',
    fires: { series: { 'tallylight_contradictions_total{kind="neverShown"}': step }, at: '7m' },
    labels: { ...job, kind: 'neverShown' },
    silent: [{ series: { 'tallylight_contradictions_total{kind="neverShown"}': step }, at: '20m' }],
  },
  {
    alert: 'TallylightNotEnforcing',
    severity: 'critical',
    fires: { series: { up: '1x20' }, at: '5m' },
    labels: one,
    silent: [
      { series: { up: '1x20', tallylight_enforcing: '1x20' }, at: '5m' },
      // What observes says so, and has an alert of its own.
      { series: { up: '1x20', tallylight_enforcing: '0x20' }, at: '5m' },
    ],
  },
  {
    alert: 'TallylightObserving',
    severity: 'warning',
    fires: { series: { tallylight_enforcing: '0x20' }, at: '5m' },
    labels: job,
    silent: [{ series: { tallylight_enforcing: '1x20' }, at: '5m' }],
  },
  {
    alert: 'TallylightObservationEnds',
    severity: 'warning',
    fires: { series: { [observationEnd]: '172800x60', [observedWrites]: '0+1x60' }, at: '40m' },
    labels: job,
    silent: [
      { series: { [observationEnd]: '2592000x60', [observedWrites]: '0+1x60' }, at: '40m' },
      { series: { [observationEnd]: '172800x60', [observedWrites]: '7x60' }, at: '40m' },
    ],
  },
  {
    alert: 'TallylightRecordingBlocked',
    severity: 'critical',
    fires: { series: { [decision('control', 'EvidenceBacklog')]: '0+1x20' }, at: '15m' },
    labels: { ...job, reason: 'EvidenceBacklog' },
    silent: [
      { series: { [decision('control', 'EvidenceBacklog')]: '0x2 1x20' }, at: '8m' },
      { series: { [decision('control', 'StatusInProgress')]: '0+1x20' }, at: '15m' },
    ],
  },
  {
    alert: 'TallylightNotPolicyCall',
    severity: 'warning',
    fires: { series: { [notPolicyCall]: step }, at: '7m' },
    labels: job,
    silent: [{ series: { [notPolicyCall]: now }, at: '7m' }],
  },
  {
    alert: 'TallylightCallbacksBypassed',
    severity: 'warning',
    fires: { series: { 'tallylight_callback_uris_total{outcome="bypasses"}': step }, at: '7m' },
    labels: { ...job, outcome: 'bypasses' },
    silent: [{ series: { 'tallylight_callback_uris_total{outcome="rewritten"}': '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightRefusedBeforeStart',
    severity: 'warning',
    every: '10m',
    fires: { series: { [early]: '0+1x1100 1151+50x20' }, at: '11100m' },
    labels: job,
    silent: [
      { series: { [early]: '0+50x1120' }, at: '11100m' },
      // Less than a week is known.
      { series: { [early]: '0+1x100 151+50x20' }, at: '1100m' },
    ],
  },
  {
    alert: 'TallylightOpenWithoutMedia',
    severity: 'warning',
    fires: {
      series: { tallylight_open_grants: '1x60', tallylight_admitted_live_bytes_total: '7x60' },
      at: '40m',
    },
    labels: job,
    silent: [
      {
        series: { tallylight_open_grants: '1x60', tallylight_admitted_live_bytes_total: '0+100x60' },
        at: '40m',
      },
      { series: { tallylight_open_grants: '0x60', tallylight_admitted_live_bytes_total: '7x60' }, at: '40m' },
    ],
  },
  {
    alert: 'TallylightWritesCut',
    severity: 'warning',
    fires: { series: { 'tallylight_drain_duration_seconds_count{outcome="cut"}': '0+1x60' }, at: '40m' },
    labels: { ...job, outcome: 'cut' },
    silent: [
      { series: { 'tallylight_drain_duration_seconds_count{outcome="cut"}': '0x5 1x60' }, at: '20m' },
      { series: { 'tallylight_drain_duration_seconds_count{outcome="drained"}': '0+1x60' }, at: '40m' },
    ],
  },
  {
    alert: 'TallylightDiscardFailed',
    severity: 'warning',
    fires: { series: { 'tallylight_writes_discarded_total{outcome="failed"}': step }, at: '7m' },
    labels: job,
    silent: [{ series: { 'tallylight_writes_discarded_total{outcome="ok"}': '0+1x20' }, at: '7m' }],
  },
  {
    alert: 'TallylightStopNotConfirmed',
    severity: 'critical',
    fires: { series: { tallylight_stop_oldest_unconfirmed_seconds: '960+60x20' }, at: '5m' },
    labels: job,
    silent: [{ series: { tallylight_stop_oldest_unconfirmed_seconds: '0+60x20' }, at: '14m' }],
  },
];
