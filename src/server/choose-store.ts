import { isFault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports.ts';
import { memoryStore } from '../store/memory.ts';
import { redisStore } from '../store/redis/client.ts';
import type { ProxyParts } from './proxy.ts';
import type { ProxySettings } from './settings.ts';

/** The store that the settings name. A server that cannot be used ends the process. */
export function chooseStore(settings: ProxySettings, log: Log): ProxyParts['openStore'] {
  const { redisUrl, redisDurability: durability, redisWaitReplicas: waitReplicas } = settings;
  const { redisNoEviction: eviction } = settings;
  if (redisUrl === undefined) {
    log.warn(
      {},
      'TALLYLIGHT_REDIS_URL is not set: the state of calls is in this process alone. It is lost with the process, evidence not yet written included, and a second instance would not see it',
    );
    return () => memoryStore();
  }
  return (meter) => {
    const store = redisStore(redisUrl, { meter, log, durability, eviction, waitReplicas });
    // An unsuitable server stops the start; one that is away only keeps gates closed until it comes.
    store.ready().catch((error: unknown) => {
      if (!isFault(error, 'StoreUnsuitable')) return;
      log.error({ error: messageOf(error) }, 'TALLYLIGHT_REDIS_URL names a server that cannot be used');
      process.exit(1);
    });
    return store;
  };
}
