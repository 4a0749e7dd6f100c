import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** What the proxy answered to one try of a client; 0: nothing. */
export interface Attempt {
  readonly method: string;
  readonly status: number;
  readonly reason: string | null;
  /** How the body was coded, where the client can be asked. */
  readonly coding?: string | null;
}

export interface Outcome {
  readonly attempts: readonly Attempt[];
  readonly value?: unknown;
  readonly failure?: {
    readonly status: number;
    readonly code: string | null;
    /** Ours, where the error of the package has it. */
    readonly reason?: string | null;
    readonly text: string;
  };
}

/** A client of a store, or a store, in a process of its own. */
export interface Program {
  ask(name: string, facts?: object): Promise<Outcome>;
  close(): Promise<void>;
}

type Environment = Readonly<Record<string, string>>;

/** A program of this folder that takes commands; resolves once it is ready. */
export async function startClient(
  command: readonly [program: string, ...args: string[]],
  env: Environment,
): Promise<Program> {
  const { child, ended } = run(command, env, 'pipe');
  const waiting = new Map<number, (outcome: Outcome) => void>();
  let last = 0;
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { ready: true } | ({ id: number } & Outcome);
      if ('ready' in said) resolve();
      else waiting.get(said.id)?.(said);
    });
  });
  await Promise.race([ready, ended]);
  return {
    ask(name, facts = {}) {
      const id = (last += 1);
      const answered = new Promise<Outcome>((resolve) => waiting.set(id, resolve));
      child.stdin?.write(`${JSON.stringify({ id, name, ...facts })}\n`);
      return Promise.race([answered, ended]);
    },
    async close() {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    },
  };
}

/** A server of another program; resolves with the first part of its output that matches. */
export async function startServer(
  command: readonly [program: string, ...args: string[]],
  says: RegExp,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { child, ended } = run(command, {}, 'ignore');
  const said = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = says.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  return {
    url: await Promise.race([said, ended]),
    async close() {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    },
  };
}

/** `ended` rejects, with what the program wrote to its standard error. */
function run([program, ...args]: readonly [string, ...string[]], env: Environment, stdin: 'pipe' | 'ignore') {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(program, args, {
    cwd: here,
    env: { PATH, HOME, ...env },
    stdio: [stdin, 'pipe', 'pipe'],
  });
  const errors: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => errors.push(line));
  const ended = once(child, 'close').then(([code, signal]): never => {
    throw new Error(
      `${[program, ...args].join(' ')} ended with ${String(code ?? signal)}:\n${errors.join('\n')}`,
    );
  });
  ended.catch(() => undefined);
  return { child: child as typeof child & { readonly stdout: NodeJS.ReadableStream }, ended };
}

/** How each try of a command was answered: the reason of a refusal, or else the status; 0: not at all. */
export const tried = ({ attempts }: Outcome): (string | number)[] =>
  attempts.map(({ status, reason }) => reason ?? status);

export const times = <Answer>(count: number, answer: Answer): Answer[] =>
  new Array<Answer>(count).fill(answer);
