import { Fault, isFault } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { memoryStore } from '../store/memory.ts';
import { redisStore } from '../store/redis/client.ts';
import { namingLog } from './naming-log.ts';
import type { ProxyParts } from './proxy.ts';

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
    const store = redisStore(redisUrl, {
      meter,
      log: namingLog(log, 'TALLYLIGHT_REDIS_URL'),
      durability,
      eviction,
      waitReplicas,
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
    return store;
  };
}
