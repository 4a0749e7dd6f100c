import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { fetch } from 'undici';
import { createVerifier } from '../../../src/auth/verify.ts';
import type { Verifier } from '../../../src/core/ports/identity.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { eventually } from '../../support/eventually.ts';
import { audience, startIssuer, type TestIssuer } from '../../support/issuer.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const aWeek = { expiresIn: 7 * 24 * 3600 };
const accepted = { ok: true };

let time: number;
const now = (): number => time;
let issuer: TestIssuer;
let verifier: Verifier & { close(): void };
let logged: string[];

const note = (facts: unknown, text: string): void => void logged.push(`${text} ${JSON.stringify(facts)}`);
const log: Log = { debug: note, info: note, warn: note, error: note };

const start = (remember = 100): Verifier & { close(): void } =>
  createVerifier([{ issuer: issuer.issuer, audience, jwksUri: issuer.jwksUri }], {
    fetch,
    now,
    log,
    remember,
  });

beforeEach(async () => {
  time = Date.now();
  logged = [];
  issuer = await startIssuer({ now });
  verifier = start();
});

afterEach(async () => {
  verifier.close();
  await issuer.stop();
});

describe('many verifications at once', () => {
  test('of one token share their work', async () => {
    const token = await issuer.mint();
    const verifications = Array.from({ length: 100 }, () => verifier.verify(token));
    expect(new Set(verifications).size).toBe(1);
    expect(await verifications[0]).toMatchObject(accepted);
    expect(issuer.fetches).toBe(1);
  });

  test('of a hundred tokens fetch the keys once', async () => {
    const tokens = await Promise.all(Array.from({ length: 100 }, (_, index) => issuer.mint({ index })));
    const verified = await Promise.all(tokens.map((token) => verifier.verify(token)));
    expect(verified.every(({ ok }) => ok)).toBe(true);
    expect(issuer.fetches).toBe(1);
  });

  test('of a hundred unknown keys fetch the keys once more', async () => {
    await verifier.verify(await issuer.mint());
    time += 30 * second;
    const tokens = await Promise.all(
      Array.from({ length: 100 }, (_, index) => issuer.mint({}, { kid: `${index}` })),
    );
    for (const refusal of await Promise.all(tokens.map((token) => verifier.verify(token))))
      expect(refusal).toRefuse('TokenInvalid');
    expect(issuer.fetches).toBe(2);
  });
});

// When the keys are too old to be believed, only what is remembered can still be granted.
describe('a verified token is remembered', () => {
  const untilKeysAreOld = 24 * hour - minute;

  async function fetchKeysLongAgo(): Promise<void> {
    await verifier.verify(await issuer.mint());
    time += untilKeysAreOld;
  }

  test('for five minutes, and needs no key meanwhile', async () => {
    await fetchKeysLongAgo();
    const token = await issuer.mint();
    expect(await verifier.verify(token)).toMatchObject(accepted);
    await issuer.stop();
    time += 5 * minute - 1;
    expect(await verifier.verify(token)).toMatchObject(accepted);
    expect(await verifier.verify(await issuer.mint())).toRefuse('CannotVerify');
    time += 1;
    expect(await verifier.verify(token)).toRefuse('CannotVerify');
  });

  test('but not beyond its expiry', async () => {
    await fetchKeysLongAgo();
    const token = await issuer.mint({ exp: Math.floor(time / 1000) + 120 });
    expect(await verifier.verify(token)).toMatchObject(accepted);
    await issuer.stop();
    time += 118 * second;
    expect(await verifier.verify(token)).toMatchObject(accepted);
    time += 2 * second;
    expect(await verifier.verify(token)).toRefuse('CannotVerify');
  });

  test('until there are too many', async () => {
    verifier.close();
    verifier = start(1);
    await fetchKeysLongAgo();
    const [first, last] = [await issuer.mint({ index: 1 }), await issuer.mint({ index: 2 })];
    expect(await verifier.verify(first)).toMatchObject(accepted);
    expect(await verifier.verify(last)).toMatchObject(accepted);
    await issuer.stop();
    time += 2 * minute;
    expect(await verifier.verify(first)).toRefuse('CannotVerify');
    expect(await verifier.verify(last)).toMatchObject(accepted);
  });

  test('and a refused one is not', async () => {
    const token = await issuer.mint({ nbf: Math.floor(time / 1000) + 60 });
    expect(await verifier.verify(token)).toRefuse('TokenInvalid');
    time += minute;
    expect(await verifier.verify(token)).toMatchObject(accepted);
  });

  test('and refused as expired when its time is over', async () => {
    const token = await issuer.mint({}, { expiresIn: 60 });
    expect(await verifier.verify(token)).toMatchObject(accepted);
    time += 91 * second;
    expect(await verifier.verify(token)).toRefuse('TokenExpired');
  });
});

describe('when the keys of the issuer change', () => {
  test('a new key is found, but looked for at most every thirty seconds', async () => {
    await verifier.verify(await issuer.mint());
    await issuer.rotate();
    const token = await issuer.mint();
    time += 30 * second - 1;
    expect(await verifier.verify(token)).toRefuse('TokenInvalid');
    expect(issuer.fetches).toBe(1);
    time += 1;
    expect(await verifier.verify(token)).toMatchObject(accepted);
    expect(issuer.fetches).toBe(2);
  });

  test('what a withdrawn key has signed is accepted no more, although it was remembered', async () => {
    const old = await issuer.mint();
    expect(await verifier.verify(old)).toMatchObject(accepted);
    await issuer.rotate();
    time += 30 * second;
    expect(await verifier.verify(old)).toMatchObject(accepted);
    expect(await verifier.verify(await issuer.mint())).toMatchObject(accepted);
    expect(await verifier.verify(old)).toRefuse('TokenInvalid');
  });
});

