import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { PolicySet } from '../policies/load.ts';
import { changedSettings } from '../settings/changes.ts';
import type { ProxySettings, Settings } from '../settings/settings.ts';
import type { ExchangeableCredentials } from './graph-credentials.ts';
import { reportClientCertificates } from './tls.ts';

interface ReloadParts {
  /** Those of the start. */
  readonly settings: ProxySettings;
  /** Reads the settings again; undefined: only policies are reloaded. Throws `ConfigurationInvalid`. */
  readonly read: (() => Settings) | undefined;
  readonly policies: Pick<PolicySet, 'reload'>;
  /** undefined: bots bring their own. */
  readonly credentials: Pick<ExchangeableCredentials, 'exchange'> | undefined;
  readonly log: Log;
  readonly meter: Pick<Meter, 'graphCredentialReload' | 'certificate'>;
}

/**
 * What SIGHUP does in a process without workers: policies and Graph credentials are read again. Any other setting is only
 * read at the start; one that has changed is logged, so that it does not seem to be in force.
 */
export function reloader({
  settings,
  read,
  policies,
  credentials,
  log,
  meter,
}: ReloadParts): () => Promise<void> {
  let inForce = settings;
  let running = Promise.resolve();

  const takeCredentials = async ({ exchange }: NonNullable<typeof credentials>, next: ProxySettings) => {
    const { graphCredentials } = next;
    try {
      if (!isDeepStrictEqual(graphCredentials, inForce.graphCredentials)) {
        await exchange(graphCredentials);
        reportClientCertificates(next, meter);
        inForce = { ...inForce, graphCredentials };
        log.info(
          { clients: graphCredentials.map(({ clientId }) => clientId) },
          'the Graph credentials were reloaded',
        );
      }
      meter.graphCredentialReload(true);
    } catch (error) {
      meter.graphCredentialReload(false);
      log.error(
        { setting: 'TALLYLIGHT_GRAPH_CREDENTIAL', error: messageOf(error) },
        'the Graph credentials could not be reloaded; the previous credentials stay in use',
      );
    }
  };

  const readAgain = async (): Promise<void> => {
    let next: Settings | undefined;
    try {
      next = read?.();
    } catch (error) {
      if (credentials !== undefined) meter.graphCredentialReload(false);
      log.error(
        { error: messageOf(error) },
        'the settings are no longer valid; the previous values stay in force, but a restart would fail',
      );
    }
    if (next === undefined) return;
    let known: Settings = inForce;
    if (credentials !== undefined && next.mode === 'proxy' && next.controlAuth === 'jwt') {
      await takeCredentials(credentials, next);
      known = { ...inForce, graphCredentials: next.graphCredentials };
    }
    const changed = changedSettings(known, next);
    if (changed.length > 0)
      log.warn(
        { settings: changed },
        'settings have changed in their files, but are only read at the start without workers; the previous values stay in force. Restart the process to apply them',
      );
  };

  return () => {
    policies.reload();
    running = running.then(readAgain);
    return running;
  };
}
