import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { ProxySettings } from '../../src/settings/settings.ts';
import { app, startIssuer, tampered, tenant, type Claims, type TestIssuer } from './issuer.ts';
import { startNotifiedBot, type NotifiedBot } from './notified-bot.ts';
import { json, send } from './raw-http.ts';
import { startWorld, type World } from './world.ts';

/** An application that uploads for the bot, by policy; the bot itself is `app` in `tenant`. */
export const uploader = '44444444-4444-4444-8444-444444444444';
/** An application and a tenant that are on the lists, but are not those of the call. */
const otherApp = '55555555-5555-4555-8555-555555555555';
const otherTenant = '66666666-6666-4666-8666-666666666666';

/** A proxy, its issuers, and counting upstreams: what a request reached can be told afterwards. */
export interface TestBed extends World {
  /** Behind every media route. */
  readonly recorder: NotifiedBot;
  /** Behind the callback path. */
  readonly notified: NotifiedBot;
  readonly issuers: Issuers;
  /** What was reached so far: requests to Graph, to the media handler, to the bot. */
  reached(): { graph: number; recorder: number; bot: number };
  /** The Authorization header of the bot on the control plane. */
  botAuthorization(): Promise<string>;
  /** A call of the bot that Graph has established; nobody has asked for anything yet. */
  newCall(): string;
  /** A call of the bot that is being recorded. */
  recordingCall(): Promise<string>;
}

/** All are trusted for callers and for notifications. */
interface Issuers {
  readonly good: TestIssuer;
  /** Its keys cannot be had. */
  readonly down: TestIssuer;
  readonly rotated: TestIssuer;
  /** Trusted by nobody. */
  readonly forger: TestIssuer;
  /** Of `rotated`, signed with a key that has been withdrawn. */
  readonly withdrawn: { readonly token: string; readonly notification: string };
}

const mediaRoutes = (upstream: string): ProxySettings['mediaRoutes'] => {
  const methods = ['POST', 'PUT'];
  return [
    { path: '/media/{callId}/*', upstream, methods, reads: 'pass' },
    { path: '/gated/{callId}/*', upstream, methods, reads: 'whileRecording' },
    { path: '/writeonly/{callId}', upstream, methods, reads: 'refuse' },
    { path: '/live/{callId}', upstream, methods: [], reads: 'refuse', websocket: true },
    { path: '/by-header', upstream, methods, reads: 'pass', callId: { header: 'X-Call-Id' } },
    { path: '/by-query', upstream, methods, reads: 'pass', callId: { query: 'call' } },
  ];
};

/** What the bot's organisation allows: everything that a policy can allow. */
const policy = {
  name: 'test-bed',
  match: { tenants: [tenant] },
  recordResponse: 'whileRecording',
  updateMetadata: 'whileRecording',
  operationPatch: 'forward',
  uploaders: [uploader],
};

export async function startTestBed(controlAuth: 'jwt' | 'graph'): Promise<TestBed> {
  const policyDir = await mkdtemp(join(tmpdir(), 'tallylight-policies-'));
  await writeFile(join(policyDir, 'test-bed.json'), JSON.stringify(policy));
  const [good, down, rotated, forger] = await Promise.all([
    startIssuer({ kidPrefix: 'good-' }),
    startIssuer({ kidPrefix: 'down-' }),
    startIssuer({ kidPrefix: 'rotated-' }),
    startIssuer({ kidPrefix: 'good-' }),
  ]);
  down.keysAnswer = { status: 503, body: '' };
  const recorder = await startNotifiedBot();
  const notified = await startNotifiedBot();
  const trusted = [good, down, rotated];
  const world = await startWorld({
    settings: ({ mint }) => ({
      controlAuth,
      policyDir,
      issuers: trusted.map(({ issuer, jwksUri }) => ({
        ...{ issuer, jwksUri, audience: mint.audience },
        ...{ tenants: [tenant, otherTenant], apps: [app, uploader, otherApp] },
      })),
      graphCredentials: [
        {
          ...{ tokenEndpoint: mint.tokenEndpoint, clientId: app, clientSecret: 'sandbox-secret' },
          ...{ tenants: [tenant], apps: [app] },
        },
      ],
      mediaRoutes: mediaRoutes(recorder.url),
      callbacks: [{ path: '/{pod}/api/calling/*', upstream: notified.url }],
      notificationIssuers: trusted.map(({ issuer, jwksUri }) => ({
        ...{ issuer, jwksUri, audience: app, tenants: [tenant, otherTenant] },
      })),
      callbackUrl: 'https://calls.example',
    }),
  });
  const withdrawn = await rotate(world, rotated);
  const botAuthorization = async (): Promise<string> =>
    `Bearer ${controlAuth === 'jwt' ? await good.mint() : await world.mint.mintGraphToken()}`;
  const newCall = (): string => world.graph.incomingCall({ answered: true });
  return {
    ...world,
    recorder,
    notified,
    issuers: { good, down, rotated, forger, withdrawn },
    reached: () => ({
      graph: world.graph.log.length,
      recorder: recorder.received.length,
      bot: notified.received.length,
    }),
    botAuthorization,
    newCall,
    async recordingCall() {
      const call = newCall();
      const { headers, body } = json({ status: 'recording' });
      const answer = await send(world.proxy.url, {
        method: 'POST',
        path: `/v1.0/communications/calls/${call}/updateRecordingStatus`,
        headers: { ...headers, authorization: await botAuthorization() },
        ...(body === undefined ? {} : { body }),
      });
      expect(answer.headers['tallylight-gate']).toBe('open');
      return call;
    },
    async close() {
      await world.close();
      await Promise.all([
        recorder.goDown(),
        notified.goDown(),
        ...[...trusted, forger].map((one) => one.stop()),
      ]);
      await rm(policyDir, { recursive: true });
    },
  };
}

