import { type AlertCase, decision, job, notPolicyCall, transition } from './shape.ts';

export const burnRates: readonly AlertCase[] = [
  {
    alert: 'TallylightStartsFailing',
    severity: 'critical',
    fires: {
      series: {
        [transition('startConfirmed')]: '0+1x60',
        [transition('startRefused')]: '0+1x60',
        [notPolicyCall]: '0x60',
      },
      at: '30m',
    },
    labels: job,
    silent: [
      {
        // Graph's 8506 is about the call.
        series: {
          [transition('startConfirmed')]: '0+1x60',
          [transition('startRefused')]: '0+1x60',
          [notPolicyCall]: '0+1x60',
        },
        at: '30m',
      },
      {
        // Two failures of three starts.
        series: {
          [transition('startConfirmed')]: '0x9 1x60',
          [transition('startUnknown')]: '0x9 2x60',
          [notPolicyCall]: '0x60',
        },
        at: '12m',
      },
    ],
  },
  {
    alert: 'TallylightStartsFailing',
    severity: 'warning',
    fires: {
      series: {
        [transition('startConfirmed')]: '0+1000x150',
        [transition('startUnknown')]: '0+2x150',
        [notPolicyCall]: '0x150',
      },
      at: '120m',
    },
    labels: job,
    silent: [
      {
        series: {
          [transition('startConfirmed')]: '0+10000x150',
          [transition('startUnknown')]: '0+2x150',
          [notPolicyCall]: '0x150',
        },
        at: '120m',
      },
    ],
  },
  {
    alert: 'TallylightStopsFailing',
    severity: 'critical',
    fires: {
      series: { [transition('stopConfirmed')]: '0+1x60', [transition('stopUnknown')]: '0+1x60' },
      at: '30m',
    },
    labels: job,
    silent: [
      {
        series: { [transition('stopConfirmed')]: '0+1x60', [transition('stopDeferred')]: '0x9 2x60' },
        at: '12m',
      },
    ],
  },
  {
    alert: 'TallylightStopsFailing',
    severity: 'warning',
    fires: {
      series: { [transition('stopConfirmed')]: '0+1000x150', [transition('stopRefused')]: '0+2x150' },
      at: '120m',
    },
    labels: job,
    silent: [
      {
        series: { [transition('stopConfirmed')]: '0+10000x150', [transition('stopRefused')]: '0+2x150' },
        at: '120m',
      },
    ],
  },
  {
    alert: 'TallylightEvidenceLate',
    severity: 'critical',
    fires: { series: { tallylight_evidence_oldest_waiting_seconds: '120x60' }, at: '30m' },
    labels: job,
    silent: [
      { series: { tallylight_evidence_oldest_waiting_seconds: '60x60' }, at: '30m' },
      { series: { tallylight_evidence_oldest_waiting_seconds: '0x9 120x1 0x60' }, at: '12m' },
    ],
  },
  {
    alert: 'TallylightEvidenceLate',
    severity: 'warning',
    fires: { series: { tallylight_evidence_oldest_waiting_seconds: '0x59 120x4 0x200' }, at: '200m' },
    labels: job,
    silent: [
      { series: { tallylight_evidence_oldest_waiting_seconds: '0x59 120x1 0x200' }, at: '200m' },
      { series: { tallylight_evidence_oldest_waiting_seconds: '0x59 50x4 0x200' }, at: '200m' },
    ],
  },
  {
    alert: 'TallylightSignallingFailing',
    severity: 'critical',
    fires: {
      series: {
        [decision('control', 'passed')]: '0+10x60',
        [decision('notification', 'passed')]: '0+10x60',
        [decision('control', 'GraphUnreachable')]: '0+1x60',
      },
      at: '30m',
    },
    labels: job,
    silent: [
      {
        // The clients' own mistakes, and media.
        series: {
          [decision('control', 'passed')]: '0+10x60',
          [decision('control', 'ActionUnknown')]: '0+1x60',
          [decision('media', 'InternalFault')]: '0+1x60',
        },
        at: '30m',
      },
    ],
  },
  {
    alert: 'TallylightSignallingFailing',
    severity: 'warning',
    fires: {
      series: {
        [decision('control', 'passed')]: '0+10000x150',
        [decision('notification', 'BotTimeout')]: '0+2x150',
      },
      at: '120m',
    },
    labels: job,
    silent: [
      {
        series: {
          [decision('control', 'passed')]: '0+100000x150',
          [decision('notification', 'BotTimeout')]: '0+2x150',
        },
        at: '120m',
      },
    ],
  },
];
