// Writes dist/sbom.cdx.json: what the package brings with it at run time, from the lock file. The same lock file makes
// the same bytes, so it says nothing of when, where and with which npm it was made.
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { npmSbom, withoutDevelopment } from './npm-sbom.mjs';

const changedAt = (path) => statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const target = process.argv[2] ?? new URL('../dist/sbom.cdx.json', import.meta.url);

// Most builds change no package.
const inputs = ['../package.json', '../package-lock.json', 'sbom.mjs', 'npm-sbom.mjs'].map(changedAt);
if (process.argv[2] !== undefined || changedAt('../dist/sbom.cdx.json') <= Math.max(...inputs)) {
  const sbom = withoutDevelopment(npmSbom('--package-lock-only'));
  delete sbom.serialNumber;
  delete sbom.metadata.timestamp;
  for (const tool of sbom.metadata.tools) delete tool.version;
  const { component } = sbom.metadata;
  // npm names the root after its folder.
  component.name = component['bom-ref'].replace(/@[^@]*$/, '');
  const byRef = (ref) => (one, other) => (one[ref] < other[ref] ? -1 : 1);
  sbom.components.sort(byRef('bom-ref'));
  sbom.dependencies.sort(byRef('ref'));
  if (process.argv[2] === undefined) mkdirSync(new URL('../dist', import.meta.url), { recursive: true });
  writeFileSync(target, `${JSON.stringify(sbom, null, 2)}\n`);
}
