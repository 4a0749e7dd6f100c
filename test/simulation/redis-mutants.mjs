/** As in mutants.mjs: the Redis store with one of its own protections taken out. */
export const redisMutants = {
  life: {
    lacks: 'A session becomes a holder only of what was opened in this life of the store.',
    patches: [
      {
        file: 'store/redis/lua.generated.ts',
        find: 'if stored[4] ~= known.life then return false end',
        replace: '',
      },
    ],
  },
  born: {
    lacks: 'A server that may have forgotten the last moments begins a new life.',
    patches: [
      {
        file: 'store/redis/lua.generated.ts',
        find: "local whole = shard.kept == '1' and promoted == unpromoted",
        replace: 'local whole = shard.life',
      },
    ],
  },
  settled: {
    lacks: 'In a new life status changes wait anew.',
    patches: [{ file: 'store/redis/lua.generated.ts', find: 'shard.settled = false', replace: '' }],
  },
  full: {
    lacks: 'A full store extends no session.',
    patches: [
      {
        file: 'store/redis/lua.generated.ts',
        find: 'heartbeat: `#!lua\n',
        replace: 'heartbeat: `#!lua flags=allow-oom\n',
      },
    ],
  },
  stop: {
    lacks: 'A full store takes every stop.',
    patches: [
      {
        file: 'store/redis/lua.generated.ts',
        find: 'commitClosing: `#!lua flags=allow-oom\n',
        replace: 'commitClosing: `#!lua\n',
      },
    ],
  },
  half: {
    lacks: 'A script asks whether it may run its commands before it writes anything.',
    patches: [
      {
        file: 'store/redis/lua.generated.ts',
        find: 'if not redis.acl_check_cmd(need[n], key) then',
        replace: 'if false then',
      },
    ],
  },
  clock: {
    lacks: 'Protocol time goes back neither by a step nor by a failover.',
    patches: [
      {
        file: 'store/redis/lua.generated.ts',
        find: 'shard.time = math.max(clock + (tonumber(offset) or 0), tonumber(shard.time) or 0, tonumber(seen))',
        replace: 'shard.time = clock',
      },
    ],
  },
  ours: {
    lacks: 'A session is lost with the connection, or with the server, it was joined on.',
    patches: [
      {
        file: 'store/redis/lua.generated.ts',
        find: 'if not ours(known[1], known[2]) then return false end',
        replace: "if redis.call('EXISTS', session) == 0 then return false end",
      },
      {
        file: 'store/redis/session-store.ts',
        find: '(sessions.get(session)?.losses ?? connection.losses()) !== connection.losses();',
        replace: 'false;',
      },
    ],
  },
};
