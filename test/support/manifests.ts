import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const root = resolve(import.meta.dirname, '../..');

/** A Kubernetes object as it is applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

const deploy = join(root, 'deploy');
const kept = join(root, 'test/fixtures/kubernetes');

/** Digest of everything that the manifests are made of. */
function digestOfSources(): string {
  const hash = createHash('sha256');
  for (const folder of ['grafana', 'kubernetes', 'prometheus'])
    for (const name of readdirSync(join(deploy, folder), { recursive: true, encoding: 'utf8' }).toSorted()) {
      const path = join(deploy, folder, name);
      if (statSync(path).isFile()) hash.update(`${folder}/${name}\0`).update(readFileSync(path));
    }
  return hash.digest('hex');
}

/**
 * What `kubectl apply --kustomize` would send for a folder. It is rendered by `npm run kubernetes` and kept, since the
 * kubectl of Debian 12 is too old for components; whatever has changed in `deploy` since makes this throw.
 */
export function rendered(name: string, folder: () => string): Manifest[] {
  const path = join(kept, `${name}.yaml`);
  const digest = `# sources: sha256 ${digestOfSources()}\n`;
  if (process.env.TALLYLIGHT_RENDER !== undefined) {
    mkdirSync(kept, { recursive: true });
    writeFileSync(path, digest + execFileSync('kubectl', ['kustomize', folder()], { encoding: 'utf8' }));
  }
  const text = readFileSync(path, 'utf8');
  if (!text.startsWith(digest))
    throw new Error(
      `${path} was not rendered from deploy as it is now: run \`npm run kubernetes\` (kubectl 1.27 or later)`,
    );
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** Where each kind has its interface. What it cannot find stops the check. */
const packageOf = ({ apiVersion, kind }: Manifest): string => {
  const home = apiVersion.startsWith('monitoring.coreos.com/')
    ? '@kubernetes-models/prometheus-operator'
    : 'kubernetes-models';
  return `${home}/${apiVersion}/${kind}`;
};

/** Kinds without a package of types: their fields, as their documentation lists them. */
const own: Readonly<Record<string, string>> = {
  SecretProviderClass: `{
    apiVersion: 'secrets-store.csi.x-k8s.io/v1'; kind: 'SecretProviderClass';
    metadata: { name: string; namespace?: string };
    spec: { provider: 'azure'; parameters: {
      clientID: string; keyvaultName: string; tenantId: string; objects: string; cloudName?: string;
    } };
  }`,
};

/** Keys without quotes: for those the compiler suggests the right name. */
const literal = (manifest: Manifest): string =>
  JSON.stringify(manifest, null, 1).replace(/^(\s*)"([A-Za-z]\w*)":/gm, '$1$2:');

/** A program that has each manifest as an object literal, so that a field that its interface has not is an error. */
function programOf(manifests: readonly Manifest[]): string {
  const parts = manifests.map((manifest, index) => {
    const type = own[manifest.kind];
    const declared =
      type === undefined
        ? `import type { I${manifest.kind} as Type${index} } from '${packageOf(manifest)}';`
        : `type Type${index} = ${type};`;
    return `${declared}\nexport const manifest${index}: Type${index} = ${literal(manifest)};`;
  });
  return `${parts.join('\n')}\n`;
}

/** What the TypeScript compiler finds wrong with manifests, by the types of their kinds. */
export function typeErrors(manifests: readonly Manifest[]): string[] {
  const file = join(root, 'test/support/manifests.generated.ts');
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const source = programOf(manifests);
  const onDisk = ts.createCompilerHost(options);
  host.fileExists = (name) => name === file || onDisk.fileExists(name);
  host.getSourceFile = (name, version, ...more) =>
    name === file ? ts.createSourceFile(name, source, version) : onDisk.getSourceFile(name, version, ...more);
  const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram([file], options, host));
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
