import type { Redis } from 'ioredis';
import { isRecord } from '../../core/json.ts';
import { asList, asText } from './decode.ts';
import { lua } from './lua.generated.ts';
import { unsuitable } from './suitable.ts';

/** Commands that are sent as they are, beside those in scripts; `HSETNX` has its name from an argument there. */
const plainCommands = [
  ...['DEL', 'EVAL', 'EVALSHA', 'HGETALL', 'HSETNX', 'INFO', 'PING', 'SET', 'WAIT'],
  ...['XDEL', 'XLEN', 'XRANGE', 'XREAD'],
];
/** Without them instances are woken by polling. */
const wakeCommands = ['PUBLISH', 'SUBSCRIBE', 'UNSUBSCRIBE'];

const inScripts = Object.values(lua).flatMap((text) =>
  [...text.matchAll(/\bredis\.p?call\(\s*'([A-Z]+)'/g)].map(([, name = '']) => name),
);

/** Every command that the store cannot do without. */
export const neededCommands: readonly string[] = [
  ...new Set([...plainCommands, ...inScripts.filter((name) => !wakeCommands.includes(name))]),
].toSorted();

/** The rights that a Redis user needs, as an operator would grant them. */
export const aclLine = (prefix: string): string => {
  const commands = [...neededCommands, ...wakeCommands].toSorted();
  const rights = commands.map((name) => `+${name.toLowerCase()}`).join(' ');
  return `ACL SETUSER <user> ~${prefix}:* &${prefix}:* ${rights}`;
};

/** The arguments by which Redis judges whether the keys of a command are allowed. */
function withArguments(command: string, key: string, channel: string): readonly string[] {
  switch (command) {
    case 'INFO':
    case 'PING':
    case 'TIME':
      return [command];
    case 'WAIT':
      return [command, '1', '1'];
    case 'EVAL':
    case 'EVALSHA':
      return [command, '', '1', key];
    case 'XREAD':
      return [command, 'STREAMS', key, '0'];
    case 'PUBLISH':
      return [command, channel, ''];
    case 'SUBSCRIBE':
      return [command, channel];
    default:
      return [command, key];
  }
}

/** In Redis 7.0 a script can ask what its user may do; a server that does not is not asked. */
const missingRights = `
local missing = {}
if not redis.acl_check_cmd then return missing end
for _, words in ipairs(cjson.decode(ARGV[1])) do
  if not redis.acl_check_cmd(unpack(words)) then table.insert(missing, words[1]) end
end
return missing`;

/**
 * Throws `StoreUnsuitable` if the Redis user may not run what the store cannot do without: it would fail in the middle
 * of a call. Returns what it may not do and is only worse without, a sentence each.
 */
export async function assertPermitted(server: Redis, prefix: string): Promise<readonly string[]> {
  const [key, channel] = [`${prefix}:{0}:call`, `${prefix}:evidence`];
  const words = [...neededCommands, 'PUBLISH', 'SUBSCRIBE'].map((name) => withArguments(name, key, channel));
  const missing = await rightsMissing(server, words);
  const needed = missing.filter((name) => !wakeCommands.includes(name));
  const withKeys = words.filter((each) => each.includes(key)).map(([name = '']) => name);
  if (needed.length > 0) {
    const what = withKeys.every((name) => missing.includes(name))
      ? `use the keys ${prefix}:*`
      : `run ${needed.join(', ')}`;
    throw unsuitable(`its user may not ${what}; grant the required permissions: ${aclLine(prefix)}`);
  }
  return missing.length === 0
    ? []
    : [
        `the Redis user may not use the channels ${prefix}:*. Instances learn of a stop only with their next heartbeat, so stops take longer. Grant the channels: ACL SETUSER <user> &${prefix}:* +publish +subscribe +unsubscribe`,
      ];
}

async function rightsMissing(server: Redis, words: readonly (readonly string[])[]): Promise<string[]> {
  try {
    const reply = await server.call('eval', missingRights, '0', JSON.stringify(words));
    return asList(reply, 'rights').map((name) => asText(name, 'rights'));
  } catch (error) {
    if (isRecord(error) && String(error.message).startsWith('NOPERM')) return ['EVAL'];
    throw error;
  }
}
