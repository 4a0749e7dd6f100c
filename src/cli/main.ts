#!/usr/bin/env node
import { checkConfiguration } from '../checks/check.ts';
import { Fault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import { chooseStore } from '../server/choose-store.ts';
import { exitCode } from '../server/exit-codes.ts';
import { failStart } from '../server/failed-start.ts';
import { createLog, standardError } from '../server/log.ts';
import { prepareMemory } from '../server/memory.ts';
import { type RunningProxy, startProxy } from '../server/proxy.ts';
import { endingWith, onEndSignals, shutDown } from '../server/shutdown.ts';
import { warnAtStart } from '../server/warn-at-start.ts';
import { runPrimary } from '../server/workers/primary.ts';
import { changedSettings } from '../settings/changes.ts';
import { loadSettings, type ProxySettings, type Settings } from '../settings/settings.ts';
import { parseCommand } from './arguments.ts';
import { showFindings } from './check.ts';
import { runConsoleCommand } from './console.ts';
import { settingsText, usage } from './help.ts';
import { print } from './print.ts';
import { version } from '../server/version.ts';

interface Running {
  reloadPolicies(): void;
  retire(): void;
  close(): Promise<void>;
}

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2));
  switch (command.kind) {
    case 'run':
      return run(command.sandboxOnly);
    case 'help':
      return print([usage]);
    case 'version':
      return print([`${version()}\n`]);
    case 'settings':
      return print([settingsText(process.stdout.columns)]);
    case 'check':
      return showFindings(await checkConfiguration(process.env), command.json);
    case 'console':
      return runConsoleCommand(command, process.env);
    case 'wrong':
      process.stderr.write(`tallylight: ${command.message}; see tallylight --help\n`);
      process.exitCode = exitCode('usage');
  }
}

async function run(sandboxOnly: boolean): Promise<void> {
  // Before the other settings are judged: whatever else is wrong with them, they are those of a proxy.
  if (sandboxOnly && (process.env.TALLYLIGHT_GRAPH_URL ?? '') !== '') throw notSandbox();
  const settings = loadSettings(process.env);
  if (sandboxOnly && settings.mode !== 'sandbox') throw notSandbox();
  if (settings.mode === 'proxy' && settings.workers !== undefined) {
    const { kind, why } = await runPrimary(settings, settings.workers);
    if (why !== undefined) process.stderr.write(`tallylight: ${why}\n`);
    process.exit(exitCode(kind));
  }
  prepareMemory();
  // A reader of the output that goes away ends nothing.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const log = settings.mode === 'sandbox' ? sandboxLog(settings.logLevel) : createLog(settings.logLevel);
  const now: { running?: Running } = {};
  // From now on: the first process of a container has no default for a signal, and would outlive one during its start.
  onEndSignals(
    endingWith({
      log,
      // An instance that was never ready has no traffic to send elsewhere.
      delayMs: () => (now.running !== undefined && settings.mode === 'proxy' ? settings.shutdownDelayMs : 0),
      retire: () => now.running?.retire(),
      close: (why) =>
        void shutDown(
          async () => {
            await (await starting).close();
          },
          log,
          why,
        ).catch(failStart),
    }),
  );
  process.on('SIGHUP', () => {
    if (now.running === undefined) return;
    now.running.reloadPolicies();
    if (settings.mode === 'proxy') warnOfUnapplied(settings, log);
  });
  const starting = settings.mode === 'sandbox' ? sandbox(settings, log) : proxy(settings, log);
  now.running = await starting;
}

const notSandbox = (): Fault =>
  new Fault(
    'ConfigurationInvalid',
    'TALLYLIGHT_GRAPH_URL is set, so this would be a proxy for real calls: unset it to start the sandbox, or leave out the argument',
  );

/** Standard output is for the guide. Whoever reads that has no use for a log that was not asked for. */
const sandboxLog = (level: string): Log =>
  createLog(
    level === 'info' && process.env.TALLYLIGHT_LOG_LEVEL === undefined ? 'warn' : level,
    standardError(),
  );

async function proxy(settings: ProxySettings, log: Log): Promise<RunningProxy> {
  warnAtStart(settings, log);
  const running = await startProxy(settings, { log, openStore: chooseStore(settings, log, failStart) });
  const { url, adminUrl, consoleUrl } = running;
  log.info({ url, adminUrl, consoleUrl, graph: settings.graphUrl }, 'listening');
  return running;
}

/** Without workers only policies are reloaded: a change of a setting must not seem to be in force. */
function warnOfUnapplied(inForce: ProxySettings, log: Log): void {
  try {
    const changed = changedSettings(inForce, loadSettings(process.env));
    if (changed.length > 0)
      log.warn(
        { settings: changed },
        'settings have changed in their files, but are only read at the start without workers; the previous values stay in force. Restart the process to apply them',
      );
  } catch (error) {
    log.error(
      { error: messageOf(error) },
      'the settings are no longer valid; the previous values stay in force, but a restart would fail',
    );
  }
}

/** Loaded only here, so that nothing of it is in a proxy that serves real calls. */
async function sandbox(settings: Extract<Settings, { mode: 'sandbox' }>, log: Log): Promise<Running> {
  const { startSandbox } = await import('../sandbox/sandbox.ts');
  const { guide } = await import('../sandbox/guide.ts');
  const running = await startSandbox(settings, { log });
  process.stdout.write(`${guide(running, running.graph.incomingCall({ answered: true }))}\n`);
  return {
    reloadPolicies: () => running.proxy.reloadPolicies(),
    retire: () => running.proxy.retire(),
    close: () => running.close(),
  };
}

main().catch(failStart);
