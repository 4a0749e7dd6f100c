import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { createGraphCredentials, type GraphCredentials } from '../../../src/auth/graph-credential.ts';
import { grant } from '../../../src/core/decision.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { type Platform, startPlatform } from '../../support/federation.ts';
import { app, startIssuer, tenant, type TestIssuer } from '../../support/issuer.ts';

const hour = 3_600_000;
const who = { tenant, app };

let platform: Platform;
let issuer: TestIssuer;
let time: number;
let logged: string[];

const note = (facts: unknown, text: string): void => void logged.push(`${text} ${JSON.stringify(facts)}`);
const log: Log = { debug: note, info: note, warn: note, error: note };

beforeEach(async () => {
  time = Date.now();
  logged = [];
  platform = await startPlatform();
  issuer = await startIssuer({ clients: [{ id: 'federated', refusal: platform.refusal }] });
});

afterEach(async () => {
  await issuer.stop();
  await platform.stop();
});

const credentials = (): GraphCredentials =>
  createGraphCredentials(
    [{ tokenEndpoint: issuer.token.url, clientId: 'federated', federatedTokenFile: platform.file }],
    { fetch, now: () => time, log },
  );

test('a client proves itself by the token in the file, and by nothing else', async () => {
  const token = await platform.project();
  expect(await credentials().tokenFor(who)).toEqual(grant('graph-token-1'));
  expect(Object.fromEntries(issuer.token.requests[0]!)).toEqual({
    grant_type: 'client_credentials',
    client_id: 'federated',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: token,
    scope: 'https://graph.microsoft.com/.default',
  });
});

test('the file is read for each request, so that a rotated token is the one that is sent', async () => {
  const used = credentials();
  const first = await platform.project();
  expect(await used.tokenFor(who)).toEqual(grant('graph-token-1'));
  const second = await platform.project();
  time += hour;
  expect(await used.tokenFor(who)).toEqual(grant('graph-token-2'));
  expect(issuer.token.requests.map((form) => form.get('client_assertion'))).toEqual([first, second]);
});

test('a line break at the end of the file is no part of the token', async () => {
  const token = await platform.project();
  await platform.write(`${token}\n`);
  expect(await credentials().tokenFor(who)).toEqual(grant('graph-token-1'));
});

test.each([
  ['has expired', { exp: 1_600_000_000 }, 'AADSTS700024'],
  ['is for something else', { aud: 'api://other' }, 'AADSTS700213'],
])('a token that %s is refused, and works again once the file has a good one', async (_, claims, code) => {
  const used = credentials();
  const token = await platform.project(claims);
  const refused = await used.tokenFor(who);
  expect(refused).toMatchObject({
    detail: `the token endpoint answered 401 (invalid_client ${code})`,
  });
  expect(JSON.stringify([refused, logged])).not.toContain(token);
  await platform.project();
  time += 1000;
  expect(await used.tokenFor(who)).toEqual(grant('graph-token-2'));
});

test.each<[string, (content: string) => Promise<void>, string]>([
  ['is not there', () => rm(platform.file, { force: true }), 'cannot be read (ENOENT)'],
  ['is empty', () => platform.write('\n'), 'is empty'],
  ['holds something else', (content) => platform.write(content), 'does not contain a signed JWT'],
])('a file that %s is named, and nothing in it', async (_, spoil, what) => {
  const content = 'password: correct horse battery staple';
  await spoil(content);
  const used = credentials();
  const refusal = await used.tokenFor(who);
  expect(refusal).toRefuse('GraphCredentialUnavailable');
  expect(refusal).toMatchObject({ detail: `the federated token file ${platform.file} ${what}` });
  expect(logged.join()).toContain(platform.file);
  expect(JSON.stringify([refusal, logged, used.missing()])).not.toContain('horse');
  expect(issuer.token.requests).toHaveLength(0);
  await platform.project();
  time += 1000;
  expect(await used.tokenFor(who)).toEqual(grant('graph-token-1'));
});
