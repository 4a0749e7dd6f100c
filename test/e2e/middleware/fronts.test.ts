import { randomUUID } from 'node:crypto';
import { createServer, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import { createGate, requireRecording } from '../../../middleware/index.ts';
import { createVerifier } from '../../../src/auth/verify.ts';
import { defaultPolicy } from '../../../src/core/call/policy.ts';
import { Gate } from '../../../src/gate/gate.ts';
import { clientAddress } from '../../../src/http/client-address.ts';
import { noLimits } from '../../../src/http/limits.ts';
import { requestLog } from '../../../src/http/request-log.ts';
import { defaultLimits } from '../../../src/settings/limits.ts';
import type { ControlDeps } from '../../../src/http/ports.ts';
import { createMeter } from '../../../src/metrics/metrics.ts';
import { createRegistry } from '../../../src/metrics/process.ts';
import { systemClock } from '../../../src/http/clock.ts';
import { Bot, type Reply } from '../../../src/sandbox/bot/bot.ts';
import { startFakeGraph, type FakeGraph } from '../../../src/sandbox/graph/fake-graph.ts';
import { listen } from '../../../src/sandbox/loopback.ts';
import {
  sandboxApp,
  sandboxTenant,
  startTokenMint,
  type TokenMint,
} from '../../../src/sandbox/token-mint.ts';
import { createListener } from '../../../src/server/server.ts';
import { connectGraph } from '../../../src/upstream/graph.ts';
import { connectMedia } from '../../../src/upstream/media.ts';
import { outboundFetch } from '../../../src/upstream/pool.ts';
import { newStore, silentLog } from './host.ts';

const otherApp = '99999999-9999-4999-8999-999999999999';
const foreignApp = '88888888-8888-4888-8888-888888888888';
const times = { ttlMs: 1000, drainMs: 300, graphTimeoutMs: 1500 };

/** The proxy and an application with the middleware: two instances on one store, with the same settings. */
interface Fronts {
  readonly proxy: string;
  readonly host: string;
}

describe('the proxy and the middleware', () => {
  const closing: (() => Promise<unknown>)[] = [];
  let fronts: Fronts;
  let mint: TokenMint;
  let graph: FakeGraph;

  beforeAll(async () => {
    const opened = <T extends { close(): unknown }>(thing: T): T => {
      closing.unshift(() => Promise.resolve(thing.close()));
      return thing;
    };
    mint = opened(await startTokenMint());
    graph = opened(await startFakeGraph({ verify: mint.verifyGraphToken }));
    const shared = newStore();
    closing.unshift(() => shared.close());
    const store = { ...shared, close: () => Promise.resolve() };
    const issuers = [
      {
        issuer: mint.issuer,
        audience: mint.audience,
        jwksUri: mint.jwksUri,
        tenants: [sandboxTenant],
        apps: [sandboxApp, otherApp],
      },
    ];

    const app = express();
    app.post('/media/:callId/:name', (_req, res) => {
      res.sendStatus(201);
    });
    const sink = opened(await listen(createServer(app), {}));
    const outbound = opened(outboundFetch());
    const verifier = opened(createVerifier(issuers, { fetch: outbound.fetch }));
    const deps = {
      clock: systemClock,
      log: silentLog,
      meter: createMeter(createRegistry()),
      policyFor: () => defaultPolicy,
      newId: randomUUID,
    };
    const proxyGate = opened(
      new Gate({
        ...{ ...deps, ...store, times },
        readHolds: () => Promise.resolve([]),
      }),
    );
    await proxyGate.open();
    const stages = {
      ...{ ...deps, gate: proxyGate, now: () => performance.now() },
      ...{ limits: noLimits(), clientAddress: clientAddress([]) },
      requests: requestLog({ log: silentLog, clock: systemClock }),
    };
    const upstream = opened(
      connectGraph({
        url: graph.url,
        publicUrl: () => '',
        timeoutMs: times.graphTimeoutMs,
        connections: 64,
      }),
    );
    const tokenFor = async (): Promise<{ ok: true; value: string }> => ({
      ok: true,
      value: await mint.mintGraphToken(),
    });
    const control: ControlDeps = {
      ...stages,
      auth: { mode: 'jwt', verifier, credentials: { tokenFor } },
      graph: upstream,
    };
    const handler = opened(connectMedia(sink.url, { idleMs: 120_000, connections: 512 }));
    const route = {
      path: '/media/{callId}/*',
      upstream: sink.url,
      methods: ['POST'],
      reads: 'pass',
      handler,
    } as const;
    const server = createListener(
      { control, media: { ...stages, verifier, routes: [route] } },
      undefined,
      defaultLimits,
    );
    const proxy = opened(await listen(server, {}));

    const gate = opened(
      await createGate({
        store,
        issuers,
        sessionTtlMs: times.ttlMs,
        drainMs: times.drainMs,
        graphTimeoutMs: times.graphTimeoutMs,
        log: silentLog,
      }),
    );
    const guarded = express();
    guarded.disable('x-powered-by');
    guarded.post('/media/:callId/:name', requireRecording(gate), (_req, res) => {
      res.sendStatus(201);
    });
    const host = opened(await listen(createServer(guarded), {}));
    fronts = { proxy: proxy.url, host: host.url };
  });

  afterAll(async () => {
    for (const close of closing) await close();
  });

  const write = (url: string, call: string, token: string | undefined): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const headers = token === undefined ? {} : { authorization: token };
      const req = request(`${url}/media/${call}/a`, { method: 'POST', agent: false, headers }, (res) => {
        let body = '';
        res.on('data', (chunk) => (body += String(chunk)));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
      });
      req.on('error', reject);
      req.end('media');
    });

  /** What a client can tell two answers apart by, ids and times aside. */
  function told({ status, headers, body }: Reply): object {
    const { error } = (status < 400 ? { error: null } : JSON.parse(body)) as {
      error: { code: string; message: string; innerError: object } | null;
    };
    return {
      status,
      reason: headers['tallylight-reason'],
      type: status < 400 ? null : headers['content-type'],
      challenge: headers['www-authenticate'],
      retryAfter: headers['retry-after'],
      code: error?.code,
      message: error?.message,
      inner: error === null ? null : Object.keys(error.innerError),
    };
  }

  /** A call, as far as it has come. */
  const calls = {
    open: ['recording'],
    stopped: ['recording', 'notRecording'],
    'open again': ['recording', 'notRecording', 'recording'],
    failed: ['recording', 'failed'],
    'never started': [],
  };

  async function callThatIs(state: keyof typeof calls | 'hung up'): Promise<string> {
    const call = graph.incomingCall({ answered: true });
    const bot = new Bot(fronts.proxy, await mint.mint(), call);
    for (const status of state === 'hung up' ? calls.open : calls[state])
      expect((await bot.report(status)).status).toBe(200);
    if (state === 'hung up') expect((await bot.hangUp()).status).toBe(204);
    return call;
  }

  const bearer = async (claims?: Parameters<TokenMint['mint']>[0]): Promise<string> =>
    `Bearer ${await mint.mint(claims)}`;
  const seconds = (): number => Math.floor(Date.now() / 1000);

  test.each<[string, number, string | undefined, () => Promise<[call: string, token?: string]>]>([
    ['no token', 401, 'TokenMissing', async () => [await callThatIs('open')]],
    ['no token for a bad call id', 401, 'TokenMissing', () => Promise.resolve(['nonsense'])],
    ['another scheme', 401, 'TokenInvalid', async () => [await callThatIs('open'), 'Basic abc']],
    ['a forged token', 401, 'TokenInvalid', async () => [await callThatIs('open'), `${await bearer()}x`]],
    [
      'an expired token',
      401,
      'TokenExpired',
      async () => [await callThatIs('open'), await bearer({ exp: seconds() - 600 })],
    ],
    [
      'a token for another audience',
      401,
      'TokenInvalid',
      async () => [await callThatIs('open'), await bearer({ aud: 'api://other' })],
    ],
    [
      'a tenant that is not on the list',
      403,
      'TokenNotAllowed',
      async () => [await callThatIs('open'), await bearer({ tid: randomUUID() })],
    ],
    [
      'an application that is not on the list',
      403,
      'TokenNotAllowed',
      async () => [await callThatIs('open'), await bearer({ azp: foreignApp })],
    ],
    [
      'a token without the role',
      403,
      'TokenNotAllowed',
      async () => [await callThatIs('open'), await bearer({ roles: [] })],
    ],
    [
      'an application that the call does not belong to',
      403,
      'RecordingNotActive',
      async () => [await callThatIs('open'), await bearer({ azp: otherApp })],
    ],
    ['a bad call id', 400, 'CallIdInvalid', async () => ['nonsense', await bearer()]],
    ['a call nobody knows', 403, 'RecordingNotActive', async () => [randomUUID(), await bearer()]],
    [
      'a call that was not started',
      403,
      'RecordingNotActive',
      async () => [await callThatIs('never started'), await bearer()],
    ],
    ['an open call', 201, undefined, async () => [await callThatIs('open'), await bearer()]],
    [
      'an open call in its other spelling',
      201,
      undefined,
      async () => [(await callThatIs('open')).replaceAll('-', '').toUpperCase(), await bearer()],
    ],
    ['a stopped call', 403, 'RecordingNotActive', async () => [await callThatIs('stopped'), await bearer()]],
    [
      'a call that is open again',
      201,
      undefined,
      async () => [await callThatIs('open again'), await bearer()],
    ],
    [
      'a call whose recorder failed',
      403,
      'RecordingNotActive',
      async () => [await callThatIs('failed'), await bearer()],
    ],
    [
      'a call that was hung up',
      403,
      'RecordingNotActive',
      async () => [await callThatIs('hung up'), await bearer()],
    ],
  ])('answer a write alike: %s', async (_, status, reason, prepare) => {
    const [call, token] = await prepare();
    const [byProxy, byHost] = await Promise.all([
      write(fronts.proxy, call, token),
      write(fronts.host, call, token),
    ]);
    expect(told(byProxy)).toMatchObject({
      status,
      ...(reason === undefined ? {} : { reason, code: reason }),
    });
    expect(told(byHost)).toEqual(told(byProxy));
  });
});
