import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPatched, type Patch } from '../support/patched-proxy.ts';

/** A copy of the built proxy that lacks something on purpose, to see whether anybody notices. */
export async function breakProxy(patch: Patch): Promise<{ readonly main: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-broken-'));
  return {
    main: buildPatched(directory, patch),
    remove: () => rm(directory, { recursive: true }),
  };
}
