import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeCertificate } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { startIssuer, type TestIssuer } from '../../support/issuer.ts';
import { consoleOf, operator } from '../../support/operators.ts';
import { startWorld, type World } from '../../support/world.ts';

const tenant = '99999999-9999-4999-8999-999999999999';

let directory: string;
let issuer: TestIssuer;
let world: World;
let port: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-tls-'));
  const tls = await makeCertificate(directory, 'first', { host: 'console.example' });
  issuer = await startIssuer();
  world = await startWorld({
    // Every address of the machine.
    settings: { tls, console: { ...consoleOf(issuer), host: '0.0.0.0', hosts: ['console.example'] } },
  });
  ({ port } = new URL(world.proxy.consoleUrl ?? ''));
});
afterAll(async () => {
  await world.close();
  await issuer.stop();
  await rm(directory, { recursive: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly res: IncomingMessage;
}

/** A request to the console by its name, whose certificate is checked. */
async function ask(
  name: string,
  {
    method = 'GET',
    path = '/api/session',
    headers = {},
  }: { method?: string; path?: string; headers?: object },
): Promise<Answer> {
  const ca = await readFile(join(directory, `${name}.pem`));
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    const req = https.request(
      {
        ...{ host: '127.0.0.1', port, path, method, ca, agent: false, servername: 'console.example' },
        headers: { host: `console.example:${port}`, ...headers },
      },
      resolve,
    );
    req.on('error', reject);
    req.end();
  });
  return { status: res.statusCode, res };
}

test('a console for others speaks TLS, and its cookie never leaves it', async () => {
  const origin = `https://console.example:${port}`;
  const begun = await ask('first', {
    method: 'POST',
    headers: { ...(await operator(issuer, [tenant])), origin },
  });
  expect(begun.status).toBe(204);
  begun.res.resume();
  const [set = ''] = begun.res.headers['set-cookie'] ?? [];
  expect(set).toMatch(
    /^__Host-tallylight=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure; Max-Age=\d+$/,
  );
  const cookie = set.split(';')[0] ?? '';
  const { status, res } = await ask('first', { headers: { cookie } });
  expect(status).toBe(200);
  expect(await json(res)).toMatchObject({ who: { subject: 'ada' }, tenants: [tenant] });
  // The same page without TLS is another origin.
  const plain = await ask('first', { headers: { cookie, origin: origin.replace('https', 'http') } });
  expect(plain.status).toBe(403);
  plain.res.resume();
});

test('a renewed certificate is taken without a restart', async () => {
  const renewed = await makeCertificate(directory, 'second', { host: 'console.example' });
  await copyFile(renewed.certFile, join(directory, 'first.pem'));
  await copyFile(renewed.keyFile, join(directory, 'first.key'));
  const found = await eventually(async () => {
    const { res } = await ask('second', {}).catch(() => ({ res: undefined }));
    res?.resume();
    return (res?.socket as TLSSocket | undefined)?.getPeerCertificate().subject.CN;
  });
  expect(found).toBe('second');
});
