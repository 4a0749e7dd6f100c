import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { startNotifiedWorld, type NotifiedWorld } from '../../support/notified-bot.ts';
import { send, type Answer } from '../../support/raw-http.ts';

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld();
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
});

const ask = async (call: string, method: string, path: string): Promise<Answer> =>
  send(world.proxy.url, {
    method,
    path: `/v1.0/communications/calls/${call}${path}`,
    token: await world.mint.mint(),
  });
const actionsOf = (call: string): (string | null)[] =>
  world.graph.log.filter((entry) => entry.call === call).map(({ action, asked }) => asked ?? action);
const causeOf = async (call: string): Promise<unknown> => {
  await world.evidence(call, 'ended');
  return (await world.evidence(call, 'stopRequested')).at(-1)?.detail.cause;
};
const endedBy = (reason: string): Promise<number> =>
  world.metric('tallylight_calls_ended_total', `reason="${reason}"`);

describe('a keepAlive to which Graph answers 404', () => {
  test('passes that answer on, and ends the call for this reason', async () => {
    const call = await world.recordingCall();
    const before = await endedBy('keepAliveNotFound');
    world.graph.endCall(call);
    const answer = await ask(call, 'POST', '/keepAlive');
    expect([answer.status, answer.headers['tallylight-reason']]).toEqual([404, undefined]);
    expect(await causeOf(call)).toBe('keepAliveNotFound');
    expect(await endedBy('keepAliveNotFound')).toBe(before + 1);
    expect(await world.isOpen(call)).toBe(false);
  });
});

describe.each(['open', 'closed'])('an operation that Graph does not know, while the gate is %s', (gate) => {
  const callOf = async (): Promise<string> => {
    const call = await world.recordingCall();
    if (gate === 'open') return call;
    const stop = await send(world.proxy.url, {
      method: 'POST',
      path: `/v1.0/communications/calls/${call}/updateRecordingStatus`,
      token: await world.mint.mint(),
      headers: { 'content-type': 'application/json' },
      body: '{"status":"notRecording"}',
    });
    expect(stop.status).toBe(200);
    return call;
  };
  const before = gate === 'open' ? ['recording'] : ['recording', 'notRecording'];

  test('ends a call that Graph, asked for it, does not know either', async () => {
    const call = await callOf();
    const count = await endedBy('operationNotFound');
    world.graph.endCall(call);
    const answer = await ask(call, 'GET', `/operations/${randomUUID()}`);
    expect([answer.status, answer.headers['tallylight-reason']]).toEqual([404, undefined]);
    expect(await causeOf(call)).toBe('operationNotFound');
    expect(await endedBy('operationNotFound')).toBe(count + 1);
    expect(actionsOf(call)).toEqual([...before, 'getOperation', 'getCall']);
    expect(await world.isOpen(call)).toBe(false);
  });

  test('changes nothing for a call that is there', async () => {
    const call = await callOf();
    expect((await ask(call, 'GET', `/operations/${randomUUID()}`)).status).toBe(404);
    const asked = await eventually(() =>
      world.graph.log.find((entry) => entry.call === call && entry.action === 'getCall'),
    );
    await eventually(() => asked.answered === 200);
    expect((await ask(call, 'POST', '/keepAlive')).status).toBe(200);
    expect(await world.isOpen(call)).toBe(gate === 'open');
    const events = (await world.evidence(call)).map(({ event }) => event);
    expect(events).not.toContain('ended');
    expect(actionsOf(call)).toEqual([...before, 'getOperation', 'getCall', 'keepAlive']);
  });

  test('changes nothing while Graph cannot say whether the call is there', async () => {
    const call = await callOf();
    world.graph.script({ action: 'getCall', call, answer: 'serverError' });
    expect((await ask(call, 'GET', `/operations/${randomUUID()}`)).status).toBe(404);
    await eventually(() => actionsOf(call).includes('getCall'));
    expect((await ask(call, 'POST', '/keepAlive')).status).toBe(200);
    expect((await world.evidence(call)).map(({ event }) => event)).not.toContain('ended');
  });
});

test('a stranger who asks for an operation ends nothing', async () => {
  const call = await world.recordingCall();
  const answer = await send(world.proxy.url, {
    path: `/v1.0/communications/calls/${call}/operations/${randomUUID()}`,
    token: await world.mint.mint({ azp: randomUUID() }),
  });
  expect(answer.headers['tallylight-reason']).toBe('CallNotFound');
  expect(actionsOf(call)).toEqual(['recording']);
  expect(await world.isOpen(call)).toBe(true);
});

test.each([
  ['as it was before', true],
  ['as the start itself has shown', false],
])(
  'a pending start whose operation and call are gone ends the call, which is the bot’s %s',
  async (_, known) => {
    const bot = await world.bot();
    if (known) expect((await bot.post('keepAlive')).status).toBe(200);
    world.graph.script({ action: 'updateRecordingStatus', call: bot.call, answer: { pending: {} } });
    const gone = { error: { status: 404, code: 'UnknownError' } };
    world.graph.script({ action: 'getOperation', call: bot.call, times: 100, answer: gone });
    world.graph.script({ action: 'getCall', call: bot.call, times: 100, answer: gone });
    await bot.report('recording');
    expect(await causeOf(bot.call)).toBe('operationNotFound');
    expect(actionsOf(bot.call).filter((action) => action === 'getCall')).toHaveLength(1);
    expect(await world.isOpen(bot.call)).toBe(false);
  },
);
