import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { send, type Answer } from '../../support/raw-http.ts';
import { startHost, type Host } from './host.ts';

let host: Host;
let token: string;
let call: string;
beforeAll(async () => {
  host = await startHost({
    required: { token: 'Tallylight-Authorization' },
    handlers: [(req, res) => void res.status(201).json({ authorization: req.headers.authorization ?? null })],
  });
  token = await host.mint.mint();
  const bot = await host.bot();
  expect((await bot.report('recording')).status).toBe(200);
  call = bot.call;
});
afterAll(() => host.close());

const upload = (headers: Record<string, string>): Promise<Answer> =>
  send(host.url, {
    method: 'POST',
    path: `/media/${call}/x`,
    headers: { ...headers, 'content-length': '0' },
  });

test('the handler has Authorization for itself where the token is in a header of its own', async () => {
  const answer = await upload({
    'tallylight-authorization': `Bearer ${token}`,
    authorization: 'SharedKey a:b',
  });
  expect(answer).toMatchObject({ status: 201, body: '{"authorization":"SharedKey a:b"}' });
});

test.each<[string, () => Record<string, string>, string]>([
  ['in Authorization', () => ({ authorization: `Bearer ${token}` }), 'TokenMissing'],
  [
    'in both',
    () => ({ authorization: `Bearer ${token}`, 'tallylight-authorization': `Bearer ${token}` }),
    'TokenInvalid',
  ],
])('a token %s is refused', async (_, headers, reason) => {
  const answer = await upload(headers());
  expect([answer.status, answer.headers['tallylight-reason']]).toEqual([401, reason]);
});
