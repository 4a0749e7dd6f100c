import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { rulesPath } from './prometheus-rules.ts';

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [at: number, value: string];
}

interface Rule {
  readonly name: string;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

export interface TestPrometheus {
  /** The series of an expression as it is now; throws with what Prometheus says against it. */
  query(expression: string): Promise<readonly Series[]>;
  rules(): Promise<readonly Rule[]>;
  /** The alerts that are pending or fire. */
  alerts(): Promise<readonly Alert[]>;
  stop(): Promise<void>;
}

/** A private Prometheus with the rules that are shipped, which asks these targets once a second. */
export async function startPrometheus(targets: readonly string[]): Promise<TestPrometheus> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-prometheus-'));
  await cp(rulesPath, join(directory, 'rules.yaml'));
  await writeFile(
    join(directory, 'prometheus.yml'),
    stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: 'tallylight', static_configs: [{ targets }] }],
    }),
  );
  const child = spawn(
    'prometheus',
    [
      '--config.file=prometheus.yml',
      '--storage.tsdb.path=data',
      // It says which port it got.
      '--web.listen-address=127.0.0.1:0',
    ],
    { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const orphaned = (): boolean => child.kill('SIGKILL');
  process.once('exit', orphaned);
  const closed = once(child, 'close').finally(() => process.off('exit', orphaned));

  const said: string[] = [];
  const address = new Promise<string>((resolve) => {
    let at = '';
    createInterface(child.stderr).on('line', (line) => {
      said.push(line);
      at = /msg="Listening on" .*address=(\S+)/.exec(line)?.[1] ?? at;
      // It listens before it answers.
      if (at !== '' && line.includes('Server is ready to receive web requests')) resolve(at);
    });
  });
  const ended = closed.then(
    () => Promise.reject(new Error(`Prometheus ended:\n${said.join('\n')}`)),
    (cause: unknown) =>
      Promise.reject(
        new Error('Prometheus is not on the PATH. Install it, or run the tests with `npm test`.', { cause }),
      ),
  );
  ended.catch(() => undefined);
  const url = `http://${await Promise.race([address, ended])}`;

  async function ask<T>(path: string): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error ?? response.status}`);
    return answer.data;
  }
  return {
    query: async (expression) =>
      (await ask<{ result: readonly Series[] }>(`query?query=${encodeURIComponent(expression)}`)).result,
    rules: async () =>
      (await ask<{ groups: readonly { rules: readonly Rule[] }[] }>('rules')).groups.flatMap(
        (group) => group.rules,
      ),
    alerts: async () => (await ask<{ alerts: readonly Alert[] }>('alerts')).alerts,
    stop: async () => {
      child.kill('SIGKILL');
      await closed;
      await rm(directory, { recursive: true });
    },
  };
}
