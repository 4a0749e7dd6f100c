import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CallRow } from '../../../src/console/row.ts';
import { sandboxApp, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { askConsole, callsOf, listenToConsole, localConsole } from '../../support/console.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
let url: string;
beforeAll(async () => {
  world = await startWorld({ settings: { console: localConsole } });
  url = world.proxy.consoleUrl ?? '';
});
afterAll(() => world.close());

const rowOf = async (call: string): Promise<CallRow | undefined> =>
  (await callsOf(url)).find(({ id }) => id === call);

const recording = (call: string): Promise<CallRow> =>
  eventually(async () => {
    const row = await rowOf(call);
    return row?.state === 'recording' ? row : undefined;
  });

test('a call is shown from its first record to its end, with what the evidence says of it', async () => {
  const bot = await world.bot();
  expect((await bot.upload('early', 100)).status).toBe(403);
  await bot.report('recording');
  const open = await recording(bot.call);
  expect(open).toMatchObject({
    ...{ tenant: sandboxTenant, app: sandboxApp, policy: 'default', endedAt: null, endCause: null },
    ...{ notRecordedBecause: null, held: false, enforced: true, roster: 'unknown', attention: [] },
  });
  expect(open.openedAt).toBe(open.since);
  await bot.upload('first', 1000);
  await bot.report('notRecording');
  const closed = await eventually(async () => {
    const row = await rowOf(bot.call);
    return row?.state === 'idle' ? row : undefined;
  });
  expect(closed).toMatchObject({
    writes: 1,
    bytes: 1000,
    notRecordedBecause: 'The bot ended the recording.',
  });
  await bot.hangUp();
  const over = await eventually(async () => {
    const row = await rowOf(bot.call);
    return row?.state === 'ended' ? row : undefined;
  });
  expect(over).toMatchObject({ endCause: 'hangUp', notRecordedBecause: null });
});

test('events begin with every call, and go on with what changes', async () => {
  const bot = await world.bot();
  await bot.report('recording');
  await recording(bot.call);
  const stream = await listenToConsole(url);
  const first = await eventually(() => stream.events[0]);
  expect(first).toMatchObject({ event: 'snapshot' });
  const { calls } = first.data as { readonly calls: readonly CallRow[] };
  expect(calls.find(({ id }) => id === bot.call)).toMatchObject({ state: 'recording' });
  await bot.upload('first', 1000);
  await eventually(() =>
    stream.events.find(
      ({ event, data }) =>
        event === 'activity' &&
        (data as { calls: readonly { id: string; bytesPerSecond: number }[] }).calls.some(
          ({ id, bytesPerSecond }) => id === bot.call && bytesPerSecond === 1000,
        ),
    ),
  );
  expect(await rowOf(bot.call)).toMatchObject({ writes: 1, bytes: 1000 });
  await bot.report('notRecording');
  await eventually(() =>
    stream.events.find(
      ({ event, data }) =>
        event === 'calls' &&
        (data as { changed: readonly CallRow[] }).changed.some(
          ({ id, state }) => id === bot.call && state === 'idle',
        ),
    ),
  );
  stream.close();
});

test('a call has its evidence, newest first, and what the store has of it', async () => {
  const bot = await world.bot();
  await bot.report('recording');
  await recording(bot.call);
  await bot.upload('first', 10);
  const { status, body } = await askConsole(url, `/api/calls/${bot.call}`);
  expect(status).toBe(200);
  const { evidence, holders, storeAnswered } = body as {
    readonly evidence: readonly { readonly event: string; readonly seq: number }[];
    readonly holders: readonly { readonly epoch: number }[];
    readonly storeAnswered: boolean;
  };
  expect(storeAnswered).toBe(true);
  expect(holders).toHaveLength(1);
  expect(evidence.map(({ seq }) => seq)).toEqual(evidence.map((_, index) => evidence.length - index));
  expect(evidence[0]).toMatchObject({ event: 'startConfirmed' });
});
