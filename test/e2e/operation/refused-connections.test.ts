import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { defaultLimits } from '../../../src/settings/limits.ts';
import type { ProxySettings } from '../../../src/settings/settings.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { eventually } from '../../support/eventually.ts';
import { startWorld } from '../../support/world.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function start(settings: Partial<ProxySettings>) {
  const log = collectedLog();
  const world = await startWorld({ settings, log });
  cleanUp.push(() => world.close());
  const { hostname, port } = new URL(world.proxy.url);
  const refused = () =>
    log.lines.filter(({ text }) => text === 'a connection was refused before there was a request');
  return { log, world, refused, host: hostname, port: Number(port) };
}

/** Sends bytes, and waits for the end of the connection. */
async function sent(socket: net.Socket, bytes: string | Buffer): Promise<string> {
  cleanUp.push(() => socket.destroy());
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

const secret = 'Bearer a-token-that-nobody-is-to-see';

describe('without TLS', () => {
  test.each([
    ['that is no HTTP', `NONSENSE ${secret}\r\n\r\n`, /^the request is not valid HTTP\/1\.1/, undefined],
    [
      'whose head is too large',
      `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${secret}${'x'.repeat(20_000)}\r\n\r\n`,
      /larger than allowed/,
      'TALLYLIGHT_MAX_HEADER_BYTES',
    ],
    [
      'whose head does not end',
      `GET / HTTP/1.1\r\nAuthorization: ${secret}\r\n`,
      /not complete in time/,
      'TALLYLIGHT_HEADERS_TIMEOUT_MS',
    ],
    [
      'that speaks TLS',
      Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]),
      /the client speaks TLS/,
      'TALLYLIGHT_TLS_CERT_FILE',
    ],
  ])('a connection %s has a line with its cause', async (_, bytes, cause, setting) => {
    const { log, refused, host, port } = await start({
      limits: { ...defaultLimits, maxHeaderBytes: 8192, headersTimeoutMs: 300 },
    });
    expect(await sent(net.connect(port, host), bytes)).toMatch(/^HTTP\/1\.1 400 /);
    await eventually(() => refused().length > 0);
    expect(refused()).toEqual([
      {
        level: 'info',
        text: expect.any(String),
        facts: {
          cause: expect.stringMatching(cause),
          client: '127.0.0.1',
          ...(setting === undefined ? {} : { setting }),
        },
      },
    ]);
    expect(JSON.stringify(log.lines)).not.toContain('nobody-is-to-see');
  });

  test('one connection too many has a line, and further ones a number', async () => {
    const { log, world, refused, host, port } = await start({
      limits: { ...defaultLimits, maxConnections: 1 },
    });
    const first = net.connect(port, host);
    cleanUp.push(() => first.destroy());
    await once(first, 'connect');
    for (let count = 0; count < 3; count += 1)
      expect(await sent(net.connect(port, host), '')).toContain('Tallylight-Reason: TooManyConnections');
    expect(refused().map(({ facts }) => facts)).toEqual([
      {
        cause: expect.stringContaining('as many connections'),
        setting: 'TALLYLIGHT_MAX_CONNECTIONS',
        client: '127.0.0.1',
      },
    ]);
    first.destroy();
    await world.proxy.close();
    expect(log.lines).toContainEqual(
      expect.objectContaining({
        text: 'further connections were refused for the same reason',
        facts: expect.objectContaining({ leftOut: 2 }),
      }),
    );
  });

  test('a client that leaves before it has said anything has none', async () => {
    const { refused, host, port } = await start({});
    for (const bytes of ['', 'GET / HT']) {
      const socket = net.connect(port, host);
      await once(socket, 'connect');
      if (bytes !== '') await new Promise((resolve) => socket.write(bytes, resolve));
      socket.resetAndDestroy();
      await once(socket, 'close');
    }
    // Whoever comes afterwards has been seen after them.
    await sent(net.connect(port, host), 'NONSENSE\r\n\r\n');
    await eventually(() => refused().length > 0);
    expect(refused()).toHaveLength(1);
  });
});

describe('with TLS', () => {
  async function startTls() {
    const directory = await mkdtemp(join(tmpdir(), 'tallylight-'));
    cleanUp.push(() => rm(directory, { recursive: true }));
    const files = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
    await promisify(execFile)('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
      ...['-keyout', files.keyFile, '-out', files.certFile],
    ]);
    return start({ tls: files });
  }

  test('a client that speaks plain HTTP, and one that does not trust the certificate, have a line', async () => {
    const { refused, host, port } = await startTls();
    await sent(net.connect(port, host), `GET / HTTP/1.1\r\nAuthorization: ${secret}\r\n\r\n`);
    await eventually(() => refused().length === 1);
    const distrustful = tls.connect({ host, port, servername: 'localhost' });
    cleanUp.push(() => distrustful.destroy());
    await once(distrustful, 'error').catch(() => undefined);
    const old = tls.connect({
      host,
      port,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    cleanUp.push(() => old.destroy());
    old.on('error', () => undefined);
    await eventually(() => refused().length >= 2);
    for (const { facts } of refused())
      expect(facts).toMatchObject({ client: '127.0.0.1', setting: 'TALLYLIGHT_TLS_CERT_FILE' });
    expect(refused()[0]?.facts.cause).toContain('plain HTTP');
  });
});
