import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { createGraphCredentials } from '../../../src/auth/graph-credential.ts';
import { createVerifier } from '../../../src/auth/verify.ts';
import { app, audience, startIssuer, tenant, type TestIssuer } from '../../support/issuer.ts';

const secret = 'a-secret~that.nobody_may-see';
const who = { tenant, app };

let issuer: TestIssuer;
let time: number;
let reports: [name: string, ok: boolean][];
beforeEach(async () => {
  time = Date.now();
  reports = [];
  issuer = await startIssuer({ clients: [{ id: 'with-secret', secret }] });
});
afterEach(() => issuer.stop());

const report = (name: string, ok: boolean): void => void reports.push([name, ok]);
const outcomes = (): boolean[] => reports.map(([, ok]) => ok);

test('each request for signing keys is reported, by the key set that it was for', async () => {
  const configured = [
    { issuer: issuer.issuer, audience, jwksUri: issuer.jwksUri },
    { issuer: 'https://elsewhere.example', audience, jwksUri: 'http://127.0.0.1:1/keys' },
  ];
  const options = { fetch, now: () => time, meter: { keySetFetch: report } };
  const verifier = createVerifier(configured, options);
  try {
    expect((await verifier.verify(await issuer.mint())).ok).toBe(true);
    expect(outcomes()).toEqual([true]);
    // Known keys are not asked for again.
    expect((await verifier.verify(await issuer.mint({ another: 1 }))).ok).toBe(true);
    expect(outcomes()).toEqual([true]);
    const foreign = await issuer.mint({ iss: 'https://elsewhere.example' });
    expect(await verifier.verify(foreign)).toRefuse('CannotVerify');
    expect(outcomes()).toEqual([true, false]);
    expect(new Set(reports.map(([name]) => name)).size).toBe(2);
  } finally {
    verifier.close();
  }
});

test('each request for a Graph token is reported, and a token that is still good is none', async () => {
  const credentials = createGraphCredentials(
    [
      { tokenEndpoint: issuer.token.url, clientId: 'with-secret', clientSecret: secret, apps: [app] },
      { tokenEndpoint: issuer.token.url, clientId: 'with-secret', clientSecret: 'wrong' },
    ],
    { fetch, now: () => time, meter: { graphCredentialRequest: report } },
  );
  try {
    expect((await credentials.tokenFor(who)).ok).toBe(true);
    expect((await credentials.tokenFor(who)).ok).toBe(true);
    expect(outcomes()).toEqual([true]);
    const other = { ...who, app: '99999999-9999-4999-8999-999999999999' };
    expect((await credentials.tokenFor(other)).ok).toBe(false);
    expect(outcomes()).toEqual([true, false]);
    // A failed one is not repeated at once.
    expect((await credentials.tokenFor(other)).ok).toBe(false);
    expect(outcomes()).toEqual([true, false]);
    expect(JSON.stringify(reports)).not.toContain(secret);
  } finally {
    credentials.close();
  }
});
