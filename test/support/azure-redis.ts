import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { RedisEntraConfig } from '../../src/auth/redis-login.ts';
import { eventually } from './eventually.ts';
import { startPlatform } from './federation.ts';
import { startCluster, startRedis, type TestRedis } from './redis.ts';

/** A connection of a client, with the token that it logged in with last. */
interface Login {
  readonly socket: Socket;
  token: string;
  /** Tokens that it has used, in order. */
  readonly tokens: string[];
}

/**
 * A real Redis, or a cluster of them, that behaves as Azure documents its managed Redis: the only user is the object id of
 * an identity, its password is an access token, and a connection is cut when its token expires, unless it sent AUTH with
 * another meanwhile. When tokens expire is for the test to say; how long clients are told that they last, too.
 */
export interface AzureRedis {
  readonly url: string;
  readonly config: RedisEntraConfig;
  /** Connections that are logged in. */
  readonly logins: readonly Login[];
  /** Tokens that were issued, in order. */
  readonly issued: readonly string[];
  /** What the token endpoint was sent. */
  readonly requests: readonly URLSearchParams[];
  /** How many connections were cut because their token had expired. */
  readonly cuts: number;
  /** What a client is told of the lifetime of a token. */
  lifetimeSeconds: number;
  /** The token endpoint answers 500. */
  isDown: boolean;
  /** These tokens are accepted no more, and what still uses them is cut. */
  expire(tokens: readonly string[]): Promise<void>;
  /** Runs a command on every server, as an administrator. */
  cli(...args: readonly string[]): Promise<readonly string[]>;
  stop(): Promise<void>;
}

const admin = 'an-administrator';
const objectId = '77777777-8888-4999-8aaa-bbbbbbbbbbbb';
const clientId = '22222222-3333-4444-8555-666666666666';
const scope = 'https://redis.azure.com/.default';

