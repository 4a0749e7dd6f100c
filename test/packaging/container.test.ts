import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { startPeers, type Peers } from '../../src/sandbox/peers.ts';
import { eventually } from '../support/eventually.ts';
import { settingsFor } from '../support/process.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** The instructions of the Dockerfile, with lines that go on joined. */
const instructions = read('Dockerfile')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const lastOf = (name: string): string | undefined =>
  instructions.findLast((line) => line.startsWith(`${name} `))?.slice(name.length + 1);

describe('the image', () => {
  test('is not root, by number, and has no step after that', () => {
    expect(lastOf('USER')).toBe('1000:1000');
    const after = instructions.slice(instructions.findIndex((line) => line.startsWith('USER ')) + 1);
    expect(after.filter((line) => /^(?:RUN|COPY|ADD|USER) /.test(line))).toEqual([]);
  });

  test('gives its user nothing of the program to write to, and only the evidence besides', () => {
    expect(instructions.filter((line) => /--chown|chmod|^ADD /.test(line))).toEqual([]);
    const given = instructions.filter((line) => /chown| -o /.test(line));
    expect(given).toEqual(['RUN install -d -o node -g node -m 0750 /var/lib/tallylight']);
    expect(lastOf('VOLUME')).toBe('/var/lib/tallylight');
  });

  test('is built from the lock file, without scripts of packages', () => {
    expect(instructions.filter((line) => /\bnpm (?:i|install|ci)\b/.test(line))).toEqual(['RUN npm ci']);
    const copied = instructions.find((line) => line.startsWith('COPY package.json'));
    expect(copied).toBe('COPY package.json package-lock.json .npmrc ./');
    expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
  });

  test('is given nothing that is not named: no keys, no settings, no history', () => {
    const [first, ...allowed] = read('.dockerignore').trim().split('\n');
    expect(first).toBe('**');
    expect(allowed.filter((line) => !line.startsWith('!') || /\*|\.env|\.git\b/.test(line))).toEqual([]);
  });
});

interface Service {
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly privileged?: boolean;
  readonly security_opt?: readonly string[];
  readonly ports?: readonly string[];
  readonly working_dir?: string;
  readonly entrypoint?: readonly string[];
  readonly image?: string;
}

const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>;
};

describe('in docker-compose.yml', () => {
  test.each(Object.entries(services))('%s can neither write to its image nor become root', (_, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect([service.cap_add, service.privileged]).toEqual([undefined, undefined]);
    // Our own image says so itself.
    const user = service.user ?? (service.image === 'tallylight:local' ? lastOf('USER') : 'root');
    expect(user).not.toMatch(/^(?:0|root)\b/);
  });

  test('nothing is published beyond this machine', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  test('a program that starts elsewhere than the image says is named by its whole path', () => {
    const moved = Object.values(services).filter(({ working_dir: at }) => at !== undefined);
    expect(moved.map(({ entrypoint }) => entrypoint?.[1]?.startsWith('/app/dist/'))).toEqual([true]);
  });
});

/** As root of a mount namespace of its own: the program at /mnt/app, and everything but /mnt/data only to read. */
const confine = `
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/app /mnt/data
touch /mnt/node
mount --bind "$APP" /mnt/app
mount --bind "$NODE" /mnt/node
mount -t tmpfs -o "$DATA" none /mnt/data
for place in / /mnt /mnt/app /tmp /dev/shm; do
  if mountpoint -q "$place"; then mount -o remount,bind,ro "$place"; fi
done
cd /mnt/app
exec setpriv "$@"
`;

test('the proxy runs as nobody in particular, without a capability, where only its evidence can be written', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-confined-'));
  const peers: Peers = await startPeers('127.0.0.1', 0, directory);
  const isRoot = process.getuid?.() === 0;
  const entry = JSON.parse(lastOf('ENTRYPOINT') ?? '[]') as string[];
  const who = isRoot ? ['--reuid=1000', '--regid=1000', '--clear-groups'] : [];
  const nothing = ['--inh-caps=-all', '--bounding-set=-all', '--no-new-privs', '--'];
  const child: ChildProcess = spawn(
    'unshare',
    [
      ...['--mount', '--propagation=private', ...(isRoot ? [] : ['--map-root-user'])],
      ...['sh', '-euc', confine, 'confine', ...who, ...nothing, '/mnt/node', ...entry.slice(1)],
    ],
    {
      env: {
        ...{ PATH: process.env.PATH, APP: root, NODE: process.execPath },
        DATA: isRoot ? 'uid=1000,gid=1000,mode=750' : 'mode=700',
        ...settingsFor(peers, directory),
        TALLYLIGHT_EVIDENCE_DIR: '/mnt/data/evidence',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const closed = once(child, 'close');
  try {
    const lines: string[] = [];
    for (const stream of [child.stdout!, child.stderr!])
      createInterface(stream).on('line', (line) => lines.push(line));
    const url = await eventually(() => {
      if (child.exitCode !== null) throw new Error(lines.join('\n'));
      const listening = lines.find((line) => line.includes('"listening"'));
      return listening === undefined ? undefined : (JSON.parse(listening) as { url: string }).url;
    });
    const status = await readFile(`/proc/${child.pid!}/status`, 'utf8');
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).not.toMatch(/^Uid:.*\b0\b/m);
    const mounts = (await readFile(`/proc/${child.pid!}/mounts`, 'utf8')).split('\n');
    const isReadOnly = (place: string): boolean =>
      mounts.filter((line) => line.split(' ')[1] === place).every((line) => / (?:\S+,)?ro[, ]/.test(line));
    expect(['/', '/mnt', '/mnt/app', '/mnt/data', '/tmp'].filter((place) => !isReadOnly(place))).toEqual([
      '/mnt/data',
    ]);

    const bot = new Bot(url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
    await eventually(async () => (await bot.report('recording')).headers['tallylight-gate'] === 'open');
    expect((await bot.upload('x', 640)).status).toBe(201);
    expect((await bot.report('notRecording')).status).toBe(200);
    const evidence = `/proc/${child.pid!}/root/mnt/data/evidence`;
    await eventually(async () => {
      const names = (await readdir(evidence)).filter((name) => name.endsWith('.jsonl'));
      const texts = await Promise.all(names.map((name) => readFile(join(evidence, name), 'utf8')));
      return texts.join('').includes('"stopConfirmed"');
    });
    child.kill('SIGTERM');
    expect((await closed)[0]).toBe(0);
  } finally {
    child.kill('SIGKILL');
    await closed;
    await peers.close();
    await rm(directory, { recursive: true });
  }
});
