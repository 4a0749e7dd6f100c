import type { Log } from '../core/ports/log.ts';
import { clientAddress, type ClientAddress } from './client-address.ts';

/** So many requests from one address, and none from another, are worth a warning. */
const manyRequests = 100;

/**
 * The address of a client if no proxy is trusted. Logs once if all clients seem to come through an unlisted proxy,
 * because they then share the limits of one address.
 */
export function addressWithoutProxies(log: Log): ClientAddress {
  const addressOf = clientAddress([]);
  let first: string | undefined;
  let asked = 0;
  let isSettled = false;
  return (req) => {
    const address = addressOf(req);
    if (isSettled) return address;
    first ??= address;
    asked += 1;
    const forwarded = req.headers['x-forwarded-for'] !== undefined || req.headers.forwarded !== undefined;
    if (forwarded || asked === manyRequests) {
      isSettled = true;
      log.warn(
        { address },
        'all clients have the same address, so they share the limits of one client: if a reverse proxy or load balancer is in front, list it in TALLYLIGHT_TRUSTED_PROXIES',
      );
    } else if (address !== first) isSettled = true;
    return address;
  };
}
