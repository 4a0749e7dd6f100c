import type { Redis } from 'ioredis';
import { Fault } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { asPairs } from './decode.ts';

const policyName = 'maxmemory-policy';

export const unsuitable = (what: string): Fault =>
  new Fault('StoreUnsuitable', `this Redis cannot be used: ${what}`);

/** Reads INFO; the result looks a field up. */
export async function infoOf(server: Redis): Promise<(name: string) => string | undefined> {
  const info = await server.info();
  return (name) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

/** Whether a server that does not report its eviction policy is refused, or the operator vouches for it. */
export type EvictionRule = 'check' | 'vouched';

/** The server's answer to CONFIG GET; undefined: the server, or the rights of the user, do not allow to ask. */
export async function askConfig(server: Redis, ...names: readonly string[]): Promise<Config | undefined> {
  let reply: unknown;
  try {
    reply = await server.call('config', 'get', ...names);
  } catch (error) {
    // An answer of the server, as opposed to none.
    if (isRecord(error) && error.name === 'ReplyError') return undefined;
    throw error;
  }
  return (isRecord(reply) ? reply : Object.fromEntries(asPairs(reply, 'configuration'))) as Config;
}

export type Config = Readonly<Partial<Record<string, string>>>;

/**
 * Throws unless the server is at least 7.0 and never evicts keys: an evicted holder would still write.
 * INFO reports both, also where CONFIG is forbidden; some managed offerings leave the policy out of it.
 */
export async function assertSuitable(server: Redis, eviction: EvictionRule = 'check'): Promise<void> {
  const field = await infoOf(server);

  const version = field('redis_version');
  if (version === undefined) throw unsuitable('it does not report its version');
  if (Number.parseInt(version, 10) < 7) throw unsuitable(`version ${version} is older than 7.0`);

  const policy = field('maxmemory_policy') ?? (await askConfig(server, policyName))?.[policyName];
  if (policy === undefined && eviction === 'vouched') return;
  if (policy === undefined)
    throw unsuitable(
      `neither INFO nor CONFIG GET reports its ${policyName}; set it to noeviction, and confirm that with TALLYLIGHT_REDIS_NOEVICTION=vouched`,
    );
  if (policy !== 'noeviction') throw unsuitable(`${policyName} is ${policy}; set it to noeviction`);
}
