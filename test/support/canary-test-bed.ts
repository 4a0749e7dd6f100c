import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startPeers, type Peers } from '../../src/sandbox/peers.ts';
import { notificationIssuerOf, sandboxApp, sandboxTenant } from '../../src/sandbox/token-mint.ts';
import { Canaries } from './canaries.ts';
import { eventually } from './eventually.ts';
import { settingsFor, startProxyProcess, type ProxyProcess } from './process.ts';
import { json, send, type Answer } from './raw-http.ts';
import { startRedis, type TestRedis } from './redis.ts';

/** The tenant whose bots the proxy speaks for with a private key; the sandbox's has a client secret. */
export const keyTenant = '77777777-7777-4777-8777-777777777777';

export interface Request {
  readonly method?: string;
  readonly token?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** A value is sent as JSON, a text as it is. */
  readonly body?: unknown;
}

/** A proxy as a process that logs everything, with a secret in every place that one can have. */
export interface CanaryTestBed {
  readonly peers: Peers;
  readonly proxy: ProxyProcess;
  readonly canaries: Canaries;
  readonly redis: TestRedis | undefined;
  readonly settings: Readonly<Record<string, string>>;
  /** How the token endpoint answers: with a token, or with an error that quotes what it was sent. */
  quoting: boolean;
  /** Undefined: the connection was cut without an answer. What the proxy itself answers is kept. */
  ask(path: string, request: Request): Promise<Answer | undefined>;
  /** Everything that was said, by the process and in its files, once it has ended. */
  said(): Promise<Record<string, string>>;
  close(): Promise<void>;
}

export async function startCanaryTestBed(mode: 'jwt' | 'graph'): Promise<CanaryTestBed> {
  const canaries = new Canaries();
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-canaries-'));
  const peers = await startPeers('127.0.0.1', 0, directory);
  const endpoint = await startTokenEndpoint(peers, canaries);
  const password = canaries.word('password of Redis');
  const redis =
    mode === 'graph'
      ? undefined
      : await startRedis({ appendOnly: true, settings: ['--requirepass', password] });
  const settings = {
    ...settingsFor(peers, directory),
    ...(await files(directory, canaries)),
    TALLYLIGHT_LOG_LEVEL: 'trace',
    TALLYLIGHT_ACCESS_LOG: 'on',
    TALLYLIGHT_CONTROL_AUTH: mode,
    TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: '/callbacks/*', upstream: peers.callbackBot.url }]),
    TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notificationIssuerOf(peers.mint)]),
    ...(redis === undefined
      ? {}
      : {
          TALLYLIGHT_REDIS_URL: redis.url.replace('//', `//:${password}@`),
          TALLYLIGHT_GRAPH_CREDENTIAL: credentials(endpoint.url, directory, canaries),
        }),
  };
  if (redis === undefined) delete (settings as Partial<typeof settings>).TALLYLIGHT_GRAPH_CREDENTIAL;
  const proxy = await startProxyProcess(settings);
  // It listens after a while even if it has not joined its store.
  await eventually(async () => (await fetch(`${proxy.adminUrl}/readyz/gates`)).ok);
  const answers: string[] = [];
  let metrics = '';

  const ask: CanaryTestBed['ask'] = async (path, { body, headers = {}, ...request }) => {
    const sending = typeof body === 'string' || body === undefined ? { body } : json(body);
    const answer = await send(proxy.url, {
      ...request,
      path,
      headers: {
        'content-type': 'application/json',
        ...headers,
        ...('headers' in sending ? sending.headers : {}),
      },
      ...(sending.body === undefined ? {} : { body: sending.body }),
    }).catch(() => undefined);
    // What Graph, the bot or the media handler answered is theirs.
    if (answer?.headers['tallylight-reason'] !== undefined)
      answers.push(JSON.stringify(answer.headers) + answer.body);
    // The numbers of now: the process takes them with it.
    metrics = (await send(proxy.adminUrl, { path: '/metrics' })).body;
    return answer;
  };

  return {
    peers,
    proxy,
    canaries,
    redis,
    settings,
    get quoting() {
      return endpoint.quoting;
    },
    set quoting(value) {
      endpoint.quoting = value;
    },
    ask,
    async said() {
      proxy.kill('SIGTERM');
      await proxy.exited;
      return {
        'the output of the process': proxy.lines.join('\n'),
        'the refusals': answers.join('\n'),
        'the metrics': metrics,
        'the evidence': await contents(join(directory, 'evidence')),
        'the store': redis === undefined ? 'none' : await contents(await redis.copyData()),
      };
    },
    async close() {
      proxy.kill('SIGKILL');
      await proxy.exited;
      await Promise.all([peers.close(), redis?.stop()]);
      endpoint.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** A policy that allows all it can, and a private key. */
async function files(directory: string, canaries: Canaries): Promise<Record<string, string>> {
  const policies = join(directory, 'policies');
  await mkdir(policies);
  const allowed = { recordResponse: 'whileRecording', updateMetadata: 'forward', operationPatch: 'forward' };
  await writeFile(join(policies, 'all.json'), JSON.stringify({ name: 'all', match: {}, ...allowed }));
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await writeFile(join(directory, 'bot.pem'), canaries.pem('private key', pem));
  return { TALLYLIGHT_POLICY_DIR: policies };
}

function credentials(tokenEndpoint: string, directory: string, canaries: Canaries): string {
  const clientSecret = canaries.make('client secret');
  const privateKeyFile = join(directory, 'bot.pem');
  return JSON.stringify([
    { tokenEndpoint, clientId: sandboxApp, clientSecret, tenants: [sandboxTenant] },
    { tokenEndpoint, clientId: sandboxApp, privateKeyFile, tenants: [keyTenant] },
  ]);
}

interface TokenEndpoint {
  readonly url: string;
  quoting: boolean;
  close(): void;
}

/** Takes any proof, and knows who proved themselves how: a secret is for the sandbox's tenant, a key for the other. */
async function startTokenEndpoint({ mint }: Peers, canaries: Canaries): Promise<TokenEndpoint> {
  const answer = async (form: URLSearchParams): Promise<{ status: number; body: object }> => {
    const assertion = form.get('client_assertion');
    if (assertion !== null) canaries.token('client assertion', assertion);
    const tid = assertion === null ? sandboxTenant : keyTenant;
    const claims = { tid, appid: sandboxApp, sub: canaries.make('subject of the Graph token') };
    const token = canaries.token('Graph token', await mint.mintGraphToken(claims));
    if (!endpoint.quoting)
      return { status: 200, body: { token_type: 'Bearer', expires_in: 1, access_token: token } };
    const description = `AADSTS7000215: ${form.toString()} is not ${token}`;
    return { status: 401, body: { error: 'invalid_client', error_description: description } };
  };
  const server = createServer((req, res) => {
    text(req)
      .then((body) => answer(new URLSearchParams(body)))
      .then(
        ({ status, body }) => {
          const headers = { 'content-type': 'application/json', connection: 'close' };
          res.writeHead(status, headers).end(JSON.stringify(body));
        },
        () => res.destroy(),
      );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint: TokenEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    quoting: false,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return endpoint;
}

async function contents(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const texts = await Promise.all(names.map((name) => readFile(name, 'latin1')));
  return [...names, ...texts].join('\n');
}
