import { spawnSync } from 'node:child_process';

/**
 * npm's own bill of materials (CycloneDX), parsed: `--package-lock-only` reads the lock file, without it the packages
 * that are installed.
 */
export function npmSbom(...args) {
  const { npm_execpath: npm } = process.env;
  const [command, ...before] = npm === undefined ? ['npm'] : [process.execPath, npm];
  const { status, stdout, stderr } = spawnSync(
    command,
    [...before, 'sbom', '--sbom-format', 'cyclonedx', ...args],
    { cwd: new URL('..', import.meta.url), encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (status !== 0) throw new Error(`npm sbom failed:\n${stderr}`);
  return JSON.parse(stdout);
}

const isForDevelopment = ({ properties = [] }) =>
  properties.some(({ name, value }) => name === 'cdx:npm:package:development' && value === 'true');

/**
 * The same without what is for development only. `npm sbom --omit dev` also leaves out what is for both, such as a
 * dependency of the package that a tool of the build uses as well.
 */
export function withoutDevelopment({ components, dependencies, ...bom }) {
  const kept = components.filter((component) => !isForDevelopment(component));
  const refs = new Set([bom.metadata.component, ...kept].map((component) => component['bom-ref']));
  const edges = dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  return { ...bom, components: kept, dependencies: edges };
}
