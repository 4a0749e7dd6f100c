import type { Redis } from 'ioredis';
import { Fault } from '../../core/errors.ts';

const unsuitable = (what: string): Fault =>
  new Fault('StoreUnsuitable', `this Redis cannot be used: ${what}`);

/**
 * Throws unless the server is at least 7.0 and never evicts keys: an evicted holder would still write.
 * INFO tells both, also where CONFIG is forbidden.
 */
export async function assertSuitable(server: Redis): Promise<void> {
  const info = await server.info();
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];

  const version = field('redis_version');
  if (version === undefined) throw unsuitable('it does not tell its version');
  if (Number.parseInt(version, 10) < 7) throw unsuitable(`version ${version} is older than 7.0`);

  const eviction = field('maxmemory_policy');
  if (eviction !== 'noeviction')
    throw unsuitable(`maxmemory-policy is ${eviction ?? 'not told'}; set it to noeviction`);
}
