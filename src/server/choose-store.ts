import { redisEntraLogin } from '../auth/redis-login.ts';
import { Fault, isFault } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { memoryStore } from '../store/memory.ts';
import { type RedisLogin, redisStore } from '../store/redis/client.ts';
import { outboundFetch } from '../upstream/pool.ts';
import { named } from './named-setting.ts';
import type { ProxyParts } from './proxy.ts';
import { withFacts } from './unreachable.ts';

/** How long a start may take, ms. */
const startMs = 10_000;

/** The store that the settings name. `onUnsuitable` is called if the server proves unsuitable during the start. */
export function chooseStore(
  settings: ProxySettings,
  log: Log,
  onUnsuitable: (fault: Fault) => void,
): ProxyParts['openStore'] {
  const { redisUrl, redisDurability: durability, redisWaitReplicas: waitReplicas } = settings;
  const { redisNoEviction: eviction } = settings;
  if (redisUrl === undefined)
    return () => {
      log.warn(
        {},
        'TALLYLIGHT_REDIS_URL is not set: the state of calls is in this process alone. It is lost with the process, evidence not yet written included, and a second instance would not see it',
      );
      return memoryStore();
    };
  return (meter) => {
    const { login, close } = loginOf(settings, meter);
    const store = redisStore(redisUrl, {
      ...{ meter, durability, eviction, waitReplicas, login },
      log: withFacts(log, { setting: 'TALLYLIGHT_REDIS_URL' }),
    });
    const opened = performance.now();
    // An unsuitable server stops the start. One that is away only keeps gates closed until it comes, and one that comes later
    // and is unsuitable does the same: by then the instance carries signalling.
    store.ready().catch((error: unknown) => {
      if (!isFault(error, 'StoreUnsuitable') || performance.now() - opened > startMs) return;
      onUnsuitable(
        new Fault(
          'StoreUnsuitable',
          `TALLYLIGHT_REDIS_URL names a server that cannot be used: ${error.message}`,
          { cause: error },
        ),
      );
    });
    return {
      ...store,
      async close() {
        await store.close();
        await close();
      },
    };
  };
}

/** How to log in where the URL does not say it. */
function loginOf(
  { redisEntra }: ProxySettings,
  meter: Pick<Meter, 'redisToken'>,
): {
  readonly login?: RedisLogin;
  readonly close: () => Promise<void>;
} {
  if (redisEntra === undefined) return { close: () => Promise.resolve() };
  const outbound = outboundFetch();
  return {
    login: named('TALLYLIGHT_REDIS_ENTRA', () => redisEntraLogin(redisEntra, outbound.fetch, meter)),
    close: () => outbound.close(),
  };
}
