import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StartUnit } from '../../../src/core/http/request-start.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';

export const edgeNames = ['nginx', 'HAProxy', 'Caddy'] as const;
export type EdgeName = (typeof edgeNames)[number];

/**
 * `recommended`: as the documents show it. `plain`: with as little as it takes. `buffering`: made to keep a body until it is
 * whole, and to stamp requests as is recommended. `stampedLate`: the same, with the stamp where it seems to belong.
 */
export type Manner = 'recommended' | 'plain' | 'buffering' | 'stampedLate';

export const header = 'X-Request-Start';
export const unitOf: Readonly<Record<EdgeName, StartUnit>> = { nginx: 's', HAProxy: 'ms', Caddy: 'ms' };

export interface Edge {
  readonly url: string;
  close(): Promise<void>;
}

const deployed = (path: string): string => fileURLToPath(new URL(`../../../deploy/${path}`, import.meta.url));

/** Every change must find its place: otherwise what is tested would not be what it is called. */
const changed = (text: string, changes: readonly (readonly [from: string, to: string])[]): string =>
  changes.reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`the configuration has no "${from}"`);
    return before.replaceAll(from, to);
  }, text);

interface Kind {
  readonly file: string;
  readonly changes: Readonly<Record<'buffering' | 'stampedLate', readonly (readonly [string, string])[]>>;
  readonly plain: string;
  /** The whole configuration, and how to run it. */
  readonly wrap: (config: string, directory: string) => string;
  readonly command: (config: string) => readonly [program: string, ...args: string[]];
}

const kinds: Readonly<Record<EdgeName, Kind>> = {
  nginx: {
    file: 'nginx/tallylight.conf',
    changes: {
      buffering: [['proxy_request_buffering off;', 'proxy_request_buffering on;']],
      stampedLate: [
        ['proxy_request_buffering off;', 'proxy_request_buffering on;'],
        ['"t=$started"', '"t=$msec"'],
      ],
    },
    plain: 'server { listen 8000; location / { proxy_pass http://tallylight:8080; } }',
    wrap: (config, directory) => `
daemon off;
master_process off;
pid ${directory}/pid;
error_log stderr warn;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  ${config}
}`,
    command: (config) => ['nginx', '-e', 'stderr', '-c', config],
  },
  HAProxy: {
    file: 'haproxy/haproxy.cfg',
    changes: {
      buffering: [['    bind :8000\n', '    bind :8000\n    option http-buffer-request\n']],
      stampedLate: [['    bind :8000\n', '    bind :8000\n    option http-buffer-request\n']],
    },
    plain: `
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend bots
    bind :8000
    default_backend tallylight
backend tallylight
    server tallylight tallylight:8080
`,
    wrap: (config) => config,
    command: (config) => ['haproxy', '-db', '-f', config],
  },
  Caddy: {
    file: 'caddy/Caddyfile',
    changes: {
      buffering: [['flush_interval -1', 'flush_interval -1\n\t\tbuffer_requests']],
      stampedLate: [
        ['flush_interval -1', 'flush_interval -1\n\t\tbuffer_requests'],
        ['"t={http.vars.started}"', '"t={time.now.unix_ms}"'],
      ],
    },
    plain: ':8000 {\n\treverse_proxy tallylight:8080\n}\n',
    wrap: (config) => `{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n${config}`,
    command: (config) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', config],
  },
};

/** Starts an edge in front of an origin, with the files that the documents show; only its places are put in. */
export async function startEdge(name: EdgeName, manner: Manner, origin: string): Promise<Edge> {
  const { file, changes, plain, wrap, command } = kinds[name];
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-edge-'));
  const port = await freePort();
  const text = manner === 'plain' ? plain : await readFile(deployed(file), 'utf8');
  const config = changed(
    manner === 'plain' || manner === 'recommended' ? text : changed(text, changes[manner]),
    [
      [name === 'nginx' ? '8000' : ':8000', `${name === 'Caddy' ? '' : '127.0.0.1'}:${port}`],
      ['tallylight:8080', new URL(origin).host],
    ],
  );
  const path = join(directory, 'config');
  await writeFile(path, wrap(config, directory));
  const [program, ...args] = command(path);
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: [process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter),
      HOME: directory,
      XDG_DATA_HOME: directory,
      XDG_CONFIG_HOME: directory,
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'close');
  const edge: Edge = {
    url: `http://127.0.0.1:${port}`,
    async close() {
      child.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true });
    },
  };
  await eventually(
    () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`);
      return answers(port);
    },
    { what: `${name} to listen (${said})` },
  );
  return edge;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