/** Runs while the wall clock of this process is ahead. A store that was opened before keeps its own time. */
export async function after<T>(ms: number, run: () => Promise<T>): Promise<T> {
  const now = Date.now.bind(Date);
  Date.now = () => now() + ms;
  try {
    return await run();
  } finally {
    Date.now = now;
  }
}

/** The proxy has seen the old keys; then the issuer changes them, and the proxy sees the new ones. */
async function rotate(world: World, issuer: TestIssuer): Promise<Issuers['withdrawn']> {
  const withdrawn = { token: await issuer.mint(), notification: await notificationOf(issuer) };
  const path = `/media/${randomUUID()}/warm`;
  const callback = '/pod/api/calling/warm';
  const show = async (media: string, notification: string): Promise<void> => {
    const write = await send(world.proxy.url, { method: 'POST', path, token: media });
    expect(write.headers['tallylight-reason']).toBe('RecordingNotActive');
    const notified = { method: 'POST', path: callback, token: notification, body: '{}' };
    expect((await send(world.proxy.url, notified)).status).toBe(202);
  };
  await show(withdrawn.token, withdrawn.notification);
  await issuer.rotate();
  // An unknown key id causes a fetch only a while after the last one.
  await after(31_000, async () => show(await issuer.mint(), await notificationOf(issuer)));
  return withdrawn;
}

const notificationOf = (issuer: TestIssuer, claims: Claims = {}, alg = 'RS256'): Promise<string> =>
  issuer.mintNotification({ aud: app, ...claims }, { alg });

/** What a caller is to the call of the bot, on one plane. */
export type Standing =
  | 'owner'
  | 'uploader'
  /** Verified, and somebody else. */
  | 'stranger'
  | 'missing'
  | 'invalid'
  | 'expired'
  | 'notListed'
  | 'unverifiable'
  /** Graph itself is asked, and takes it for the bot, for somebody else, or for nobody. */
  | 'graphOwner'
  | 'graphStranger'
  | 'graphRefuses'
  /** No tenant and application can be read from it. */
  | 'unreadable'
  /** A notification for the bot. */
  | 'notifies';

export interface Caller {
  readonly name: string;
  /** The Authorization header; undefined: none. */
  readonly authorization: (testBed: TestBed) => Promise<string | undefined> | string | undefined;
  readonly jwt: Standing;
  readonly graph: Standing;
  readonly media: Standing;
  readonly callback: Standing;
}

type Make = (testBed: TestBed) => Promise<string> | string;
/** With `jwt`, with `graph`, for media, for notifications. */
type Standings = readonly [jwt: Standing, graph: Standing, media: Standing, callback: Standing];

const seconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset;
const past = { nbf: seconds(-900), exp: seconds(-600) };
const future = { nbf: seconds(3600), exp: seconds(7200) };

const caller = (name: string, make: Make, [jwt, graph, media, callback]: Standings): Caller => ({
  name,
  authorization: async (testBed) => `Bearer ${await make(testBed)}`,
  ...{ jwt, graph, media, callback },
});

/** Whatever it is, Graph alone may tell: in `graph` mode it is passed on and refused there. */
const bad: Standings = ['invalid', 'graphRefuses', 'invalid', 'invalid'];
const unverifiable: Standings = ['unverifiable', 'graphRefuses', 'unverifiable', 'unverifiable'];

const ours = (name: string, claims: Claims, onControl: Standing, onMedia = onControl): Caller => {
  const standings: Standings = [onControl, 'graphRefuses', onMedia, 'invalid'];
  return caller(name, ({ issuers }) => issuers.good.mint(claims), standings);
};

const notifying = (name: string, claims: Claims, standing: Standing): Caller => {
  const standings: Standings = ['invalid', 'graphRefuses', 'invalid', standing];
  return caller(name, ({ issuers }) => notificationOf(issuers.good, claims), standings);
};

const forGraph = (name: string, claims: Claims, standing: Standing): Caller =>
  caller(name, ({ mint }) => mint.mintGraphToken(claims), ['invalid', standing, 'invalid', 'invalid']);

