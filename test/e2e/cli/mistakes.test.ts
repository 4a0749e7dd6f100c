import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TokenMint } from '../../../src/sandbox/token-mint.ts';
import { runToEnd, settingsFor } from '../../support/process.ts';
import { startRedis } from '../../support/redis.ts';

const healthCheck = fileURLToPath(new URL('../../../dist/src/cli/health.js', import.meta.url));

type Env = Readonly<Record<string, string>>;

let directory: string;
/** Listens on a port of 127.0.0.1 that the program is told to take. */
let occupant: Server;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-mistakes-'));
  occupant = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(occupant, 'listening');
});
afterAll(async () => {
  occupant.close();
  await rm(directory, { recursive: true });
});

const takenPort = (): number => (occupant.address() as AddressInfo).port;

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

/** A directory with one file. */
async function folder(name: string, text: string): Promise<string> {
  const path = await mkdtemp(join(directory, 'folder-'));
  await writeFile(join(path, name), text);
  return path;
}

/** What a proxy needs; nobody is asked before it listens. */
function proxy(): Env {
  const nobody = 'http://127.0.0.1:9';
  const mint = { issuer: nobody, audience: 'api://x', jwksUri: nobody, tokenEndpoint: nobody } as TokenMint;
  return settingsFor({ mint, graph: { url: nobody }, sink: { url: nobody } }, directory);
}

const credential = (more: object): string =>
  JSON.stringify({ tokenEndpoint: 'https://login.example/token', clientId: 'client', ...more });

const anyPorts: Env = { TALLYLIGHT_PORT: '0', TALLYLIGHT_ADMIN_PORT: '0' };

interface Mistake {
  readonly what: string;
  /** What the line begins with, after the name of the program. */
  readonly says: string | RegExp;
  /** Settings besides those of a proxy, or of the sandbox alone. */
  readonly env?: () => Env | Promise<Env>;
  readonly sandbox?: true;
}

const usage: readonly (readonly [args: readonly string[], says: string])[] = [
  [['sandbx'], 'unknown argument sandbx;'],
  [['help', 'setting'], 'unknown argument setting;'],
  [['--port'], "Unknown option '--port';"],
];

const configuration: readonly Mistake[] = [
  {
    what: 'a wrong value',
    env: () => ({ TALLYLIGHT_DRAIN_MS: 'soon' }),
    says: 'TALLYLIGHT_DRAIN_MS must be a whole number',
  },
  {
    what: 'an unknown name',
    env: () => ({ TALLYLIGHT_DRIAN_MS: '5' }),
    says: 'TALLYLIGHT_DRIAN_MS is not a setting; the nearest is TALLYLIGHT_DRAIN_MS',
  },
  {
    what: 'broken JSON in a setting',
    env: () => ({ TALLYLIGHT_ISSUERS: '[\n  {"issuer": "x",, }\n]' }),
    says: /^TALLYLIGHT_ISSUERS is not valid YAML or JSON \(.+\) at line 2, column 18 of its value$/,
  },
  {
    what: 'broken YAML in the file of settings',
    env: async () => ({
      TALLYLIGHT_CONFIG: await file('broken.yaml', 'TALLYLIGHT_PORT: 0\nTALLYLIGHT_PORT: 0'),
    }),
    says: /^TALLYLIGHT_CONFIG: \S+broken\.yaml:2:1: this is not valid YAML or JSON \(duplicate key\)$/,
  },
  {
    what: 'a file of settings that is not there',
    env: () => ({ TALLYLIGHT_CONFIG: join(directory, 'nowhere.yaml') }),
    says: 'TALLYLIGHT_CONFIG names a file that cannot be read (ENOENT)',
  },
  {
    what: 'a key of TLS that is not there',
    env: async () => ({
      TALLYLIGHT_TLS_CERT_FILE: await file('cert.pem', 'x'),
      TALLYLIGHT_TLS_KEY_FILE: join(directory, 'nowhere.pem'),
    }),
    says: 'TALLYLIGHT_TLS_KEY_FILE names a file that cannot be read (ENOENT)',
  },
  {
    what: 'a certificate that is none',
    env: async () => ({
      TALLYLIGHT_TLS_CERT_FILE: await file('no-cert.pem', 'x'),
      TALLYLIGHT_TLS_KEY_FILE: await file('no-key.pem', 'x'),
    }),
    says: 'TALLYLIGHT_TLS_CERT_FILE and TALLYLIGHT_TLS_KEY_FILE are not a matching certificate and private key',
  },
  {
    what: 'a key of a credential that is a directory',
    env: () => ({ TALLYLIGHT_GRAPH_CREDENTIAL: credential({ privateKeyFile: directory }) }),
    says: 'TALLYLIGHT_GRAPH_CREDENTIAL.privateKeyFile names a file that cannot be read (EISDIR)',
  },
  {
    what: 'a key of a credential that is none',
    env: async () => ({
      TALLYLIGHT_GRAPH_CREDENTIAL: credential({ privateKeyFile: await file('bot.pem', 'x'), keyId: 'one' }),
    }),
    says: 'TALLYLIGHT_GRAPH_CREDENTIAL: ',
  },
  {
    what: 'a list of revoked tokens that is not there',
    env: () => ({ TALLYLIGHT_REVOKED_TOKENS_FILE: join(directory, 'nowhere.yaml') }),
    says: 'TALLYLIGHT_REVOKED_TOKENS_FILE names a file that cannot be read (ENOENT)',
  },
  {
    what: 'a list of revoked tokens with an entry that is none',
    env: async () => ({
      TALLYLIGHT_REVOKED_TOKENS_FILE: await file('revoked.yaml', '- jti: one\n- { jti: two, uti: three }\n'),
    }),
    says: 'TALLYLIGHT_REVOKED_TOKENS_FILE: ',
  },
  {
    what: 'policies that are not there',
    env: () => ({ TALLYLIGHT_POLICY_DIR: join(directory, 'nowhere') }),
    says: 'TALLYLIGHT_POLICY_DIR: the policy directory cannot be read: ENOENT',
  },
  {
    what: 'a policy that is not JSON',
    env: async () => ({ TALLYLIGHT_POLICY_DIR: await folder('bank.json', '{\n  "name" "bank"\n}') }),
    says: /^TALLYLIGHT_POLICY_DIR: \S+bank\.json:2:10: this is not valid YAML or JSON/,
  },
  {
    what: 'a policy with a wrong rule',
    env: async () => ({
      TALLYLIGHT_POLICY_DIR: await folder('bank.yaml', 'name: bank\nmatch: {}\ndrainMs: -1'),
    }),
    says: /^TALLYLIGHT_POLICY_DIR: \S+bank\.yaml:3: drainMs must be at least 0$/,
  },
  {
    what: 'a sandbox on an address that others can reach',
    env: () => ({ TALLYLIGHT_HOST: '0.0.0.0' }),
    sandbox: true,
    says: 'TALLYLIGHT_HOST must be a loopback address in the sandbox',
  },
];

