import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const quiet = {
  DOTNET_CLI_TELEMETRY_OPTOUT: '1',
  DOTNET_NOLOGO: '1',
  DOTNET_SKIP_FIRST_TIME_EXPERIENCE: '1',
  // No process of a build stays behind.
  MSBUILDDISABLENODEREUSE: '1',
};

/** What a program tells of its own accord. */
export interface Event {
  readonly event: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** An exception, with the status of the answer that it is about. */
export interface Failure {
  readonly type: string;
  readonly message: string;
  readonly status: number | null;
  /** Of Graph's error. */
  readonly code: string | null;
  readonly inner: Failure | null;
}

export class CommandFailed extends Error {
  readonly failure: Failure;

  constructor(name: string, failure: Failure) {
    super(`${name}: ${failure.type}: ${failure.message}`);
    this.failure = failure;
  }
}

/** A C# program that does what it is told. */
export interface Program {
  readonly events: readonly Event[];
  /** Everything on standard error. */
  readonly errors: readonly string[];
  /** Resolves with the result; rejects with `CommandFailed`. */
  ask(name: string, facts?: object): Promise<unknown>;
  /** The failure of a command that must not succeed. */
  failure(name: string, facts?: object): Promise<Failure>;
  /** Waits for an event with these facts. */
  told(event: string, facts?: object): Promise<Event>;
  close(): Promise<void>;
}

const builds = new Map<string, Promise<void>>();
const built = (project: string): Promise<void> => {
  const known = builds.get(project) ?? build(project);
  builds.set(project, known);
  return known;
};

/** Restores exactly what the lock file names, and compiles. Another test may be doing the same. */
async function build(project: string): Promise<void> {
  const folder = join(here, project);
  const properties = ['-p:RestoreLockedMode=true', '-p:UseSharedCompilation=false'];
  const args = [here, 'dotnet', 'build', folder, '-v', 'quiet', '-nologo', ...properties];
  const child = spawn('flock', args, {
    env: { ...process.env, ...quiet },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (output += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${project} cannot be built:\n${output}`);
}

/** Compiles the project and runs it; resolves once it says that it is ready. */
export async function startProgram(
  project: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Program> {
  await built(project);
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn('dotnet', [join(here, project, 'bin', 'Debug', 'net8.0', `${project}.dll`)], {
    env: { PATH, HOME, ...quiet, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  const events: Event[] = [];
  const errors: string[] = [];
  const waiting = new Map<
    number,
    { readonly name: string; resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  let asked = 0;
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as Event | { id: number; result?: unknown; error?: Failure };
    if ('event' in said) {
      events.push(said);
      return;
    }
    const command = waiting.get(said.id);
    waiting.delete(said.id);
    if (said.error === undefined) command?.resolve(said.result);
    else command?.reject(new CommandFailed(command.name, said.error));
  });
  void closed.then(() => {
    for (const { name, reject } of waiting.values())
      reject(new Error(`the program ended before ${name} was done:\n${errors.join('\n')}`));
  });

  const program: Program = {
    events,
    errors,
    ask(name, facts = {}) {
      const id = (asked += 1);
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject, name });
        child.stdin.write(`${JSON.stringify({ id, name, ...facts })}\n`);
      });
    },
    async failure(name, facts) {
      const outcome: unknown = await program.ask(name, facts).catch((error: unknown) => error);
      if (!(outcome instanceof CommandFailed))
        throw new Error(`${name} did not fail: ${JSON.stringify(outcome)}`);
      return outcome.failure;
    },
    async told(event, facts = {}) {
      const found = (): Event | undefined =>
        events.find(
          (one) =>
            one.event === event && Object.entries(facts).every(([name, value]) => one.facts[name] === value),
        );
      try {
        return await eventually(found, { withinMs: 30_000, what: `${event} ${JSON.stringify(facts)}` });
      } catch (error) {
        throw new Error(`the program told only ${JSON.stringify(events, null, 1)}\n${errors.join('\n')}`, {
          cause: error,
        });
      }
    },
    async close() {
      child.stdin.end();
      await closed;
    },
  };
  await program.told('listening');
  expect(child.exitCode).toBeNull();
  return program;
}
