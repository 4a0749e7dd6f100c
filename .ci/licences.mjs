// Checks the licence of every package: as the lock file tells it, and as the installed packages tell it themselves.
import { npmSbom, withoutDevelopment } from './npm-sbom.mjs';
import { objections } from './licence-rules.mjs';

const found = new Set();
for (const source of [['--package-lock-only'], []]) {
  const bom = npmSbom(...source);
  for (const line of objections(withoutDevelopment(bom), true)) found.add(`shipped: ${line}`);
  for (const line of objections(bom, false)) found.add(line);
}
for (const line of found) console.error(`licence not on the list: ${line}`);
if (found.size > 0) process.exitCode = 1;
