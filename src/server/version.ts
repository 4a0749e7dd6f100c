import { readFileSync } from 'node:fs';
import { Fault } from '../core/errors.ts';

/** The version of the package, whether the program runs from the sources or from the build. */
export function version(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    const text = readIfPresent(new URL(path, import.meta.url));
    if (text !== undefined) return (JSON.parse(text) as { version: string }).version;
  }
  throw new Fault('Internal', 'the package has lost its package.json');
}

function readIfPresent(place: URL): string | undefined {
  try {
    return readFileSync(place, 'utf8');
  } catch {
    return undefined;
  }
}
