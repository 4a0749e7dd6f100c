import type { Redis } from 'ioredis';
import { Fault } from '../../core/errors.ts';

export const unsuitable = (what: string): Fault =>
  new Fault('StoreUnsuitable', `this Redis cannot be used: ${what}`);

/** Reads INFO; the result looks a field up. */
export async function infoOf(server: Redis): Promise<(name: string) => string | undefined> {
  const info = await server.info();
  return (name) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

/**
 * Throws unless the server is at least 7.0 and never evicts keys: an evicted holder would still write.
 * INFO tells both, also where CONFIG is forbidden.
 */
export async function assertSuitable(server: Redis): Promise<void> {
  const field = await infoOf(server);

  const version = field('redis_version');
  if (version === undefined) throw unsuitable('it does not tell its version');
  if (Number.parseInt(version, 10) < 7) throw unsuitable(`version ${version} is older than 7.0`);

  const eviction = field('maxmemory_policy');
  if (eviction !== 'noeviction')
    throw unsuitable(`maxmemory-policy is ${eviction ?? 'not told'}; set it to noeviction`);
}