const cannotStart: readonly Mistake[] = [
  {
    what: 'a port in use',
    env: () => ({ TALLYLIGHT_PORT: String(takenPort()) }),
    says: /^TALLYLIGHT_PORT: port \d+ of 127\.0\.0\.1 is in use; stop the process that uses it, or choose another port$/,
  },
  {
    what: 'an admin port in use',
    env: () => ({ TALLYLIGHT_ADMIN_PORT: String(takenPort()) }),
    says: /^TALLYLIGHT_ADMIN_PORT: port \d+ of 127\.0\.0\.1 is in use; /,
  },
  {
    what: 'an address of another machine',
    env: () => ({ TALLYLIGHT_HOST: '192.0.2.1', TALLYLIGHT_PUBLIC_URL: 'https://tallylight.example' }),
    says: 'TALLYLIGHT_HOST: 192.0.2.1 is not an address of this machine; set one that is',
  },
  {
    what: 'a name that nobody has',
    env: () => ({ TALLYLIGHT_HOST: 'tally.invalid', TALLYLIGHT_PUBLIC_URL: 'https://tallylight.example' }),
    says: 'TALLYLIGHT_HOST: tally.invalid cannot be resolved to an address; set an address',
  },
  {
    what: 'a directory of evidence that cannot be made',
    env: async () => ({ TALLYLIGHT_EVIDENCE_DIR: join(await file('plain', ''), 'evidence') }),
    says: /^TALLYLIGHT_EVIDENCE_DIR: .*ENOTDIR.*; name one that this process can create and write to$/,
  },
  {
    what: 'a directory of evidence that has lost its id',
    env: async () => ({ TALLYLIGHT_EVIDENCE_DIR: await folder('sink-id', 'nothing') }),
    says: /^TALLYLIGHT_EVIDENCE_DIR: .*sink-id does not contain a UUID; restore the file$/,
  },
  {
    what: 'a directory of the sandbox that cannot be made',
    env: async () => ({ TALLYLIGHT_SANDBOX_DIR: join(await file('plain', ''), 'sandbox') }),
    sandbox: true,
    says: /^TALLYLIGHT_SANDBOX_DIR: .*ENOTDIR.*; name a directory that this process can create and write to$/,
  },
  {
    what: 'a port of the sandbox in use',
    env: () => ({ TALLYLIGHT_PORT: String(takenPort() - 1) }),
    sandbox: true,
    says: /^TALLYLIGHT_PORT \(the sandbox also takes the five ports after it\): port \d+ of 127\.0\.0\.1 is in use; /,
  },
  {
    what: 'a port of the sandbox that does not exist',
    env: () => ({ TALLYLIGHT_PORT: '65535' }),
    sandbox: true,
    says: /^TALLYLIGHT_PORT \(.*\): there is no port 6553\d; choose a smaller one$/,
  },
];

