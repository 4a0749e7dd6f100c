import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sandboxApp, sandboxSecret, type TokenMint } from '../../src/sandbox/token-mint.ts';

const builtMain = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface ProxyProcess {
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
  /** Every line it has written, standard error included. */
  readonly lines: readonly string[];
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
}

type Environment = Readonly<Record<string, string>>;

interface ProcessOptions {
  /** The program; the built one if absent. */
  readonly main?: string | undefined;
  readonly onLine?: (line: string, child: ChildProcess) => void;
}

/** Where a proxy's peers are. */
interface Surroundings {
  readonly mint: TokenMint;
  readonly graph: { readonly url: string };
  readonly sink: { readonly url: string };
}

/** Settings for a proxy between these peers, with times that are short, but not so short that a busy machine runs into them. */
export const settingsFor = (
  { mint, graph, sink }: Surroundings,
  directory: string,
): Record<string, string> => ({
  TALLYLIGHT_PORT: '0',
  TALLYLIGHT_ADMIN_PORT: '0',
  TALLYLIGHT_GRAPH_URL: graph.url,
  TALLYLIGHT_GRAPH_TIMEOUT_MS: '500',
  TALLYLIGHT_SESSION_TTL_MS: '1500',
  TALLYLIGHT_DRAIN_MS: '300',
  TALLYLIGHT_CONTROL_AUTH: 'jwt',
  TALLYLIGHT_ISSUERS: JSON.stringify([
    { issuer: mint.issuer, audience: mint.audience, jwksUri: mint.jwksUri },
  ]),
  TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify({
    tokenEndpoint: mint.tokenEndpoint,
    clientId: sandboxApp,
    clientSecret: sandboxSecret,
  }),
  TALLYLIGHT_MEDIA_ROUTES: JSON.stringify([{ path: '/media/{callId}/*', upstream: sink.url }]),
  TALLYLIGHT_EVIDENCE_DIR: join(directory, 'evidence'),
});

/** The built proxy as a process of its own; resolves once it listens, rejects with its output if it ends before. */
export async function startProxyProcess(
  settings: Environment,
  { main, onLine = () => undefined }: ProcessOptions = {},
): Promise<ProxyProcess> {
  const { child, lines, exited } = run(settings, main);
  const listening = new Promise<{ url: string; adminUrl: string }>((resolve) => {
    watch(child, (line) => {
      lines.push(line);
      onLine(line, child);
      const facts = parse(line);
      if (facts.msg === 'listening') resolve({ url: String(facts.url), adminUrl: String(facts.adminUrl) });
    });
  });
  const started = await Promise.race([listening, exited]);
  if (typeof started !== 'object') throw new Error(`the proxy ended with ${started}:\n${lines.join('\n')}`);
  return { ...started, pid: child.pid ?? 0, lines, exited, kill: (signal) => child.kill(signal) };
}

/** A start that is expected to fail: its exit code and what it said. */
export async function failedStart(
  settings: Environment,
): Promise<{ code: number | NodeJS.Signals; output: string }> {
  const { child, lines, exited } = run(settings);
  watch(child, (line) => lines.push(line));
  const code = await exited;
  return { code, output: lines.join('\n') };
}

/** Runs a built program until it ends by itself: its exit code, or the signal that ended it, and what it printed. */
export async function runToEnd(
  args: readonly string[],
  env: Environment,
  { cwd = process.cwd(), main = builtMain }: { readonly cwd?: string; readonly main?: string } = {},
): Promise<{ code: number | NodeJS.Signals; out: string; err: string }> {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (printed.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed.err += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals];
  return { code: code ?? signal, ...printed };
}

function run(
  settings: Environment,
  main = builtMain,
): {
  child: ChildProcess;
  lines: string[];
  exited: ProxyProcess['exited'];
} {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [main], {
    env: { PATH, HOME, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return { child, lines: [], exited };
}

function watch({ stdout, stderr }: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [stdout, stderr]) if (stream !== null) createInterface(stream).on('line', onLine);
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}