export async function startAzureRedis({
  clustered = false,
  tls,
}: { readonly clustered?: boolean; readonly tls?: TlsOptions } = {}): Promise<AzureRedis> {
  const cluster = clustered ? await startCluster() : undefined;
  const servers: readonly TestRedis[] = cluster?.nodes ?? [await startRedis()];
  const platform = await startPlatform();
  await platform.project();
  const logins = new Set<Login>();
  const sockets = new Set<Socket>();
  const fronts: Server[] = [];
  const issued: string[] = [];
  const requests: URLSearchParams[] = [];
  const state = { lifetimeSeconds: 3600, isDown: false, cuts: 0 };

  const cli: AzureRedis['cli'] = (...args) =>
    Promise.all(
      servers.map((server) => server.cli('--user', 'admin', '-a', admin, '--no-auth-warning', ...args)),
    );

  const follow = (client: Socket, { port }: TestRedis): void => {
    const server = connect(port, '127.0.0.1');
    const login: Login = { socket: client, token: '', tokens: [] };
    const sniff = commandsIn((words) => {
      const at = words.findIndex((word) => /^auth$/i.test(word));
      if (at < 0 || !/^(?:auth|hello)$/i.test(words[0] ?? '')) return;
      const token = words[at + 2] ?? '';
      login.token = token;
      login.tokens.push(token);
      logins.add(login);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => one.destroy());
      one.on('close', () => {
        sockets.delete(one);
        logins.delete(login);
        other.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      sniff(chunk);
      server.write(chunk);
    });
    server.pipe(client);
  };
  for (const server of servers) {
    const front =
      tls === undefined
        ? createServer((client) => follow(client, server))
        : createTlsServer(tls, (client) => follow(client, server));
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    fronts.push(front);
  }
  const ports = fronts.map((front) => (front.address() as AddressInfo).port);
  if (clustered) {
    for (const [n, server] of servers.entries())
      await server.cli('config', 'set', 'cluster-announce-port', String(ports[n]));
    // Nodes learn of each other's ports by gossip; a client must not find its way around the fronts.
    await eventually(async () => {
      const views = await Promise.all(servers.map((server) => server.cli('cluster', 'nodes')));
      return views.every((view) => ports.every((port) => view.includes(`:${port}@`)));
    });
  }
  for (const server of servers) {
    await server.cli('acl', 'setuser', 'admin', 'on', `>${admin}`, '~*', '&*', '+@all');
    await server.cli('acl', 'setuser', 'default', 'off');
  }
  // As on Azure, the user may do anything but configure the server.
  await cli('acl', 'setuser', objectId, 'on', '~*', '&*', '+@all', '-config');

  const endpoint = createHttpServer((req, res) => {
    const answer = async (): Promise<[status: number, body: unknown]> => {
      const form = new URLSearchParams(await text(req));
      requests.push(form);
      if (state.isDown) return [500, 'oops'];
      const refusal = await platform.refusal(form);
      if (refusal !== undefined || form.get('client_id') !== clientId || form.get('scope') !== scope)
        return [401, { error: 'invalid_client', error_description: refusal ?? 'AADSTS700016' }];
      const token = `entra.${randomBytes(16).toString('hex')}`;
      await cli('acl', 'setuser', objectId, `>${token}`);
      issued.push(token);
      return [200, { token_type: 'Bearer', access_token: token, expires_in: state.lifetimeSeconds }];
    };
    answer().then(
      ([status, body]) => {
        res.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
        res.end(JSON.stringify(body));
      },
      () => res.destroy(),
    );
  });
  endpoint.listen(0, '127.0.0.1');
  await once(endpoint, 'listening');

  const scheme = `redis${tls === undefined ? '' : 's'}${clustered ? '+cluster' : ''}`;
  return Object.defineProperties(
    {
      url: `${scheme}://${ports.map((port) => `localhost:${port}`).join(',')}`,
      config: {
        tokenEndpoint: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`,
        clientId,
        objectId,
        federatedTokenFile: platform.file,
      },
      issued,
      requests,
      async expire(tokens: readonly string[]) {
        for (const token of tokens) await cli('acl', 'setuser', objectId, `<${token}`);
        for (const { socket, token } of [...logins]) {
          if (!tokens.includes(token)) continue;
          state.cuts += 1;
          socket.destroy();
        }
      },
      cli,
      async stop() {
        endpoint.close();
        endpoint.closeAllConnections();
        for (const front of fronts) front.close();
        for (const socket of sockets) socket.destroy();
        await Promise.all(servers.map((server) => server.stop()));
        await platform.stop();
      },
    },
    {
      logins: { get: () => [...logins] },
      cuts: { get: () => state.cuts },
      lifetimeSeconds: { set: (seconds: number) => (state.lifetimeSeconds = seconds) },
      isDown: { set: (isDown: boolean) => (state.isDown = isDown) },
    },
  ) as unknown as AzureRedis;
}

/** Tells of each command of a client (RESP arrays of bulk strings). */
function commandsIn(onCommand: (words: readonly string[]) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  /** The number after a sign, and where its line ends. */
  const line = (at: number): { readonly count: number; readonly next: number } | undefined => {
    const end = rest.indexOf('\r\n', at);
    return end < 0 ? undefined : { count: Number(rest.toString('latin1', at + 1, end)), next: end + 2 };
  };
  const command = (): { readonly words: string[]; readonly next: number } | undefined => {
    const head = rest.length === 0 ? undefined : line(0);
    if (head === undefined) return undefined;
    const words: string[] = [];
    let { next } = head;
    for (let n = 0; n < head.count; n += 1) {
      const word = line(next);
      if (word === undefined || word.next + word.count + 2 > rest.length) return undefined;
      words.push(rest.toString('utf8', word.next, word.next + word.count));
      next = word.next + word.count + 2;
    }
    return { words, next };
  };
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let found = command(); found !== undefined; found = command()) {
      onCommand(found.words);
      rest = rest.subarray(found.next);
    }
  };
}
