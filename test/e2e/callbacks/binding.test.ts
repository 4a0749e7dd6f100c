import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sandboxApp, sandboxTenant } from '../../../src/sandbox/token-mint.ts';
import { batch, callIs, startNotifiedWorld, type NotifiedWorld } from '../../support/notified-bot.ts';
import { json, send, type Answer } from '../../support/raw-http.ts';

const otherApp = '88888888-8888-4888-8888-888888888888';

let world: NotifiedWorld;
beforeAll(async () => {
  world = await startNotifiedWorld();
});
beforeEach(() => {
  world.endpoint.answer = (res) => res.writeHead(202).end();
});
afterAll(async () => {
  expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
  await world.close();
});

type Ask = (call: string) => Promise<Answer>;

const asking = (method: string, action: string, app: string, body?: object): Ask => {
  return async (call) =>
    send(world.proxy.url, {
      method,
      path: `/v1.0/communications/calls/${call}${action}`,
      token: await world.mint.mint({ azp: app }),
      ...(body === undefined ? {} : json(body)),
    });
};

const requests: [string, string, string, object?][] = [
  ['answer', 'POST', '/answer', { callbackUri: 'https://bot.example/x' }],
  ['keepAlive', 'POST', '/keepAlive'],
  ['updateRecordingStatus', 'POST', '/updateRecordingStatus', { status: 'recording' }],
  ['the call', 'GET', ''],
  ['its participants', 'GET', '/participants'],
];

const sentToGraph = (call: string): unknown[] => world.graph.log.filter((entry) => entry.call === call);

/** An answer without what is never the same twice. */
const comparable = ({ status, headers, body }: Answer): object => {
  const ids = ['date', 'request-id', 'client-request-id', 'content-length'];
  const lasting = Object.entries(headers).filter(([name]) => !ids.includes(name));
  const guid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
  const text = body.replace(guid, '<id>').replace(/\d{4}-\d\d-\d\dT[\d:]{8}/g, '<date>');
  return { status, headers: Object.fromEntries(lasting), body: text };
};

describe('once Graph has notified one bot of a call', () => {
  test.each(requests)(
    'another application that asks for %s is told that there is none',
    async (_, ...ask) => {
      const [method, action, body] = ask;
      const call = world.graph.incomingCall();
      await world.notify(batch(callIs(call, 'incoming')));
      const stranger = await asking(method, action, otherApp, body)(call);
      expect([stranger.status, stranger.headers['tallylight-reason']]).toEqual([404, 'CallNotFound']);
      expect(sentToGraph(call)).toEqual([]);
      const own = await asking(method, action, sandboxApp, body)(call);
      expect([200, 202]).toContain(own.status);
    },
  );

  test.each(requests)(
    '%s is answered to it as for a call that another bot is known to have',
    async (_, ...ask) => {
      const [method, action, body] = ask;
      const invited = world.graph.incomingCall();
      await world.notify(batch(callIs(invited, 'incoming')));
      const known = await world.recordingCall();
      const answers = await Promise.all([invited, known].map(asking(method, action, otherApp, body)));
      expect(comparable(answers[0]!)).toEqual(comparable(answers[1]!));
    },
  );

  test.each(requests.slice(0, 3))(
    '%s is answered to it as for a call that does not exist',
    async (_, ...ask) => {
      const [method, action, body] = ask;
      const call = world.graph.incomingCall();
      await world.notify(batch(callIs(call, 'incoming')));
      const [stranger, unknown] = await Promise.all(
        [call, randomUUID()].map(asking(method, action, otherApp, body)),
      );
      expect(comparable(stranger!)).toEqual(comparable(unknown!));
    },
  );

  test('also the same application in another tenant is told that there is none', async () => {
    const call = world.graph.incomingCall();
    await world.notify(batch(callIs(call, 'incoming')));
    const answer = await send(world.proxy.url, {
      method: 'POST',
      path: `/v1.0/communications/calls/${call}/keepAlive`,
      token: await world.mint.mint({ tid: randomUUID() }),
    });
    expect(answer.headers['tallylight-reason']).toBe('CallNotFound');
  });

  test('the binding is in the evidence, before anything that was asked for', async () => {
    const call = world.graph.incomingCall();
    await world.notify(batch(callIs(call, 'incoming')));
    await asking('POST', '/keepAlive', sandboxApp)(call);
    const [first] = await world.evidence(call, 'bound');
    expect(first).toMatchObject({ seq: 1, by: { tenant: sandboxTenant, app: sandboxApp } });
  });
});

describe('a request that the bot sends before it has answered the notification', () => {
  const invite = (call: string, more: object = {}): object =>
    batch(
      // Whatever comes first in the batch.
      ...Array.from({ length: 20 }, () => callIs(randomUUID(), 'established')),
      callIs(call, 'incoming', more),
    );

  test('finds the call bound: it passes, and another application’s does not', async () => {
    const call = world.graph.incomingCall();
    const answers: Answer[] = [];
    world.endpoint.answer = async (res) => {
      answers.push(await asking('POST', '/answer', otherApp, { callbackUri: 'https://x.example/' })(call));
      answers.push(await asking('POST', '/answer', sandboxApp, { callbackUri: 'https://x.example/' })(call));
      res.writeHead(202).end();
    };
    await world.notify(invite(call));
    expect(answers.map(({ status }) => status)).toEqual([404, 202]);
    expect(sentToGraph(call)).toHaveLength(1);
  });

  test.each([
    ['stands behind many others in its batch', 500, ''],
    ['comes in a large body', 0, 'x'.repeat(70_000)],
  ])('finds the call bound even if the notification %s', async (_, before, subject) => {
    const call = world.graph.incomingCall();
    let stranger: Answer | undefined;
    world.endpoint.answer = async (res) => {
      stranger = await asking('POST', '/keepAlive', otherApp)(call);
      res.writeHead(202).end();
    };
    const others = Array.from({ length: before }, () => ({
      changeType: 'updated',
      resourceUrl: `app/calls/${randomUUID()}`,
    }));
    await world.learnt('call', 'learned', before + 1, () =>
      world.notify(batch(...others, callIs(call, 'incoming', { subject }))),
    );
    expect(stranger?.headers['tallylight-reason']).toBe('CallNotFound');
    expect(sentToGraph(call)).toEqual([]);
  });
});

describe('a call that a request has bound before any notification', () => {
  test('stays bound to whom Graph accepted first, and is told of all the same', async () => {
    const { call, ...bot } = await boundCall();
    await world.learnt('call', 'learned', 1, () => world.notify(batch(callIs(call, 'established'))));
    await world.evidence(call, 'notified');
    const events = (await world.evidence(call)).map(({ event }) => event);
    expect(events).toEqual(['bound', 'notified']);
    expect((await bot.own(call)).status).toBe(200);
    expect((await bot.stranger(call)).headers['tallylight-reason']).toBe('CallNotFound');
  });

  async function boundCall(): Promise<{ call: string; own: Ask; stranger: Ask }> {
    const call = world.graph.incomingCall({ answered: true });
    const own = asking('POST', '/keepAlive', sandboxApp);
    expect((await own(call)).status).toBe(200);
    return { call, own, stranger: asking('POST', '/keepAlive', otherApp) };
  }
});
