import { expect, test } from '@jest/globals';
import type { Store } from '../../src/core/ports/store.ts';
import { breakable } from '../../src/sandbox/breakable-store.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { json, send } from '../support/raw-http.ts';
import { startWorld } from '../support/world.ts';

test('a stop whose proof finds no such call closes the gate of that call', async () => {
  const world = await startWorld({ settings: { controlAuth: 'graph' } });
  const call = world.graph.incomingCall({ answered: true });
  const path = `/v1.0/communications/calls/${call}/updateRecordingStatus`;
  const report = async (status: string): ReturnType<typeof send> =>
    send(world.proxy.url, {
      method: 'POST',
      path,
      token: await world.mint.mintGraphToken(),
      ...json({ status }),
    });
  const upload = async (): Promise<number> => {
    const token = await world.mint.mint();
    const headers = { 'content-length': 3 };
    return (
      await send(world.proxy.url, { method: 'POST', path: `/media/${call}/x`, token, headers, body: 'abc' })
    ).status;
  };
  expect((await report('recording')).headers['tallylight-gate']).toBe('open');
  expect(await upload()).toBe(201);
  world.graph.endCall(call);
  // A renewed token is not proven yet, so Graph is asked about the call first.
  expect((await report('notRecording')).status).toBe(404);
  expect(await upload()).toBe(403);
  await world.close();
});

test('a read by a stranger is not let through because the store cannot say whose the call is', async () => {
  const inner = memoryStore({ livedMs: Infinity });
  const first = await startWorld({ openStore: () => ({ ...inner, close: () => Promise.resolve() }) });
  const store = breakable(inner);
  const { mint, sink } = first;
  // Another instance on the same store, which has seen nothing of the call.
  const second = await startWorld({
    openStore: () => store,
    settings: {
      issuers: [{ issuer: mint.issuer, audience: mint.audience, jwksUri: mint.jwksUri }],
      mediaRoutes: [{ path: '/media/{callId}/*', upstream: sink.url, methods: ['POST'], reads: 'pass' }],
    },
  });
  const bot = await first.bot();
  await bot.report('recording');
  await bot.upload('a', 3);
  const stranger = await mint.mint({ azp: '99999999-9999-4999-8999-999999999999' });
  const read = (): ReturnType<typeof send> =>
    send(second.proxy.url, { path: `/media/${bot.call}/a`, token: stranger });
  store.break();
  expect((await read()).headers['tallylight-reason']).toBe('StoreUnavailable');
  store.mend();
  expect((await read()).headers['tallylight-reason']).toBe('CallNotFound');
  await second.close();
  await first.close();
});

test('an operation is read, without what could fetch a recording, while the store hangs', async () => {
  const inner = memoryStore({ livedMs: Infinity });
  let hangs = false;
  const hanging = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown =>
          hangs ? new Promise(() => undefined) : (Reflect.apply(member, target, args) as unknown);
      },
    });
  const store: Store = { ...inner, calls: hanging(inner.calls) };
  const world = await startWorld({ openStore: () => store });
  const call = world.graph.incomingCall({ answered: true });
  const token = await world.mint.mint();
  hangs = true;
  const answer = await send(world.proxy.url, {
    path: `/v1.0/communications/calls/${call}/operations/none`,
    token,
  });
  expect(answer.status).toBe(404);
  expect(answer.headers['tallylight-reason']).toBeUndefined();
  hangs = false;
  await world.close();
});
