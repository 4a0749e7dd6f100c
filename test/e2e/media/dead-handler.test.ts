import { expect, test } from '@jest/globals';
import { parseCallKey } from '../../../src/core/call/key.ts';
import { unknownCall } from '../../../src/core/call/state.ts';
import { transition } from '../../../src/core/call/transition.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld } from '../../support/world.ts';

test('a stop whose handler died right after storing it closes the gate without another request', async () => {
  const store = memoryStore({ livedMs: Infinity });
  const world = await startWorld({ openStore: () => store, settings: { sessionTtlMs: 1000 } });
  const bot = await world.bot();
  await bot.report('recording');
  expect((await bot.upload('before', 640)).status).toBe(201);

  // What the handler of another instance did last.
  const call = parseCallKey(bot.call)!;
  const view = await store.calls.read(call);
  const step = transition(
    view.state ?? unknownCall,
    { type: 'stopRequested', hold: { token: 'dead', forMs: 1000 } },
    {
      ...{
        call,
        now: view.now,
        clock: view.clock,
        watched: view.watched,
        wireMs: 1000,
        remainingMs: () => 0,
      },
      ...{ instance: 'dead', policy: null, by: null, enforced: true, detail: {} },
    },
  );
  if (!step.ok) throw new Error(step.reason);
  const { state, record } = step.value;
  const commit = {
    call,
    version: view.version,
    life: view.life,
    state,
    record,
    dropTallies: false,
    retentionMs: undefined,
    operation: 'dead',
  };
  expect(await store.calls.commit(commit)).toBe(true);

  await eventually(async () => (await bot.upload('after', 640)).status === 403);
  expect((await bot.report('notRecording')).status).toBe(200);
  expect((await world.closeAndVerify()).misfit).toBeNull();
  await world.close();
});