describe('the keys are fetched again every ten minutes', () => {
  beforeEach(() => {
    verifier.close();
    jest.useFakeTimers({
      doNotFake: [
        'Date',
        'hrtime',
        'nextTick',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'clearImmediate',
        'setTimeout',
        'clearTimeout',
      ],
    });
    verifier = start();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  test('so that a withdrawn key goes without anybody asking', async () => {
    const token = await issuer.mint();
    expect(await verifier.verify(token)).toMatchObject(accepted);
    await issuer.rotate();
    jest.advanceTimersByTime(10 * minute - 1);
    expect(await verifier.verify(token)).toMatchObject(accepted);
    jest.advanceTimersByTime(1);
    await eventually(async () => !(await verifier.verify(token)).ok, { what: 'the refusal' });
    expect(issuer.fetches).toBe(2);
  });

  test('and a failure in the background harms nobody', async () => {
    await verifier.verify(await issuer.mint());
    issuer.keysAnswer = { status: 500, body: '' };
    jest.advanceTimersByTime(10 * minute);
    await eventually(() => logged.some((line) => line.includes('answered 500')));
    expect(await verifier.verify(await issuer.mint())).toMatchObject(accepted);
  });

  test('until the verifier is closed', () => {
    expect(jest.getTimerCount()).toBe(1);
    verifier.close();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('when the key server is down', () => {
  test('from the start, nothing can be verified, and it is asked again after five seconds', async () => {
    issuer.keysAnswer = { status: 503, body: '' };
    const token = await issuer.mint();
    const refusal = await verifier.verify(token);
    expect(refusal).toRefuse('CannotVerify');
    expect(refusal).toMatchObject({ retryAfterMs: 5000 });
    issuer.keysAnswer = undefined;
    time += 5 * second - 1;
    expect(await verifier.verify(token)).toRefuse('CannotVerify');
    expect(issuer.fetches).toBe(1);
    time += 1;
    expect(await verifier.verify(token)).toMatchObject(accepted);
  });

  test('and its port is closed, it is the same, until it is back', async () => {
    await issuer.stop();
    const token = await issuer.mint();
    expect(await verifier.verify(token)).toRefuse('CannotVerify');
    await issuer.start();
    time += 5 * second;
    expect(await verifier.verify(token)).toMatchObject(accepted);
  });

  test('a clock that is set back does not keep it from being asked', async () => {
    issuer.keysAnswer = { status: 503, body: '' };
    expect(await verifier.verify(await issuer.mint())).toRefuse('CannotVerify');
    issuer.keysAnswer = undefined;
    time -= hour;
    expect(await verifier.verify(await issuer.mint())).toMatchObject(accepted);
  });

  test('known keys serve for a day, then no more', async () => {
    const [first, later, last] = [
      await issuer.mint({}, aWeek),
      await issuer.mint({ index: 1 }, aWeek),
      await issuer.mint({ index: 2 }, aWeek),
    ];
    await verifier.verify(first);
    await issuer.stop();
    time += 24 * hour - 1;
    expect(await verifier.verify(later)).toMatchObject(accepted);
    time += 1;
    expect(await verifier.verify(last)).toRefuse('CannotVerify');
    await issuer.start();
    time += 5 * second;
    expect(await verifier.verify(last)).toMatchObject(accepted);
  });

  test('an unknown key is no proof of a bad token', async () => {
    await verifier.verify(await issuer.mint());
    issuer.keysAnswer = { status: 500, body: '' };
    time += 30 * second;
    for (const kid of ['rsa-7', 'rsa-8', 'rsa-9'])
      expect(await verifier.verify(await issuer.mint({}, { kid }))).toRefuse('CannotVerify');
    expect(issuer.fetches).toBe(2);
    expect(await verifier.verify(await issuer.mint())).toMatchObject(accepted);
  });

  test('for one of two entries of an issuer, the other one does not call the token bad', async () => {
    verifier.close();
    const entry = { issuer: issuer.issuer, jwksUri: issuer.jwksUri };
    const down = { ...entry, jwksUri: `${issuer.issuer}/token`, audience };
    verifier = createVerifier([{ ...entry, audience: 'api://other' }, down], { fetch, now });
    expect(await verifier.verify(await issuer.mint())).toRefuse('CannotVerify');
  });

  test.each<[string, { status: number; body: string }]>([
    ['redirects', { status: 302, body: '{"keys":[]}' }],
    ['answers no JSON', { status: 200, body: '<html>' }],
    ['answers nothing', { status: 200, body: '' }],
    ['answers no key set', { status: 200, body: '{"keys":"none"}' }],
    ['answers more than 1 MiB', { status: 200, body: `{"keys":[]${' '.repeat(1024 * 1024)}}` }],
    [
      'publishes a broken key',
      { status: 200, body: '{"keys":[{"kty":"RSA","kid":"rsa-1","n":"AQ","e":"AQAB"}]}' },
    ],
  ])('or %s, the token is not called bad, and the operator is told', async (_, answer) => {
    issuer.keysAnswer = answer;
    const token = await issuer.mint();
    expect(await verifier.verify(token)).toRefuse('CannotVerify');
    expect(logged.join()).toMatch(/could not be fetched|signing key cannot be used/);
    expect(logged.join()).not.toContain(token);
  });
});
