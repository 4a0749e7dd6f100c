import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually } from '../test/support/eventually.ts';
import { freePort } from '../test/support/free-port.ts';
import { benchDirectory, launch, type Launched } from './processes.ts';

const modules = '/usr/lib/nginx/modules';
const needed = ['nginx', 'libnginx-mod-http-lua', 'lua-nginx-redis'];

const hasNginx = (): boolean => spawnSync('nginx', ['-v'], { stdio: 'ignore' }).status === 0;
const hasLua = (): boolean =>
  existsSync(`${modules}/ngx_http_lua_module.so`) && existsSync('/usr/share/lua/5.1/nginx/redis.lua');

/** Which of the two there are; on Debian root installs what is missing. */
export function ensureNginx(): { readonly plain: boolean; readonly lua: boolean } {
  const missing = !hasNginx() || !hasLua();
  if (missing && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    // No service is started: the benchmarks start servers of their own.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const run = (...args: string[]): boolean =>
      spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
    if (run('update')) run('install', '-y', '--no-install-recommends', ...needed);
  }
  return { plain: hasNginx(), lua: hasNginx() && hasLua() };
}

interface NginxPlace {
  readonly directory: string;
  readonly sinkPort: number;
  readonly graphPort: number;
  readonly redisPort: number;
  readonly lua: boolean;
}

const read = (file: string): string => readFileSync(join(benchDirectory, 'peers', file), 'utf8');

/** An nginx of its own, with its configuration and its files in a private directory. */
export async function startNginx({
  directory,
  sinkPort,
  graphPort,
  redisPort,
  lua,
}: NginxPlace): Promise<{ process: Launched; port: number }> {
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const fill: Readonly<Record<string, string>> = {
    LOAD_MODULES: lua
      ? ['ndk_http_module', 'ngx_http_lua_module']
          .map((name) => `load_module ${modules}/${name}.so;`)
          .join('\n')
      : '',
    CHECK: lua ? read('check.lua') : '',
    DIRECTORY: directory,
    SINK_PORT: String(sinkPort),
    GRAPH_PORT: String(graphPort),
    REDIS_PORT: String(redisPort),
    PORT: String(port),
  };
  let text = read('nginx.conf');
  for (const [word, value] of Object.entries(fill))
    text = text.replaceAll(new RegExp(`(?<![A-Z_])${word}(?![A-Z_])`, 'g'), () => value);
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, text);
  const process = launch('nginx', ['-p', directory, '-c', file], { proxy: true });
  await eventually(
    () => {
      if (process.ended) throw new Error(`nginx ended:\n${process.output}`);
      return accepts(port);
    },
    { what: 'nginx listening' },
  );
  return { process, port };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
