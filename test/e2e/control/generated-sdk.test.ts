import {
  AllowedHostsValidator,
  BaseBearerTokenAuthenticationProvider,
  HttpMethod,
  RequestInformation,
} from '@microsoft/kiota-abstractions';
import { GraphRequestAdapter } from '@microsoft/msgraph-sdk';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.close();
});

/** Microsoft's generated SDK as a bot sets it up: another base URL, and whose hosts may see the token. */
async function report(call: string, allowedHosts: readonly string[], status: string): Promise<unknown> {
  const token = await world.mint.mint();
  const validator = new AllowedHostsValidator(new Set(allowedHosts));
  const adapter = new GraphRequestAdapter(
    new BaseBearerTokenAuthenticationProvider({
      getAuthorizationToken: (url) => Promise.resolve(validator.isUrlHostValid(url ?? '') ? token : ''),
      getAllowedHostsValidator: () => validator,
    }),
  );
  adapter.baseUrl = `${world.proxy.url}/v1.0`;
  // The request builder of the action, as the generator writes it: the long spelling, and its URL template.
  const request = new RequestInformation(
    HttpMethod.POST,
    '{+baseurl}/communications/calls/{call%2Did}/microsoft.graph.updateRecordingStatus',
    { baseurl: adapter.baseUrl, 'call%2Did': call },
  );
  request.headers.tryAdd('Accept', 'application/json');
  const body = new TextEncoder().encode(JSON.stringify({ status, clientContext: 'sdk' }));
  request.setStreamContent(body.buffer, 'application/json');
  const answer = await adapter.sendPrimitive<ArrayBuffer>(request, 'ArrayBuffer', undefined);
  return JSON.parse(new TextDecoder().decode(answer)) as unknown;
}

test('the generated SDK reports through the proxy once its host is among the allowed ones', async () => {
  const bot = await world.bot();
  const { hostname } = new URL(world.proxy.url);
  expect(await report(bot.call, [hostname], 'recording')).toMatchObject({
    status: 'completed',
    clientContext: 'sdk',
  });
  expect((await bot.upload('x', 640)).status).toBe(201);
  expect(await report(bot.call, [hostname], 'notRecording')).toMatchObject({ status: 'completed' });
  await eventually(async () => (await bot.upload('x', 640)).status === 403);
});

test('the generated SDK sends no token to a host that is not among the allowed ones', async () => {
  const bot = await world.bot();
  await expect(report(bot.call, ['graph.microsoft.com'], 'recording')).rejects.toMatchObject({
    responseStatusCode: 401,
  });
  expect((await bot.upload('x', 640)).status).toBe(403);
});
