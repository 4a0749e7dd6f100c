import { endOfObservation } from '../core/call/observation.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/ports/log.ts';
import { type Doubt, doubtsOf } from './doubts.ts';
import type { ProxySettings } from './settings.ts';

/** What may be meant and is not safe: it is said once, at the start. */
export function warnAbout(settings: ProxySettings, log: Log, now = Date.now()): void {
  const { observation } = settings;
  if (observation !== undefined && observation.until > now)
    log.warn(
      {
        setting: 'TALLYLIGHT_OBSERVE_UNTIL',
        until: endOfObservation(observation),
        tenants: [...observation.tenants],
      },
      'the laws are not enforced for these tenants until that time: media is stored without a confirmed recording, and only counted',
    );
  for (const facts of sharedCredentials(settings))
    log.warn(
      facts,
      'several applications share a Graph credential without "apps". Graph cannot distinguish them, so each can act on calls of the others until the call is bound. Set "apps" of the credential to the application it is for',
    );
  warnOf(doubtsOf(settings, now), log);
}

export function warnOf(doubts: readonly Doubt[], log: Log): void {
  for (const { setting, text, cure } of doubts)
    log.warn(
      { setting, problem: text, cure },
      'a setting is probably wrong; tallylight check lists them all',
    );
}

/** Each credential of that kind, with the applications that may use it; any of the tenant, if none are listed. */
export function sharedCredentials({
  controlAuth,
  issuers,
  graphCredentials,
}: Pick<ProxySettings, 'controlAuth' | 'issuers' | 'graphCredentials'>): (JsonObject & {
  readonly setting: string;
})[] {
  if (controlAuth !== 'jwt') return [];
  const applications = issuers.some(({ apps }) => apps === undefined)
    ? undefined
    : [...new Set(issuers.flatMap(({ apps = [] }) => apps))];
  if (applications?.length === 1) return [];
  return graphCredentials.flatMap(({ apps, clientId }, index) =>
    apps === undefined
      ? [
          {
            setting: `TALLYLIGHT_GRAPH_CREDENTIAL[${index}]`,
            client: clientId,
            ...(applications === undefined ? {} : { applications }),
          },
        ]
      : [],
  );
}