const joinToken = { aud: 'https://api.botframework.com', appid: undefined, exp: seconds(86_400) };

/** Every kind of caller, and what it is on each plane, said here once more and by hand. */
export const callers: readonly Caller[] = [
  {
    ...{ name: 'no token', authorization: () => undefined },
    ...{ jwt: 'missing', graph: 'missing', media: 'missing', callback: 'missing' },
  },
  {
    ...{ name: 'a user name and a password', authorization: () => 'Basic YTpi' },
    ...{ jwt: 'invalid', graph: 'invalid', media: 'invalid', callback: 'invalid' },
  },
  caller('an opaque token', () => 'opaque', ['invalid', 'unreadable', 'invalid', 'invalid']),

  ours('the bot', {}, 'owner'),
  ours('an uploader that the policy names', { azp: uploader }, 'stranger', 'uploader'),
  ours('that uploader in another tenant', { azp: uploader, tid: otherTenant }, 'stranger'),
  ours('another application of the tenant', { azp: otherApp }, 'stranger'),
  ours('the application in another tenant', { tid: otherTenant }, 'stranger'),
  ours('a tenant that is not on the list', { tid: randomUUID() }, 'notListed'),
  ours('an application that is not on the list', { azp: randomUUID() }, 'notListed'),
  ours('the wrong role', { roles: ['User.Read.All'] }, 'notListed'),
  ours('no role', { roles: undefined }, 'notListed'),
  ours('a user', { scp: 'Calls.AccessMedia.All' }, 'invalid'),
  ours('a token that has expired', past, 'expired'),
  ours('a token that is not valid yet', future, 'invalid'),
  ours('a token without an end', { exp: undefined }, 'invalid'),
  ours('a token for another audience', { aud: 'api://other' }, 'invalid'),
  caller('a token of an unknown issuer', ({ issuers }) => issuers.forger.mint(), bad),
  caller(
    'a token of a forger who knows issuer and key id',
    ({ issuers: { forger, good } }) => forger.mint({ iss: good.issuer }),
    bad,
  ),
  caller('a token without a signature', ({ issuers }) => issuers.good.mint({}, { alg: 'none' }), bad),
  caller(
    'a token signed with the public key as a secret',
    ({ issuers }) => issuers.good.mint({}, { alg: 'HS256' }),
    bad,
  ),
  caller(
    'a token with another payload than was signed',
    async ({ issuers }) => tampered(await issuers.good.mint({ azp: otherApp }), { azp: app }),
    bad,
  ),
  caller('a token of a withdrawn key', ({ issuers }) => issuers.withdrawn.token, bad),
  caller('a token of the key that came instead', ({ issuers }) => issuers.rotated.mint(), [
    'owner',
    'graphRefuses',
    'owner',
    'invalid',
  ]),
  caller('a token whose key server is down', ({ issuers }) => issuers.down.mint(), unverifiable),

  notifying('a notification', {}, 'notifies'),
  notifying('a notification of another bot', { aud: otherApp }, 'invalid'),
  notifying('a notification of a tenant that is not on the list', { tid: randomUUID() }, 'notListed'),
  notifying('a notification of another service', { appid: randomUUID() }, 'notListed'),
  notifying('a notification that has expired', past, 'expired'),
  notifying('a notification that is not valid yet', future, 'invalid'),
  notifying('a message to the bot', { serviceurl: 'https://smba.example' }, 'invalid'),
  caller('the join token of a meeting', ({ issuers }) => notificationOf(issuers.good, joinToken), [
    'invalid',
    'unreadable',
    'invalid',
    'invalid',
  ]),
  caller('a notification of a forger', ({ issuers }) => notificationOf(issuers.forger), bad),
  caller('a notification unsigned', ({ issuers }) => notificationOf(issuers.good, {}, 'none'), bad),
  caller(
    'a notification signed with the public key as a secret',
    ({ issuers }) => notificationOf(issuers.good, {}, 'HS256'),
    bad,
  ),
  caller('a notification of a withdrawn key', ({ issuers }) => issuers.withdrawn.notification, bad),
  caller('a notification of the key that came instead', ({ issuers }) => notificationOf(issuers.rotated), [
    'invalid',
    'graphRefuses',
    'invalid',
    'notifies',
  ]),
  caller(
    'a notification whose key server is down',
    ({ issuers }) => notificationOf(issuers.down),
    unverifiable,
  ),

  forGraph('the bot’s Graph token', {}, 'graphOwner'),
  forGraph('the Graph token of another application', { appid: otherApp }, 'graphStranger'),
  forGraph('the Graph token of another tenant', { tid: otherTenant }, 'graphStranger'),
  forGraph('a Graph token that has expired', { exp: seconds(-3600) }, 'graphRefuses'),
  caller(
    'a Graph token with another payload than was signed',
    async ({ mint }) => tampered(await mint.mintGraphToken({ appid: otherApp }), { appid: app }),
    bad,
  ),
];
