import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import type { IncomingCall } from '../../src/sandbox/graph/control.ts';
import type { CallRow } from '../../src/console/row.ts';
import type { StateName } from '../../src/core/call/state.ts';
import { callbackPath, type Peers, startPeers } from '../../src/sandbox/peers.ts';
import { notificationIssuerOf } from '../../src/sandbox/token-mint.ts';
import { askConsole } from './console.ts';
import { eventually } from './eventually.ts';
import { type ProxyProcess, settingsFor, startProxyProcess } from './process.ts';

export interface ConsoleTestBed extends Omit<Peers, 'close'> {
  /** Of the console. */
  readonly url: string;
  readonly proxy: ProxyProcess;
  bot(call?: IncomingCall): Promise<Bot>;
  /** The bot of a call that is recorded, and that the console shows so. */
  recordingBot(call?: IncomingCall): Promise<Bot>;
  /** Waits until the console shows the call in this state; where it asks for a token it is not asked. */
  shows(call: string, state: StateName): Promise<void>;
  /** Starts the proxy anew on the same ports, directory and peers. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface ConsoleTestBedOptions {
  readonly settings?: (peers: Peers) => Readonly<Record<string, string>>;
  /** Writes what is in the evidence directory before the start. */
  readonly seed?: (evidenceDirectory: string) => Promise<void>;
  readonly notifications?: boolean;
}

/** The built proxy with its console, as a process of its own between the sandbox's peers. */
export async function startConsoleTestBed({
  settings = () => ({}),
  seed = () => Promise.resolve(),
  notifications = false,
}: ConsoleTestBedOptions = {}): Promise<ConsoleTestBed> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-console-'));
  const peers = await startPeers('127.0.0.1', 0, directory);
  const { mint, graph, callbackBot } = peers;
  await seed(join(directory, 'evidence'));
  const given = {
    ...settingsFor(peers, directory),
    // A machine that is busy elsewhere must not close the gate.
    TALLYLIGHT_SESSION_TTL_MS: '10000',
    TALLYLIGHT_GRAPH_TIMEOUT_MS: '3000',
    TALLYLIGHT_CALLBACKS: JSON.stringify([{ path: callbackPath, upstream: callbackBot.url }]),
    TALLYLIGHT_NOTIFICATION_ISSUERS: JSON.stringify([notificationIssuerOf(mint)]),
    TALLYLIGHT_CONSOLE_PORT: '0',
    ...settings(peers),
  };
  let proxy = await startProxyProcess(given);
  let url = consoleOf(proxy);
  if (notifications) graph.connect({ webhook: `${proxy.url}/callbacks/calls` });
  const testBed: ConsoleTestBed = {
    ...peers,
    get url() {
      return url;
    },
    get proxy() {
      return proxy;
    },
    bot: async (call = {}) =>
      new Bot(proxy.url, await mint.mint(), graph.incomingCall({ answered: true, ...call })),
    async recordingBot(call) {
      const bot = await testBed.bot(call);
      // A store that began without data waits before it lets a start through.
      await eventually(async () => (await bot.report('recording')).status === 200);
      await testBed.shows(bot.call, 'recording');
      return bot;
    },
    async shows(call, state) {
      await eventually(async () => {
        const { status, body } = await askConsole(url, `/api/calls/${call}`);
        return status === 401 || (status === 200 && (body as CallRow).state === state);
      });
    },
    async restart() {
      proxy.kill('SIGTERM');
      await proxy.exited;
      const { port } = new URL(url);
      proxy = await startProxyProcess({ ...given, TALLYLIGHT_CONSOLE_PORT: port });
      url = consoleOf(proxy);
    },
    async close() {
      proxy.kill('SIGKILL');
      await proxy.exited;
      await peers.close();
      await rm(directory, { recursive: true });
    },
  };
  return testBed;
}

function consoleOf({ lines }: ProxyProcess): string {
  for (const line of lines) {
    const [, url] = /"consoleUrl":"([^"]+)"/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`the proxy has no console:\n${lines.join('\n')}`);
}
