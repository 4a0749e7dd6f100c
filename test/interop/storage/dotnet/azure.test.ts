import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from '@jest/globals';
import { azureLaws } from '../azure-laws.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const project = 'azure-blobs-dotnet';
const quiet = { DOTNET_CLI_TELEMETRY_OPTOUT: '1', DOTNET_NOLOGO: '1', MSBUILDDISABLENODEREUSE: '1' };

/** Restores exactly what the lock file names, and compiles; returns how the program is run. */
function build(): readonly [string, string] {
  const properties = ['-p:RestoreLockedMode=true', '-p:UseSharedCompilation=false'];
  const { status, stdout, stderr } = spawnSync(
    'dotnet',
    ['build', project, '-v', 'quiet', '-nologo', ...properties],
    { cwd: here, encoding: 'utf8', env: { ...process.env, ...quiet } },
  );
  if (status !== 0) throw new Error(`${project} cannot be built:\n${stdout}${stderr}`);
  return ['dotnet', join(here, project, 'bin', 'Debug', 'net8.0', `${project}.dll`)];
}

describe('Azure.Storage.Blobs for .NET', () => {
  azureLaws({
    command: build,
    tries: {
      ...{ tooMany: 6, noHandler: 6, noStore: 6, shutdown: 6 },
      ...{ 400: 1, 404: 1, 408: 6, 413: 1, 417: 1, 426: 1, 500: 6, 501: 1, 504: 6 },
    },
  });
});
