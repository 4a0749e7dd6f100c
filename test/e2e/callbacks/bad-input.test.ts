import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { batch, callIs, startNotifiedWorld, type NotifiedWorld } from '../../support/notified-bot.ts';

const mebibyte = 1024 * 1024;

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

const notices = (kind: string, outcome: string): Promise<number> =>
  world.metric('tallylight_notices_total', `kind="${kind}"`, `outcome="${outcome}"`);

describe('a body that teaches nothing reaches the bot all the same', () => {
  test.each<[string, string | Buffer]>([
    ['is not JSON', '<event><kind>incoming</kind></event>'],
    ['is no text', Buffer.from([0xff, 0xfe, 0x00])],
    ['is empty', ''],
    ['has no value', '{"@odata.type":"#microsoft.graph.commsNotifications"}'],
    ['has a value that is no list', '{"value":{"0":{"changeType":"deleted"}}}'],
    ['has a value that is null', '{"value":null}'],
    ['is a list', '[]'],
    ['is a word', '"value"'],
    ['is nested without end', '['.repeat(60_000)],
    ['has depth', `{"value":${'['.repeat(20_000)}${']'.repeat(20_000)},"value":1}`],
  ])('when it %s, and is counted as unreadable', async (_, body) => {
    await world.learnt('ignored', 'unreadable', 1, async () => {
      expect((await world.notify(body)).status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)!.body).toEqual(Buffer.from(body));
  });

  test('when it is in the legacy format, to which the bot answers 204', async () => {
    world.endpoint.answer = (res) => res.writeHead(204).end();
    const legacy = { callLegId: randomUUID(), links: {}, conversationInvitation: {} };
    await world.learnt('ignored', 'unreadable', 1, async () => {
      expect((await world.notify(legacy)).status).toBe(204);
    });
  });

  test('when it is in another encoding', async () => {
    const body = Buffer.from(JSON.stringify(batch(callIs(randomUUID(), 'established'))), 'utf16le');
    await world.learnt('ignored', 'unreadable', 1, () =>
      world.notify(body, { headers: { 'content-type': 'application/json; charset=utf-16le' } }),
    );
  });

  test('one by one: what can be read beside it is learned', async () => {
    const call = randomUUID();
    const odd = [
      null,
      7,
      'x',
      [],
      {},
      { changeType: 'created' },
      { changeType: 'x', resource: `/app/calls/${call}` },
    ];
    const ignored = await notices('ignored', 'unreadable');
    await world.learnt('call', 'learned', 1, () =>
      world.notify(batch(...odd, callIs(call, 'established'), ...odd)),
    );
    expect(await notices('ignored', 'unreadable')).toBe(ignored + 2 * odd.length);
    expect((await world.evidence(call, 'notified'))[0]?.detail).toMatchObject({ state: 'established' });
  });

  test('of exactly 1 MiB, and is learned', async () => {
    const call = randomUUID();
    const text = JSON.stringify(batch(callIs(call, 'established')));
    const body = text.padEnd(mebibyte, ' ');
    await world.learnt('call', 'learned', 1, async () => {
      expect((await world.notify(body)).status).toBe(202);
    });
    expect(world.endpoint.received.at(-1)!.body.length).toBe(mebibyte);
    await world.evidence(call, 'notified');
  });
});

describe('10,000 notifications of as many calls in one batch', () => {
  test('reach the bot at once, and are all learned in the end', async () => {
    const calls = Array.from({ length: 10_000 }, () => randomUUID().replaceAll('-', ''));
    const body = batch(...calls.map((call) => ({ changeType: 'created', resourceUrl: `app/calls/${call}` })));
    const before = await notices('call', 'learned');
    let first = Infinity;
    world.endpoint.answer = async (res) => {
      first = (await notices('call', 'learned')) - before;
      res.writeHead(202).end();
    };
    await world.learnt('call', 'learned', 10_000, async () => {
      expect((await world.notify(body)).status).toBe(202);
    });
    // The bot had it before all of it was learned.
    expect(first).toBeLessThan(10_000);
    for (const call of [calls[0]!, calls[9999]!]) await world.evidence(call, 'notified');
  });
});
