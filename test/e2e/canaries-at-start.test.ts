import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sandboxApp } from '../../src/sandbox/token-mint.ts';
import { Canaries } from '../support/canaries.ts';
import { startCanaryTestBed, type CanaryTestBed } from '../support/canary-test-bed.ts';
import { eventually } from '../support/eventually.ts';
import { failedStart, startProxyProcess } from '../support/process.ts';

describe('a start that fails says nothing of', () => {
  let directory: string;
  let testBed: CanaryTestBed;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tallylight-start-'));
    testBed = await startCanaryTestBed('jwt');
  });
  afterAll(async () => {
    await testBed.close();
    await rm(directory, { recursive: true });
  });
  const credential = (more: object): string =>
    JSON.stringify({ tokenEndpoint: 'http://127.0.0.1:1/token', clientId: sandboxApp, ...more });
  const file = async (content: string): Promise<string> => {
    const path = join(directory, randomUUID());
    await writeFile(path, content);
    return path;
  };

  type Mistake = (secret: (name: string) => string) => object | Promise<object>;
  const mistakes: [string, Mistake][] = [
    [
      'a client secret in a credential that is not JSON',
      (secret) => ({ TALLYLIGHT_GRAPH_CREDENTIAL: `{"clientSecret":"${secret('s')}"` }),
    ],
    [
      'a client secret beside another one',
      (secret) => ({
        TALLYLIGHT_GRAPH_CREDENTIAL: credential({ clientSecret: secret('a'), privateKeyFile: secret('b') }),
      }),
    ],
    [
      'a client secret under a name that is not known',
      (secret) => ({ TALLYLIGHT_GRAPH_CREDENTIAL: credential({ secret: secret('s') }) }),
    ],
    [
      'a private key that cannot be read',
      async (secret) => ({
        TALLYLIGHT_GRAPH_CREDENTIAL: credential({ privateKeyFile: await file(secret('key')) }),
      }),
    ],
    [
      'the key of a certificate that cannot be read',
      async (secret) => ({
        TALLYLIGHT_TLS_CERT_FILE: await file(secret('certificate')),
        TALLYLIGHT_TLS_KEY_FILE: await file(secret('key')),
      }),
    ],
    [
      'the password in an address of another store',
      (secret) => ({ TALLYLIGHT_REDIS_URL: `http://:${secret('p')}@x` }),
    ],
    [
      'the user and password in an address of Graph',
      (secret) => ({ TALLYLIGHT_GRAPH_URL: `https://me:${secret('p')}@graph.example` }),
    ],
    [
      'a secret in the name of a setting',
      (secret) => ({ [`TALLYLIGHT_${secret('name')}`]: secret('value') }),
    ],
    [
      'a secret in a file of settings with a mistake',
      async (secret) => ({
        TALLYLIGHT_CONFIG: await file(`TALLYLIGHT_REDIS_URL: [${secret('in a file')}\n`),
      }),
    ],
  ];

  test.each(mistakes)('%s', async (_, mistake) => {
    const canaries = new Canaries();
    const wrong = (await mistake((name) => canaries.make(name))) as Record<string, string>;
    const { code, output } = await failedStart({ ...testBed.settings, ...wrong });
    expect(code).toBe(3);
    // A mistake of the operator is told, not traced.
    expect(output).toMatch(/^tallylight: /m);
    expect(output).not.toMatch(/^\s+at /m);
    expect(canaries.search('the output', output)).toEqual([]);
  });

  test('a wrong password of the store, which is only told to be wrong', async () => {
    const canaries = new Canaries();
    const url = testBed.redis!.url.replace('//', `//:${canaries.word('wrong password')}@`);
    const proxy = await startProxyProcess({ ...testBed.settings, TALLYLIGHT_REDIS_URL: url });
    await eventually(() => proxy.lines.some((line) => /WRONGPASS/.test(line)));
    proxy.kill('SIGTERM');
    await proxy.exited;
    expect(canaries.search('the output', proxy.lines.join('\n'))).toEqual([]);
  });
});
