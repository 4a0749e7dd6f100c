import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './processes.ts';

const find = 'admitNow(call, who) {';
/** Any call, any caller, no session, no policy: what is left is the proxying. */
const yes = `${find}
        return granted(new Write((this.alwaysYes ??= new Grant(call, 'none', 1, null)), () => true));`;

/** A copy of the built proxy whose gate lets everything in, to see what the gate costs; returns its program. */
export function buildAlwaysYes(directory: string): string {
  for (const part of ['dist', 'policies', 'package.json'])
    cpSync(join(repository, part), join(directory, part), { recursive: true });
  symlinkSync(join(repository, 'node_modules'), join(directory, 'node_modules'));
  const file = join(directory, 'dist/src/gate/admit.js');
  const source = readFileSync(file, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not hold this exactly once: ${find}`);
  writeFileSync(
    file,
    source.replace(find, () => yes),
  );
  return join(directory, 'dist/src/server/main.js');
}