const envOf = async ({ env = () => ({}), sandbox }: Mistake): Promise<Env> => ({
  ...(sandbox === true ? anyPorts : proxy()),
  ...(await env()),
});

/** Without the name of the program, if it is one line. */
const lineOf = (err: string): string | undefined => /^tallylight: ([^\n]+)\n$/.exec(err)?.[1];

function expectLine(err: string, says: string | RegExp): void {
  const line = lineOf(err) ?? `not one line: ${err}`;
  if (typeof says === 'string') expect(line.slice(0, says.length)).toBe(says);
  else expect(line).toMatch(says);
}

describe('one line on standard error, nothing on standard output, and exit code', () => {
  test.each(usage)('2 for %j', async (args, says) => {
    const { code, out, err } = await runToEnd(args, {});
    expect([code, out]).toEqual([2, '']);
    expectLine(err, says);
    expect(err).toMatch(/see tallylight --help\n$/);
  });

  // What a start that begins well logs goes to standard output.
  const quiet = { TALLYLIGHT_LOG_LEVEL: 'silent' };

  test.each(configuration)('3 for $what', async (mistake) => {
    const { code, out, err } = await runToEnd(
      [],
      { ...(await envOf(mistake)), ...quiet },
      { cwd: directory },
    );
    expect([code, out]).toEqual([3, '']);
    expectLine(err, mistake.says);
  });

  test.each(cannotStart)('4 for $what', async (mistake) => {
    const { code, out, err } = await runToEnd(
      [],
      { ...(await envOf(mistake)), ...quiet },
      { cwd: directory },
    );
    expect([code, out]).toEqual([4, '']);
    expectLine(err, mistake.says);
  });

  test('4 for a Redis that may evict keys', async () => {
    const redis = await startRedis({ settings: ['--maxmemory-policy', 'allkeys-lru'] });
    const { code, out, err } = await runToEnd([], {
      ...proxy(),
      ...quiet,
      TALLYLIGHT_REDIS_URL: redis.url,
    });
    await redis.stop();
    expect([code, out]).toEqual([4, '']);
    expectLine(err, 'TALLYLIGHT_REDIS_URL names a server that cannot be used: ');
  });

  test('as many lines as mistakes', async () => {
    const { code, out, err } = await runToEnd([], { TALLYLIGHT_PORT: 'x', TALLYLIGHT_DRAIN_MS: 'soon' });
    expect([code, out]).toEqual([3, '']);
    expect(err.trim().split('\n')).toEqual([
      expect.stringMatching(/^tallylight: TALLYLIGHT_PORT must be/),
      expect.stringMatching(/^tallylight: TALLYLIGHT_DRAIN_MS must be/),
    ]);
  });
});

describe('with workers, each mistake is told once too, with exit code', () => {
  test.each([
    [3, 'TALLYLIGHT_POLICY_DIR: ', () => ({ TALLYLIGHT_POLICY_DIR: join(directory, 'nowhere') })],
    [4, 'TALLYLIGHT_ADMIN_PORT: ', () => ({ TALLYLIGHT_ADMIN_PORT: String(takenPort()) })],
    [4, 'TALLYLIGHT_PORT: ', () => ({ TALLYLIGHT_PORT: String(takenPort()) })],
    [4, 'TALLYLIGHT_EVIDENCE_DIR: ', () => ({ TALLYLIGHT_EVIDENCE_DIR: '/dev/null/evidence' })],
  ] as const)('%i: %s', async (exit, says, env) => {
    const redis = await startRedis();
    const { code, err } = await runToEnd([], {
      ...proxy(),
      TALLYLIGHT_WORKERS: '2',
      TALLYLIGHT_REDIS_URL: redis.url,
      ...env(),
    });
    await redis.stop();
    expect(code).toBe(exit);
    expectLine(err, says);
  });
});

test.each<[string, () => Env, RegExp]>([
  ['settings that are wrong', () => ({ TALLYLIGHT_PORT: 'x' }), /TALLYLIGHT_PORT must be/],
  [
    'an instance that does not answer as one',
    () => ({ TALLYLIGHT_ADMIN_PORT: String(takenPort()) }),
    /ECONNRESET|socket hang up/,
  ],
])('the health check exits with 1 for %s, and says why', async (_, env, why) => {
  const { code, out, err } = await runToEnd([], env(), { main: healthCheck });
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^tallylight: not healthy: [^\n]+\n$/);
  expect(err).toMatch(why);
});

test('an error of the program itself shows its stack, and exits with 1', async () => {
  const bug =
    "import http from 'node:http'; http.Server.prototype.listen = () => { throw new TypeError('a bug'); };";
  const { code, err } = await runToEnd([], {
    ...proxy(),
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(bug)}`,
  });
  expect(code).toBe(1);
  expect(err).toMatch(/^tallylight: unexpected error: TypeError: a bug\n +at /);
});
