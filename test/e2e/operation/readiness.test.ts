import { once } from 'node:events';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Readiness } from '../../../src/server/readiness.ts';
import { eventually } from '../../support/eventually.ts';
import { processTestBed } from '../../support/process-test-bed.ts';
import type { ProxyProcess } from '../../support/process.ts';
import { send } from '../../support/raw-http.ts';
import { gatesOpen } from '../../support/worker-test-bed.ts';

const testBed = processTestBed('readiness', { TALLYLIGHT_SESSION_TTL_MS: '3000' });

/** A server on loopback that can be told to answer or not; what it answers comes from `origin`. */
async function inFrontOf(origin: string): Promise<{ url: string; open(): void }> {
  let isOpen = false;
  const pass: RequestListener = (req, res) => {
    if (!isOpen) {
      res.writeHead(503).end();
      return;
    }
    const { method, url = '', headers } = req;
    req.pipe(
      request(origin + url, { method, headers, agent: false }, (answer) => {
        res.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(res);
      }),
    );
  };
  const server: Server = createServer(pass).listen(0, '127.0.0.1');
  await once(server, 'listening');
  testBed.later(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open: () => {
      isOpen = true;
    },
  };
}

async function look(proxy: ProxyProcess, path: string): Promise<[number, Readiness]> {
  const { status, body } = await send(proxy.adminUrl, { path });
  return [status, JSON.parse(body) as Readiness];
}

/** Once nothing else is in the way: the code, and signalling that goes on. */
async function onlyObstacle(proxy: ProxyProcess, code: string): Promise<string> {
  const text = await eventually(
    async () => {
      const [status, { obstacles = [] }] = await look(proxy, '/readyz/gates');
      return status === 503 && obstacles.length === 1 && obstacles[0]?.code === code
        ? obstacles[0].text
        : undefined;
    },
    { what: `${code} alone` },
  );
  expect((await look(proxy, '/readyz'))[0]).toBe(200);
  return text;
}

describe('gates are not ready', () => {
  test('before the keys of callers were fetched, which is tried until they are', async () => {
    const { issuer, audience, jwksUri } = testBed.peers.mint;
    const keys = await inFrontOf(new URL(jwksUri).origin);
    const moved = jwksUri.replace(new URL(jwksUri).origin, keys.url);
    const proxy = await testBed.start({
      TALLYLIGHT_ISSUERS: JSON.stringify([{ issuer, audience, jwksUri: moved }]),
    });
    expect(await onlyObstacle(proxy, 'KeysMissing')).toContain(issuer);
    keys.open();
    await gatesOpen(proxy);
  });

  test('before the keys of notifications were fetched', async () => {
    const { issuer, jwksUri } = testBed.peers.mint;
    const keys = await inFrontOf(new URL(jwksUri).origin);
    const notifications = {
      issuer: 'https://notifications.example',
      audience: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
      jwksUri: jwksUri.replace(new URL(jwksUri).origin, keys.url),
    };
    const proxy = await testBed.start({
      TALLYLIGHT_CALLBACKS: JSON.stringify([
        { path: '/api/calling', upstream: testBed.peers.callbackBot.url },
      ]),
      TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notifications]),
    });
    const text = await onlyObstacle(proxy, 'KeysMissing');
    expect(text).toContain(notifications.issuer);
    expect(text).not.toContain(issuer);
    keys.open();
    await gatesOpen(proxy);
  });

  test('before Graph tokens were obtained, which is tried until they are', async () => {
    const tokens = await inFrontOf(new URL(testBed.peers.mint.tokenEndpoint).origin);
    const credential = JSON.parse(testBed.settings().TALLYLIGHT_GRAPH_CREDENTIAL ?? '') as {
      tokenEndpoint: string;
      clientId: string;
    };
    credential.tokenEndpoint = credential.tokenEndpoint.replace(
      new URL(testBed.peers.mint.tokenEndpoint).origin,
      tokens.url,
    );
    const proxy = await testBed.start({ TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify(credential) });
    const text = await onlyObstacle(proxy, 'GraphCredentialUnavailable');
    expect(text).toContain(`no Graph access token for client ${credential.clientId}`);
    tokens.open();
    await gatesOpen(proxy);
  });

  test('with a client secret that is wrong, and the code of the answer is told', async () => {
    const credential = JSON.parse(testBed.settings().TALLYLIGHT_GRAPH_CREDENTIAL ?? '') as object;
    const proxy = await testBed.start({
      TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify({ ...credential, clientSecret: 'wrong-secret' }),
    });
    const text = await onlyObstacle(proxy, 'GraphCredentialUnavailable');
    expect(text).toContain('invalid_client');
    expect(text).not.toContain('wrong-secret');
  });

  test('while the store is as new as the instance, and for how long is told', async () => {
    const proxy = await testBed.start({ TALLYLIGHT_GRAPH_TIMEOUT_MS: '60000' });
    expect(await onlyObstacle(proxy, 'StoreFresh')).toMatch(/^the store started without data: .* \d+\.\d s$/);
  });

  test('while the store is away', async () => {
    const proxy = await testBed.start();
    await gatesOpen(proxy);
    await testBed.redis.kill('SIGKILL');
    await eventually(async () => {
      const [status, { obstacles = [], gates }] = await look(proxy, '/readyz/gates');
      const codes = obstacles.map(({ code }) => code);
      return (
        status === 503 &&
        String(gates).startsWith('the store does not answer: ') &&
        codes.includes('StoreUnavailable') &&
        codes.includes('SessionMissing')
      );
    });
    expect((await look(proxy, '/readyz'))[0]).toBe(200);
  });

  test('where the evidence of the store is kept in another directory', async () => {
    const one = await testBed.start();
    await gatesOpen(one);
    const other = await testBed.start({ TALLYLIGHT_EVIDENCE_DIR: join(testBed.home, 'elsewhere') });
    expect(await onlyObstacle(other, 'EvidenceUnwritable')).toContain('another directory');
    await gatesOpen(one);
  });
});

test('what is in the way of a worker is told with its number', async () => {
  const { issuer, audience, jwksUri } = testBed.peers.mint;
  const keys = await inFrontOf(new URL(jwksUri).origin);
  const moved = jwksUri.replace(new URL(jwksUri).origin, keys.url);
  const proxy = await testBed.start({
    TALLYLIGHT_WORKERS: '2',
    TALLYLIGHT_ISSUERS: JSON.stringify([{ issuer, audience, jwksUri: moved }]),
  });
  await eventually(async () => {
    const [, { obstacles = [] }] = await look(proxy, '/readyz/gates');
    return obstacles.length === 2 && obstacles.every(({ code }) => code === 'KeysMissing') ? true : undefined;
  });
  const [status, { gates, obstacles }] = await look(proxy, '/readyz');
  expect(status).toBe(200);
  expect(gates).toMatch(/^worker \d: the keys of .*; worker \d: the keys of /);
  expect(obstacles?.[0]?.text).toMatch(/^worker \d: /);
  keys.open();
  await gatesOpen(proxy);
});
