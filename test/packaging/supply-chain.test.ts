import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const json = (name: string): unknown => JSON.parse(readFileSync(join(root, name), 'utf8'));

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly hasInstallScript?: boolean;
  readonly deprecated?: string;
}
type Dependencies = Readonly<Record<string, string>>;
interface Manifest {
  readonly dependencies: Dependencies;
  readonly devDependencies: Dependencies;
  readonly peerDependencies: Dependencies;
}

const manifest = json('package.json') as Manifest;
const { packages } = json('package-lock.json') as { packages: Record<string, Locked> };
const { '': project, ...locked } = packages;
const all = Object.entries(locked);
const shipped = all.filter(([, { dev }]) => dev !== true);
const names = (rows: readonly (readonly [string, unknown])[]): string[] => rows.map(([name]) => name);

describe('the packages', () => {
  test('are named exactly, and the lock file agrees', () => {
    const direct = { ...manifest.dependencies, ...manifest.devDependencies };
    const exact = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;
    expect(Object.entries(direct).filter(([, version]) => !exact.test(version))).toEqual([]);
    expect(project).toMatchObject({
      dependencies: manifest.dependencies,
      devDependencies: manifest.devDependencies,
      peerDependencies: manifest.peerDependencies,
    });
    expect(
      Object.fromEntries(Object.keys(direct).map((name) => [name, locked[`node_modules/${name}`]?.version])),
    ).toEqual(direct);
  });

  test('are what they were when they were locked: each has a SHA-512, and none a place of its own', () => {
    expect(names(all.filter(([, { resolved, link }]) => resolved !== undefined || link === true))).toEqual(
      [],
    );
    const unchecked = all.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''));
    // Binaries of build tools for other platforms, which are never installed where the package is built.
    const isElsewhere = ({ dev, optional, os = [], cpu = [] }: Locked): boolean =>
      dev === true &&
      optional === true &&
      !(os.includes('linux') && cpu.includes('x64')) &&
      os.length + cpu.length > 0;
    expect(names(unchecked.filter(([, row]) => !isElsewhere(row)))).toEqual([]);
  });

  test('run on this Node, as far as they say what they need', async () => {
    const { stdout, stderr } = await run('npm', ['ci', '--dry-run'], { cwd: root });
    expect(stdout + stderr).not.toContain('EBADENGINE');
  });

  test('need no script at their installation, and none is deprecated', () => {
    const withScripts = all.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(names(withScripts)).toEqual(['node_modules/@parcel/watcher', 'node_modules/@swc/core']);
    expect(names(shipped.filter((row) => withScripts.includes(row)))).toEqual([]);
    expect(readFileSync(join(root, '.npmrc'), 'utf8').split('\n')).toContain('ignore-scripts=true');
    expect(names(all.filter(([, { deprecated }]) => deprecated !== undefined))).toEqual([]);
  });
});

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly { readonly license?: { readonly id?: string }; readonly expression?: string }[];
  readonly hashes: readonly { readonly alg: string; readonly content: string }[];
}
interface Bom {
  readonly components: readonly Component[];
}

