#!/usr/bin/env node
import { Fault, isFault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports.ts';
import { memoryStore } from '../store/memory.ts';
import { redisStore } from '../store/redis/client.ts';
import { parseCommand, usage } from './cli.ts';
import { createLog } from './log.ts';
import { startProxy, type ProxyParts, type RunningProxy } from './proxy.ts';
import { loadSettings, type ProxySettings, type Settings } from './settings.ts';

/** Longer than any bound of the shutdown itself: then something hangs, and staying would help nobody. */
const shutdownMs = 60_000;

interface Running {
  reloadPolicies(): void;
  close(): Promise<void>;
}

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind === 'help') process.stdout.write(usage);
  else if (command.kind === 'run') await run(command.sandboxOnly);
  else {
    process.stderr.write(`tallylight: ${command.message}\n\n${usage}`);
    process.exitCode = 2;
  }
}

async function run(sandboxOnly: boolean): Promise<void> {
  // Before the other settings are judged: whatever else is wrong with them, they are those of a proxy.
  if (sandboxOnly && (process.env.TALLYLIGHT_GRAPH_URL ?? '') !== '') throw notSandbox();
  const settings = loadSettings(process.env);
  if (sandboxOnly && settings.mode !== 'sandbox') throw notSandbox();
  const log = createLog(settings.logLevel);
  const running = settings.mode === 'sandbox' ? await sandbox(settings, log) : await proxy(settings, log);
  process.on('SIGHUP', () => running.reloadPolicies());
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void shutDown(running, log, signal));
}

const notSandbox = (): Fault =>
  new Fault(
    'ConfigurationInvalid',
    'TALLYLIGHT_GRAPH_URL is set, so this would be a proxy for real calls: unset it to start the sandbox, or leave out the argument',
  );

async function proxy(settings: ProxySettings, log: Log): Promise<RunningProxy> {
  const openStore = chooseStore(settings, log);
  const running = await startProxy(settings, { log, openStore });
  log.info({ url: running.url, adminUrl: running.adminUrl, graph: settings.graphUrl }, 'listening');
  return running;
}

function chooseStore(settings: ProxySettings, log: Log): ProxyParts['openStore'] {
  const { redisUrl, redisDurability: durability, redisWaitReplicas: waitReplicas } = settings;
  if (redisUrl === undefined) {
    log.warn(
      {},
      'TALLYLIGHT_REDIS_URL is not set: the state of calls is in this process alone. It is lost with the process, evidence not yet written included, and a second instance would not see it',
    );
    return () => memoryStore();
  }
  return (meter) => {
    const store = redisStore(redisUrl, { meter, log, durability, waitReplicas });
    // An unsuitable server stops the start; one that is away only keeps gates closed until it comes.
    store.ready().catch((error: unknown) => {
      if (!isFault(error, 'StoreUnsuitable')) return;
      log.error({ error: messageOf(error) }, 'TALLYLIGHT_REDIS_URL names a server that cannot be used');
      process.exit(1);
    });
    return store;
  };
}

/** Loaded only here, so that nothing of it is in a proxy that serves real calls. */
async function sandbox(settings: Extract<Settings, { mode: 'sandbox' }>, log: Log): Promise<Running> {
  const { startSandbox } = await import('./sandbox/sandbox.ts');
  const { guide } = await import('./sandbox/guide.ts');
  const running = await startSandbox(settings, { log });
  process.stdout.write(`${guide(running, running.graph.incomingCall({ answered: true }))}\n`);
  return { reloadPolicies: () => running.proxy.reloadPolicies(), close: () => running.close() };
}

async function shutDown(running: Running, log: Log, signal: string): Promise<void> {
  log.info({ signal }, 'shutting down');
  const force = setTimeout(() => {
    log.error({}, 'the shutdown did not end in time');
    process.exit(1);
  }, shutdownMs);
  await running.close();
  clearTimeout(force);
  process.exit(0);
}

main().catch((error: unknown) => {
  process.stderr.write(`tallylight: ${messageOf(error)}\n`);
  if (!isFault(error, 'ConfigurationInvalid'))
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : ''}\n`);
  process.exit(1);
});
