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
        replace: 'local whole = shard.life ~= false',
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