describe('the bill of materials', () => {
  let directory: string;
  const make = async (name: string): Promise<string> => {
    const target = join(directory, name);
    await run(process.execPath, ['.ci/sbom.mjs', target], { cwd: root });
    return readFile(target, 'utf8');
  };

  test('names each package that is shipped, its licence and its digest, and is the same each time', async () => {
    directory = await mkdtemp(join(tmpdir(), 'tallylight-sbom-'));
    try {
      const text = await make('first.json');
      expect(await make('second.json')).toBe(text);
      expect(text).not.toMatch(/timestamp|serialNumber|"resolved"|localhost/);
      const bom = JSON.parse(text) as Bom;
      expect(bom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'tallylight' } } });
      const described = bom.components.map(({ name, version, hashes, licenses }) => [
        ...[name, version, hashes.map(({ alg, content }) => `${alg} ${content}`).join()],
        licenses.length > 0,
      ]);
      const digest = (integrity = ''): string =>
        `SHA-512 ${Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')}`;
      const wanted = shipped.map(([path, { version, integrity }]) => [
        ...[path.replace(/^.*node_modules\//, ''), version, digest(integrity)],
        true,
      ]);
      expect(described.map((row) => row.join(' ')).sort()).toEqual(wanted.map((row) => row.join(' ')).sort());
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('the licences', () => {
  const judged = async (licenses: unknown, shipped = true): Promise<string[]> => {
    const rules: string = '../../.ci/licence-rules.mjs';
    const { objections } = (await import(rules)) as {
      objections: (bom: object, shipped: boolean) => string[];
    };
    return objections({ components: [{ name: 'x', version: '1.0.0', licenses }] }, shipped);
  };
  const id = (name: string): object => ({ license: { id: name } });

  test.each<[string, unknown]>([
    ['a licence on the list', [id('MIT')]],
    ['alternatives, one of which is', [{ expression: '(MIT OR GPL-3.0-only)' }]],
    ['several that all are', [{ expression: 'Apache-2.0 AND MIT' }]],
  ])('%s: nothing to object', async (_, licenses) => {
    expect(await judged(licenses)).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['a licence that is not on the list', [id('AGPL-3.0-only')], 'AGPL-3.0-only'],
    ['several, one of which is not', [{ expression: 'MIT AND GPL-3.0-only' }], 'MIT AND GPL-3.0-only'],
    ['one of each kind', [id('MIT'), id('SSPL-1.0')], 'MIT, SSPL-1.0'],
    ['an expression that is nested', [{ expression: '(MIT OR ISC) AND X' }], '(MIT OR ISC) AND X'],
    ['a name instead of an id', [{ license: { name: 'SEE LICENSE IN FILE' } }], 'SEE LICENSE IN FILE'],
    ['none', [], 'says nothing of its licence'],
    ['none at all', undefined, 'says nothing of its licence'],
  ])('%s is objected to', async (_, licenses, said) => {
    expect(await judged(licenses)).toEqual([`x@1.0.0: ${said}`]);
  });

  test('of data for build tools may be on a longer list, but not where it is shipped', async () => {
    expect(await judged([id('CC-BY-4.0')], false)).toEqual([]);
    expect(await judged([id('CC-BY-4.0')])).toEqual(['x@1.0.0: CC-BY-4.0']);
    expect(await judged([id('CC0-1.0')], false)).toEqual([]);
    expect(await judged([id('CC0-1.0')])).toEqual(['x@1.0.0: CC0-1.0']);
  });

  test('of all packages, installed and locked, are on the list', async () => {
    await expect(run(process.execPath, ['.ci/licences.mjs'], { cwd: root })).resolves.toBeDefined();
  });
});

describe('the advisories', () => {
  const judged = async (
    report: object,
    answers: object = {},
  ): Promise<{ asked: boolean; lines: string[] }> => {
    const rules: string = '../../.ci/audit-rules.mjs';
    const { judgeAudit } = (await import(rules)) as {
      judgeAudit: (report: object, answers: object) => { asked: boolean; lines: string[] };
    };
    return judgeAudit(report, answers);
  };
  const advisory = {
    ...{ source: 1, name: 'x', title: 'It opens', severity: 'high' },
    url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
  };
  const report = { vulnerabilities: { x: { via: [advisory] }, y: { via: ['x'] } } };

  test('a report without a finding passes', async () => {
    expect(await judged({ vulnerabilities: {} })).toEqual({ asked: true, lines: [] });
  });

  test('a finding is told, unless it is answered', async () => {
    const told = { asked: true, lines: ['GHSA-aaaa-bbbb-cccc high: x: It opens'] };
    expect(await judged(report)).toEqual(told);
    expect(await judged(report, { 'GHSA-aaaa-bbbb-cccc': '' })).toEqual(told);
    expect(await judged(report, { 'GHSA-aaaa-bbbb-cccc': 'x is not called' })).toEqual({
      asked: true,
      lines: [],
    });
  });

  test('an answer to nothing is told', async () => {
    const { lines } = await judged({ vulnerabilities: {} }, { 'GHSA-aaaa-bbbb-cccc': 'x is not called' });
    expect(lines).toEqual(['GHSA-aaaa-bbbb-cccc is answered, but not found: take the answer away']);
  });

  test.each([
    [{ statusCode: 405 }, 'answered 405'],
    [{}, 'gave no report'],
  ])('a registry that cannot be asked is no clean report: %j', async (answer, why) => {
    const { asked, lines } = await judged(answer);
    expect([asked, lines]).toEqual([
      false,
      [`NOT AUDITED: the registry ${why} where npm asks for advisories`],
    ]);
  });
});
