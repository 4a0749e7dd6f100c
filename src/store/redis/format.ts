import { Fault } from '../../core/errors.ts';
import type { Connection } from './connection.ts';
import { formatNumber, type Keys } from './keys.ts';

const shownChars = 40;

/** Why a store whose layout key holds this is not for this build; undefined: it is. */
export function otherFormat({ layout }: Pick<Keys, 'layout'>, found: string): string | undefined {
  if (found === String(formatNumber)) return undefined;
  if (!/^\d{1,9}$/.test(found))
    return `the key ${layout} holds ${JSON.stringify(found.slice(0, shownChars))}, not the number of a store format: use another database, or find out what wrote that key and delete it while no instance runs`;
  return Number(found) > formatNumber
    ? `the store has format ${found}, but this build supports only format ${formatNumber}; use the same build as the other instances`
    : `the store has format ${found}, of an earlier build. Stop all instances of that build after their evidence is written. Then use another database, or delete the old keys (docs/operate/redis.md, "Upgrading")`;
}

/**
 * The same connection, which runs nothing on a store of another format: also what only reads a call begins the life of
 * its shard. A store without a number is as good as new; it is asked for until somebody has joined.
 */
export function inFormat(connection: Connection, keys: Keys): Connection {
  /** On the connections of which count of losses the number was found to be ours. */
  let checkedAt = -1;
  const check = async (): Promise<void> => {
    const losses = connection.losses();
    if (checkedAt === losses) return;
    const found = await connection.command('get', keys.layout);
    if (typeof found !== 'string') return;
    const why = otherFormat(keys, found);
    if (why !== undefined) throw new Fault('StoreUnavailable', why);
    checkedAt = losses;
  };
  return {
    ...connection,
    script: async (...script) => {
      await check();
      return connection.script(...script);
    },
    command: async (...command) => {
      await check();
      return connection.command(...command);
    },
  };
}
