import {
  BytesIEC,
  NoUnit,
  OpsPerSecond,
  PercentUnit,
  RequestsPerSecond,
  Seconds,
} from '@grafana/grafana-foundation-sdk/units';
import { dependencies } from './dependencies.ts';
import { max, min, of, type Page, rate, sum } from './panels.ts';

/** For operators: what the instances do, and what they depend on. */
export const service: Page = {
  uid: 'tallylight-service',
  title: 'Tallylight: service',
  description:
    'The instances, their limits, and what they depend on: Graph, the store, handlers, keys, certificates.',
  rows: {
    Instances: [
      {
        title: 'Instances that answer',
        description: 'Instances that Prometheus reaches.',
        unit: NoUnit,
        queries: { up: sum(of('up')) },
        stat: { redBelow: 1 },
      },
      {
        title: 'Without a session',
        description: 'Instances that have no live session in the store: their gates are closed.',
        unit: NoUnit,
        queries: { 'no session': `count(${of('tallylight_session_live')} == 0) or vector(0)` },
        stat: { redFrom: 1 },
      },
      {
        title: 'Without the store',
        description: 'Instances whose last command to the store was not answered.',
        unit: NoUnit,
        queries: { 'no store': `count(${of('tallylight_store_up')} == 0) or vector(0)` },
        stat: { redFrom: 1 },
      },
      {
        title: 'Next certificate to expire',
        description: 'Time until the first certificate in use expires.',
        unit: Seconds,
        queries: { left: `${min(of('tallylight_certificate_expiry_timestamp_seconds'))} - time()` },
        stat: { redBelow: 14 * 86_400 },
      },
      {
        title: 'WebSockets open',
        description: 'WebSockets that are open now.',
        unit: NoUnit,
        queries: { open: sum(of('tallylight_websockets_open')) },
        stat: {},
      },
      {
        title: 'Versions',
        description: 'Instances by version of Tallylight and of Node.js.',
        unit: NoUnit,
        queries: { '{{version}}, Node {{node}}': sum(of('tallylight_build_info'), 'version, node') },
        stat: {},
      },
    ],
    Requests: [
      {
        title: 'Requests to Graph',
        description: 'Requests of bots to Graph, by what was decided.',
        unit: RequestsPerSecond,
        queries: {
          '{{reason}}': `${rate(of('tallylight_gate_decisions_total', 'surface="control"'), 'reason')} > 0`,
        },
      },
      {
        title: 'Notifications from Graph',
        description: 'Notifications, by what was decided.',
        unit: RequestsPerSecond,
        queries: {
          '{{reason}}': `${rate(of('tallylight_gate_decisions_total', 'surface="notification"'), 'reason')} > 0`,
        },
      },
      {
        title: 'Share of the limits in use',
        description: 'Requests in progress against their limit. At 100 % requests are refused.',
        unit: PercentUnit,
        queries: {
          '{{instance}}: {{plane}}': max(
            `${of('tallylight_requests_in_flight')} / ${of('tallylight_requests_limit')}`,
            'instance, plane',
          ),
        },
      },
      {
        title: 'Requests in progress',
        description: 'Requests in progress that count against a limit.',
        unit: NoUnit,
        queries: { '{{plane}}': sum(of('tallylight_requests_in_flight'), 'plane') },
      },
      {
        title: 'WebSockets',
        description: 'WebSockets that were opened or ended, by event.',
        unit: OpsPerSecond,
        queries: { '{{event}}': rate(of('tallylight_websockets_total'), 'event') },
      },
      {
        title: 'WebSocket frames',
        description: 'Frames that were forwarded.',
        unit: OpsPerSecond,
        queries: { '{{direction}}': rate(of('tallylight_websocket_frames_total'), 'direction') },
      },
    ],
    ...dependencies,
    Processes: [
      {
        title: 'CPU',
        description: 'Cores in use by each process with its workers.',
        unit: NoUnit,
        queries: { '{{instance}}': rate(of('process_cpu_seconds_total'), 'instance') },
      },
      {
        title: 'Memory',
        description: 'Resident memory of each process with its workers.',
        unit: BytesIEC,
        queries: { '{{instance}}': sum(of('process_resident_memory_bytes'), 'instance') },
      },
      {
        title: 'Event loop',
        description: 'The longest time by which the event loop was late since the scrape before.',
        unit: Seconds,
        queries: { '{{instance}}': max(of('tallylight_event_loop_lag_seconds'), 'instance') },
      },
      {
        title: 'Event loop utilization',
        description: 'Share of the time in which event loops were busy; workers are added up.',
        unit: PercentUnit,
        queries: { '{{instance}}': rate(of('tallylight_event_loop_active_seconds_total'), 'instance') },
      },
      {
        title: 'Console',
        description:
          'Event streams of the console that are open, acts of operators a minute, and for how long lines of the journal have been unread.',
        unit: NoUnit,
        queries: {
          listeners: sum(of('tallylight_console_listeners')),
          '{{act}}: {{outcome}}': `60 * ${rate(of('tallylight_console_acts_total'), 'act, outcome')} > 0`,
          'seconds behind the journal': max(of('tallylight_console_journal_behind_seconds')),
          'listeners cut a minute': `60 * ${rate(of('tallylight_console_listeners_cut_total'))}`,
        },
      },
      {
        title: 'Workers',
        description:
          'Workers by state, and workers that ended, by how. Absent where one process does everything.',
        unit: NoUnit,
        queries: {
          '{{state}}': sum(of('tallylight_workers'), 'state'),
          'ended: {{how}}': `sum by (how) (increase(${of('tallylight_worker_exits_total')}[10m]))`,
        },
      },
      {
        title: 'Open files',
        description: 'Open file descriptors of each process with its workers.',
        unit: NoUnit,
        queries: { '{{instance}}': sum(of('process_open_fds'), 'instance') },
      },
    ],
    Reloads: [
      {
        title: 'Age of what is in force',
        description: 'Time since what is in force was read, by what.',
        unit: Seconds,
        queries: {
          '{{instance}}: {{what}}': `time() - ${min(of('tallylight_reload_last_success_timestamp_seconds'), 'instance, what')}`,
        },
      },
      {
        title: 'Reloads of policies',
        description:
          'Reloads in ten minutes, by outcome. After a failed one the previous policies stay in force.',
        unit: NoUnit,
        queries: {
          '{{outcome}}': `sum by (outcome) (increase(${of('tallylight_policy_reloads_total')}[10m]))`,
        },
      },
      {
        title: 'Reloads of the certificate',
        description:
          'Reloads in ten minutes, by outcome. After a failed one the previous certificate stays in use.',
        unit: NoUnit,
        queries: {
          '{{outcome}}': `sum by (outcome) (increase(${of('tallylight_certificate_reloads_total')}[10m]))`,
        },
      },
    ],
  },
};
