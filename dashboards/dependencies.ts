import {
  BytesIEC,
  NoUnit,
  OpsPerSecond,
  RequestsPerSecond,
  Seconds,
} from '@grafana/grafana-foundation-sdk/units';
import { max, min, of, type Page, quantile, rate } from './panels.ts';

/** What the instances depend on. */
export const dependencies: Page['rows'] = {
  'Graph and credentials': [
    {
      title: 'Responses of Graph',
      description: 'Responses from Graph, by action and status.',
      unit: RequestsPerSecond,
      queries: {
        '{{action}}: {{status}}': `${rate(of('tallylight_graph_answers_total'), 'action, status')} > 0`,
      },
    },
    {
      title: 'Time of Graph',
      description: 'From sending a request to Graph to the end of its response, 99th percentile.',
      unit: Seconds,
      queries: {
        '{{action}}': quantile(0.99, of('tallylight_graph_answer_duration_seconds_bucket'), 'action'),
      },
    },
    {
      title: 'Access tokens for Graph',
      description: 'Requests for access tokens, and tokens that Graph refused.',
      unit: OpsPerSecond,
      queries: {
        'requested: {{outcome}}': rate(of('tallylight_graph_credential_requests_total'), 'outcome'),
        'refused, {{outcome}}': rate(of('tallylight_graph_tokens_refused_total'), 'outcome'),
      },
    },
    {
      title: 'Access tokens for Redis',
      description: 'Requests for the access tokens with which instances log in to Redis.',
      unit: OpsPerSecond,
      queries: { '{{outcome}}': rate(of('tallylight_redis_token_requests_total'), 'outcome') },
    },
    {
      title: 'Access token for Redis: time left',
      description: 'Time until the access token of each instance expires; Redis then closes its connections.',
      unit: Seconds,
      queries: {
        '{{instance}}': `${min(of('tallylight_redis_token_expiry_timestamp_seconds'), 'instance')} - time()`,
      },
    },
    {
      title: 'Signing keys',
      description: 'Requests for the signing keys of token issuers.',
      unit: OpsPerSecond,
      queries: { '{{outcome}}': rate(of('tallylight_key_set_fetches_total'), 'outcome') },
    },
    {
      title: 'Since the last success',
      description:
        'Time since signing keys, and access tokens for Graph and Redis, were last obtained. A token for Graph is requested when one is needed.',
      unit: Seconds,
      queries: {
        'keys, {{instance}}': `time() - ${min(of('tallylight_key_set_last_success_timestamp_seconds'), 'instance')}`,
        'Redis token, {{instance}}': `time() - ${min(of('tallylight_redis_token_last_success_timestamp_seconds'), 'instance')}`,
        'Graph token, {{instance}}': `time() - ${min(of('tallylight_graph_credential_last_success_timestamp_seconds'), 'instance')}`,
      },
    },
    {
      title: 'Certificates: time left',
      description: 'Time until each certificate in use expires.',
      unit: Seconds,
      queries: {
        '{{instance}}: {{use}}': `${min(of('tallylight_certificate_expiry_timestamp_seconds'), 'instance, use')} - time()`,
      },
    },
  ],
  'Handlers and bots': [
    {
      title: 'Responses of media handlers',
      description: 'Responses of media handlers, by status.',
      unit: RequestsPerSecond,
      queries: { '{{status}}': `${rate(of('tallylight_upstream_answers_total'), 'status')} > 0` },
    },
    {
      title: 'Time of media handlers',
      description: 'From sending a request to a media handler to the end of its response.',
      unit: Seconds,
      queries: {
        median: quantile(0.5, of('tallylight_upstream_answer_duration_seconds_bucket')),
        '99th percentile': quantile(0.99, of('tallylight_upstream_answer_duration_seconds_bucket')),
      },
    },
    {
      title: 'Responses of bots to notifications',
      description: 'Notifications that were forwarded, by the status of the response.',
      unit: RequestsPerSecond,
      queries: { '{{status}}': `${rate(of('tallylight_notifications_total'), 'status')} > 0` },
    },
    {
      title: 'Time added to notifications',
      description: 'Upper bound of what the proxy added to a notification, 99th percentile.',
      unit: Seconds,
      queries: {
        '99th percentile': quantile(0.99, of('tallylight_notification_added_duration_seconds_bucket')),
      },
    },
  ],
  Store: [
    {
      title: 'Time of store commands',
      description: 'Time until a command to the store was answered, 99th percentile.',
      unit: Seconds,
      queries: {
        '{{command}}': quantile(0.99, of('tallylight_store_command_duration_seconds_bucket'), 'command'),
      },
    },
    {
      title: 'Store commands that failed',
      description: 'Commands that the store refused or did not answer.',
      unit: OpsPerSecond,
      queries: {
        '{{command}}': rate(
          of('tallylight_store_command_duration_seconds_count', 'outcome="failed"'),
          'command',
        ),
      },
    },
    {
      title: 'Time of state changes',
      description: 'Time to commit a state change of a call, retries included, 99th percentile.',
      unit: Seconds,
      queries: {
        '{{event}}': quantile(0.99, of('tallylight_call_transition_duration_seconds_bucket'), 'event'),
      },
    },
    {
      title: 'Memory of the store',
      description: 'Memory in use against the limit of Redis. At the limit no recording starts.',
      unit: BytesIEC,
      queries: {
        used: max(of('tallylight_store_memory_bytes')),
        limit: max(of('tallylight_store_memory_limit_bytes')),
      },
    },
    {
      title: 'Clock of the store',
      description:
        'How far the clock of the store is ahead of the clock of each instance. No deadline depends on it.',
      unit: Seconds,
      queries: { '{{instance}}': max(of('tallylight_store_clock_skew_seconds'), 'instance') },
    },
    {
      title: 'Steps of that clock',
      description: 'Steps that instances observed in ten minutes.',
      unit: NoUnit,
      queries: {
        '{{direction}}': `max by (direction) (increase(${of('tallylight_store_clock_steps_total')}[10m]))`,
      },
    },
  ],
};
