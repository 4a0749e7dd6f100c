import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { startPeers } from '../../src/sandbox/peers.ts';
import { eventually } from '../support/eventually.ts';
import { settingsFor, startProxyProcess } from '../support/process.ts';
import { cjsApp, esmApp, importApp, namesApp, typedApp } from './consumers.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const call = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';

interface Manifest {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const install = [
  'install',
  '--prefer-offline',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--no-package-lock',
];

/** Where a project has a package, and every package below it. */
async function placesOf(name: string, project: string): Promise<string[]> {
  const { stdout } = await run('npm', ['query', `[name=${JSON.stringify(name)}]`], { cwd: project });
  return (JSON.parse(stdout) as { location: string }[]).map(({ location }) => location);
}

describe('the packed package', () => {
  let place = '';
  let tarball = '';
  let packed: readonly string[] = [];
  const node = (folder: string, ...args: string[]) =>
    run(process.execPath, args, { cwd: join(place, folder), timeout: 30_000 });

  /** One installation, below which an ESM and a CommonJS project live. */
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'tallylight-package-'));
    await run('npm', ['run', '--silent', 'build'], { cwd: root });
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', place], {
      cwd: root,
    });
    const [pack] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    packed = pack.files.map(({ path }) => path);
    tarball = join(place, pack.filename);
    const { peerDependencies, devDependencies } = await manifest();
    await writeFile(join(place, 'package.json'), '{ "name": "customer", "private": true }');
    // The oldest that the package accepts.
    const peers = Object.entries(peerDependencies).map(([name, range]) => name + range.replace('^', '@'));
    const types = `@types/node@${devDependencies['@types/node']!}`;
    await run('npm', [...install, tarball, ...peers, types], { cwd: place });
    for (const [folder, type, files] of [
      [
        'esm',
        'module',
        { 'app.js': esmApp, 'names.js': namesApp, 'import.js': importApp, 'typed.ts': typedApp },
      ],
      ['cjs', 'commonjs', { 'app.js': cjsApp }],
    ] as const) {
      await mkdir(join(place, folder));
      await writeFile(join(place, folder, 'package.json'), JSON.stringify({ name: folder, type }));
      for (const [name, text] of Object.entries(files)) await writeFile(join(place, folder, name), text);
    }
  });

  const alone: { installed?: Promise<string> } = {};
  /** An installation of the package and nothing else, as a machine in production has it. */
  const installedAlone = (): Promise<string> =>
    (alone.installed ??= (async () => {
      const folder = await mkdtemp(join(place, 'alone-'));
      await writeFile(join(folder, 'package.json'), '{ "name": "alone", "private": true }');
      await run('npm', [...install, '--omit=dev', tarball], { cwd: folder });
      return folder;
    })());

  const manifest = async (): Promise<Manifest> =>
    JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;

  afterAll(() => rm(place, { recursive: true, force: true }));

  test('holds the build, the policies and the papers, and nothing else', () => {
    expect(packed).toEqual(expect.arrayContaining(['LICENSE', 'package.json', 'dist/middleware/index.d.ts']));
    expect(packed).toEqual(expect.arrayContaining(['policies/default.json', 'middleware/README.md']));
    expect(packed).toEqual(expect.arrayContaining(['SECURITY.md', 'dist/sbom.cdx.json', 'docs/README.md']));
    const elsewhere = packed.filter(
      (path) =>
        !/^(dist\/(src|middleware)\/.*\.(js|d\.ts)|dist\/src\/console\/page\/[\w/.-]+\.(html|css|svg)|(policies|deploy)\/.*|docs\/\w+(\/[\w-]+){0,2}\.(md|svg|png|yaml))$/.test(
          path,
        ),
    );
    const papers = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'middleware/README.md'];
    papers.push('CONTRIBUTING.md', 'bench/README.md', 'src/README.md', 'dist/sbom.cdx.json', 'package.json');
    expect(papers).toEqual(expect.arrayContaining(elsewhere));
  });

  test('has every page and file that its pages link to; tests stay in the repository', async () => {
    const pages = packed.filter((path) => path.endsWith('.md'));
    expect(pages.length).toBeGreaterThan(10);
    const broken: string[] = [];
    for (const page of pages) {
      const text = await readFile(join(root, page), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        const target = posix.join(posix.dirname(page), link);
        const isPacked = packed.some((path) => path === target || path.startsWith(`${target}/`));
        if (!isPacked && !target.startsWith('test/')) broken.push(`${page}: ${link}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test('uses the express and the prom-client of its host, of which there is one each', async () => {
    for (const name of Object.keys((await manifest()).peerDependencies))
      expect(await placesOf(name, place)).toEqual([`node_modules/${name}`]);
  });

  test('works alone: what it shares with a host is installed with it', async () => {
    const alone = await installedAlone();
    const program = join(alone, 'node_modules/.bin/tallylight');
    const { version } = await manifest();
    expect((await run(program, ['--version'])).stdout).toBe(`${version}\n`);
    const { PATH } = process.env;
    const anyPorts = { TALLYLIGHT_PORT: '0', TALLYLIGHT_ADMIN_PORT: '0' };
    const sandbox = spawn(program, ['sandbox'], { cwd: alone, env: { PATH, ...anyPorts } });
    const exited = once(sandbox, 'close');
    let out = '';
    for await (const chunk of sandbox.stdout as AsyncIterable<Buffer>) {
      out += chunk.toString();
      if (out.includes('Try these commands')) sandbox.kill('SIGTERM');
    }
    expect(await exited).toEqual([0, null]);
    expect(out).toContain('Try these commands');
  });

  test('starts as a proxy as it is: no compiler is installed, and a call is recorded', async () => {
    const installed = join(await installedAlone(), 'node_modules');
    expect(
      (await readdir(join(installed, '.bin'))).filter((name) => /^(?:tsc|swc|esbuild)/.test(name)),
    ).toEqual([]);
    const main = join(installed, 'tallylight/dist/src/cli/main.js');
    const directory = await mkdtemp(join(place, 'proxy-'));
    const peers = await startPeers('127.0.0.1', 0, directory);
    const proxy = await startProxyProcess(settingsFor(peers, directory), { main });
    try {
      const bot = new Bot(proxy.url, await peers.mint.mint(), peers.graph.incomingCall({ answered: true }));
      await eventually(async () => (await bot.report('recording')).headers['tallylight-gate'] === 'open');
      expect((await bot.upload('x', 640)).status).toBe(201);
      expect((await bot.report('notRecording')).status).toBe(200);
    } finally {
      proxy.kill('SIGTERM');
      expect(await proxy.exited).toBe(0);
      await peers.close();
    }
  });

  test.each(['esm', 'cjs'])('guards the application of a customer: %s', async (folder) => {
    const { stdout, stderr } = await node(folder, 'app.js', 'evidence');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      answers: [
        [403, 'RecordingNotActive'],
        [200, null],
        [201, null],
        [200, null],
        [403, 'RecordingNotActive'],
      ],
      stored: JSON.stringify({ bytes: 1000, call }),
      asked: Array<string>(2).fill(
        `POST /v1.0/communications/calls/${call}/updateRecordingStatus Bearer graph-token`,
      ),
    });
    const verifier = join(place, 'node_modules/.bin/tallylight-verify');
    await expect(run(verifier, ['evidence'], { cwd: join(place, folder) })).resolves.toBeDefined();
  });

  test('has these names in its entries, and no other entry', async () => {
    const { stdout } = await node('esm', 'names.js');
    expect(JSON.parse(stdout)).toEqual({
      main: ['createLog', 'loadSettings', 'memoryStore', 'startProxy'],
      middleware: [
        'admitFirst',
        'createGate',
        'hangUp',
        'memoryStore',
        'requireRecording',
        'updateRecordingStatus',
      ],
      redis: ['redisStore'],
      inside: 'ERR_PACKAGE_PATH_NOT_EXPORTED',
    });
  });

  test('does nothing when the middleware is imported: no server, no Redis client, no setting, nothing left open', async () => {
    await node('esm', 'import.js');
    const lines = (await readFile(join(place, 'esm/import.log'), 'utf8')).trim().split('\n');
    const facts = (kind: string): string[] =>
      lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.slice(kind.length + 1));
    const loaded = facts('loaded');
    expect(loaded.some((url) => url.endsWith('/dist/src/gate/gate.js'))).toBe(true);
    expect(
      loaded.filter((url) =>
        /\/dist\/src\/(server|store\/redis|index|redis)\b|\/ioredis\/|\/pino\//.test(url),
      ),
    ).toEqual([]);
    expect(facts('read').filter((name) => name.startsWith('TALLYLIGHT'))).toEqual([]);
    expect(facts('left')).toEqual(['[]']);
  });

  test('tells TypeScript what a request has, and what it has not', async () => {
    const compilerOptions = {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      types: ['node'],
    };
    const project = join(place, 'esm', 'tsconfig.json');
    await writeFile(project, JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const { stdout } = await node('esm', tsc, '--project', project).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout).toBe('');
  });
});
