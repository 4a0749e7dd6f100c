import { readdir, readFile, readlink } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from './eventually.ts';
import type { ProxyProcess } from './process.ts';
import { send } from './raw-http.ts';

/** The processes that a process has forked. */
export async function workersOf({ pid }: Pick<ProxyProcess, 'pid'>): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}

/** Whether a process has the journal of evidence open. */
export async function holdsEvidence(pid: number): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  );
  return targets.some((target) => target.endsWith('.jsonl'));
}

export const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** The value of each sample that begins so; labels in the order of the table. */
export async function metricsOf({ adminUrl }: Pick<ProxyProcess, 'adminUrl'>): Promise<Map<string, number>> {
  const { body } = await send(adminUrl, { path: '/metrics' });
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.replace(/ [^ ]+$/, ''), Number(line.split(' ').at(-1))]));
}

export const gatesOpen = (proxy: Pick<ProxyProcess, 'adminUrl'>): Promise<unknown> =>
  eventually(async () => (await send(proxy.adminUrl, { path: '/readyz/gates' })).status === 200);

/** What a client met: a status with its reason, or the code of the error. */
export interface Load {
  readonly met: ReadonlyMap<string, number>;
  end(): Promise<void>;
}

interface LoadOptions {
  readonly url: string;
  readonly path: string;
  readonly token: string;
  readonly clients: number;
  /** Each keeps one connection as long as it may, or opens one for every request. */
  readonly keepAlive: boolean;
  readonly pauseMs: number;
}

const outcome = ({ complete, statusCode, headers }: IncomingMessage): string =>
  complete ? [statusCode, headers['tallylight-reason']].filter(Boolean).join(' ') : 'incomplete';

/** Clients that write one request after the other until they are told to end. */
export function putUnderLoad({ url, path, token, clients, keepAlive, pauseMs }: LoadOptions): Load {
  const met = new Map<string, number>();
  let going = true;
  const body = Buffer.alloc(2000, 'x');
  const once = (agent: Agent | false): Promise<string> =>
    new Promise((resolve) => {
      const headers = { authorization: `Bearer ${token}`, 'content-length': body.length };
      const req = request(url + path, { method: 'POST', agent, headers }, (res) => {
        res.resume();
        res.on('close', () => resolve(outcome(res)));
      });
      req.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      req.end(body);
    });
  const client = async (): Promise<void> => {
    const agent = keepAlive && new Agent({ keepAlive: true, maxSockets: 1 });
    while (going) {
      const what = await once(agent);
      met.set(what, (met.get(what) ?? 0) + 1);
      await sleep(pauseMs);
    }
    if (agent) agent.destroy();
  };
  const all = Array.from({ length: clients }, client);
  return {
    met,
    async end() {
      going = false;
      await Promise.all(all);
    },
  };
}
