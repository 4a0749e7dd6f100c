import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';

const run = promisify(execFile);

export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface RuleFile {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly (AlertingRule | RecordingRule)[];
  }[];
}

export const rulesPath = resolve(import.meta.dirname, '../../deploy/prometheus/tallylight.rules.yaml');
export const ruleFile = parse(readFileSync(rulesPath, 'utf8')) as RuleFile;

const rules = ruleFile.groups.flatMap((group) => group.rules);
export const alerts = rules.filter((rule) => 'alert' in rule);
export const recordings = rules.filter((rule) => 'record' in rule);

interface Verdict {
  readonly ok: boolean;
  readonly said: string;
}

/** Runs promtool on files of these contents, which are in its working directory. */
export async function promtool(
  args: readonly string[],
  files: Readonly<Record<string, unknown>>,
): Promise<Verdict> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-promtool-'));
  try {
    for (const [name, content] of Object.entries(files))
      // promtool reads no aliases of YAML where it wants a number.
      await writeFile(join(directory, name), stringify(content, { aliasDuplicateObjects: false }));
    const { stdout, stderr } = await run('promtool', args, { cwd: directory });
    return { ok: true, said: stdout + stderr };
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: unknown };
    if (code === 'ENOENT')
      throw new Error('promtool is not on the PATH. Install Prometheus, or run the tests with `npm test`.', {
        cause: error,
      });
    if (stdout === undefined) throw error;
    return { ok: false, said: stdout + (stderr ?? '') };
  } finally {
    await rm(directory, { recursive: true });
  }
}
