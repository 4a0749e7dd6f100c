import { isDeepStrictEqual } from 'node:util';
import { Fault } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import { policiesOf } from '../../policies/load.ts';
import type { ProxySettings, Settings } from '../../settings/settings.ts';
import { checkAdapters } from '../adapters.ts';
import { named } from '../named-setting.ts';
import { usableTls } from '../tls.ts';
import type { WorkerConfig } from './messages.ts';

/**
 * What workers are to work by. Throws `ConfigurationInvalid`, with the name of the setting, for what no worker could
 * work by.
 */
export async function prepareWorkerConfig(settings: Settings, log: Log): Promise<WorkerConfig> {
  if (settings.mode !== 'proxy')
    throw new Fault('ConfigurationInvalid', 'TALLYLIGHT_GRAPH_URL is missing: it was set at the start');
  if (settings.tls !== undefined) usableTls(settings.tls);
  await checkAdapters(settings, log);
  const policies = named('TALLYLIGHT_POLICY_DIR', () => policiesOf(settings.policyDir));
  return { settings, policies };
}

/**
 * Old and new workers serve side by side. What says where they listen would leave one of them unheard; with another
 * store, or other times in the protocol of the gate, a stop at the one would not hold for the other.
 */
const lasting: readonly (readonly [name: string, of: (settings: ProxySettings) => unknown])[] = [
  ['TALLYLIGHT_HOST', ({ host }) => host],
  ['TALLYLIGHT_PORT', ({ port }) => port],
  ['TALLYLIGHT_ADMIN_PORT', ({ adminPort }) => adminPort],
  // The process that the workers belong to serves the console, and stays.
  ['TALLYLIGHT_CONSOLE_PORT', ({ console }) => console?.port],
  ['TALLYLIGHT_CONSOLE_HOST', ({ console }) => console?.host],
  ['TALLYLIGHT_CONSOLE_HOSTS', ({ console }) => console?.hosts],
  ['TALLYLIGHT_CONSOLE_ISSUERS', ({ console }) => console?.issuers],
  ['TALLYLIGHT_MAX_CONSOLE_LISTENERS', ({ limits }) => limits.maxConsoleListeners],
  ['TALLYLIGHT_TLS_CERT_FILE', ({ tls }) => tls === undefined],
  ['TALLYLIGHT_WORKERS', ({ workers }) => workers?.count],
  ['TALLYLIGHT_GRAPH_URL', ({ graphUrl }) => graphUrl],
  ['TALLYLIGHT_GRAPH_TIMEOUT_MS', ({ graphTimeoutMs }) => graphTimeoutMs],
  ['TALLYLIGHT_REDIS_URL', ({ redisUrl }) => redisUrl],
  ['TALLYLIGHT_REDIS_WAIT_REPLICAS', ({ redisWaitReplicas }) => redisWaitReplicas],
  ['TALLYLIGHT_SESSION_TTL_MS', ({ sessionTtlMs }) => sessionTtlMs],
  ['TALLYLIGHT_EVIDENCE_DIR', ({ evidenceDir }) => evidenceDir],
];

/** Throws `ConfigurationInvalid` if old and new workers could not serve side by side. */
export function refuseChanges(before: ProxySettings, after: ProxySettings): void {
  const changed = lasting.filter(([, of]) => !isDeepStrictEqual(of(before), of(after))).map(([name]) => name);
  if (changed.length > 0)
    throw new Fault(
      'ConfigurationInvalid',
      `${changed.join(', ')} cannot be changed by a rolling replacement of workers: restart the process`,
    );
}
