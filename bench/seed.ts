import { randomUUID } from 'node:crypto';
import { unknownCall } from '../src/core/call/state.ts';
import type * as transitionModule from '../src/core/call/transition.ts';
import type * as redisModule from '../src/redis.ts';
import { bot, built, callKey, noLog } from './built.ts';

/** Makes calls that are being recorded, by the store's own commits: those with a number in `[from, to)`. */
const [url = '', from = '0', to = '0'] = process.argv.slice(3);
const parallel = 100;

const { redisStore } = await built<typeof redisModule>('redis.js');
const { transition } = await built<typeof transitionModule>('core/call/transition.js');
const store = redisStore(url, { durability: 'ignore', commandTimeoutMs: 30_000, log: noLog });
await store.ready();

async function record(n: number): Promise<void> {
  const call = callKey(n);
  const token = randomUUID();
  const { version, life, now, clock, watched } = await store.calls.read(call);
  const occasion = {
    ...{ call, now, clock, watched, wireMs: 1000, remainingMs: () => 0 },
    ...{ instance: 'seed', policy: null, by: bot, enforced: true, detail: {} },
  };
  const asked = transition(unknownCall, { type: 'startRequested', hold: { token, forMs: 1000 } }, occasion);
  if (!asked.ok) throw new Error(asked.reason);
  const { epoch } = asked.value.state;
  const open = transition(
    asked.value.state,
    { type: 'startConfirmed', token, epoch, binding: bot },
    occasion,
  );
  if (!open.ok) throw new Error(open.reason);
  const { state, record } = open.value;
  const operation = randomUUID();
  const commit = {
    ...{ call, version, life, state, record },
    ...{ dropTallies: false, retentionMs: undefined, operation },
  };
  if (!(await store.calls.commit(commit))) throw new Error(`call ${n} was there already`);
}

let next = Number(from);
await Promise.all(
  Array.from({ length: parallel }, async () => {
    while (next < Number(to)) await record(next++);
  }),
);
await store.close();
process.send?.({ made: Number(to) - Number(from) });
