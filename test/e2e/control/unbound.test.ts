import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { Bot } from '../../../src/sandbox/bot/bot.ts';
import { sandboxApp, sandboxSecret } from '../../../src/sandbox/token-mint.ts';
import { recordsIn } from '../../support/notified-bot.ts';
import { startWorld } from '../../support/world.ts';

test('an application without a Graph credential moves nothing, not even a call that nobody is bound to', async () => {
  const world = await startWorld({
    settings: ({ mint: { tokenEndpoint } }) => ({
      graphCredentials: [
        { tokenEndpoint, clientId: sandboxApp, clientSecret: sandboxSecret, apps: [sandboxApp] },
      ],
    }),
  });
  try {
    const bot = await world.bot();
    const stranger = new Bot(world.proxy.url, await world.mint.mint({ azp: randomUUID() }), bot.call);
    for (const answer of [
      await stranger.report('notRecording'),
      await stranger.report('recording'),

      await stranger.hangUp(),
      await stranger.post('keepAlive'),
    ])
      expect(answer.headers['tallylight-reason']).toBe('GraphCredentialMissing');
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
    expect(await world.closeAndVerify()).toMatchObject({ misfit: null });
    expect((await recordsIn(world.directory)).map(({ event }) => event).slice(0, 2)).toEqual([
      'startRequested',
      'startConfirmed',
    ]);
  } finally {
    await world.close();
  }
});
