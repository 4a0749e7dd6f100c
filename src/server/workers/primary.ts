import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { Fault, messageOf } from '../../core/errors.ts';
import { createPrimaryMeter } from '../../metrics/metrics.ts';
import { createRegistry, reportBuild } from '../../metrics/process.ts';
import { WorkerMetrics } from '../../metrics/workers.ts';
import { createAdmin } from '../admin.ts';
import { type ConsoleServer, startConsoleServer } from '../console.ts';
import { type ExitKind, exitKindOf } from '../exit-codes.ts';
import { createLog } from '../log.ts';
import { originOf } from '../origin.ts';
import { readinessWith, shuttingDown, type Obstacle, type Readiness } from '../readiness.ts';
import { endingWith, onEndSignals } from '../shutdown.ts';
import { closeServer, listenAs } from '../server.ts';
import { version } from '../version.ts';
import { loadSettings, type ProxySettings, type WorkerSettings } from '../../settings/settings.ts';
import { warnAtStart } from '../warn-at-start.ts';
import { prepareWorkerConfig, refuseChanges } from './settings.ts';
import { backendOver } from './console.ts';
import { answerMs, WorkerPool } from './pool.ts';

/** How the process ends. */
export interface PrimaryEnd {
  readonly kind: ExitKind;
  /** For standard error; absent: a worker has written there why it ended. */
  readonly why?: string;
}

/**
 * Serves the port with several workers. This process holds no state of calls: it reads and checks settings and
 * policies, forks, listens for health checks and metrics, and hands connections round. Resolves when the workers are
 * gone.
 */
export async function runPrimary(settings: ProxySettings, { count }: WorkerSettings): Promise<PrimaryEnd> {
  if (!cluster.isPrimary)
    throw new Fault(
      'ConfigurationInvalid',
      'TALLYLIGHT_WORKERS must be 1 in a process that is itself a worker of a cluster',
    );
  const log = createLog(settings.logLevel, undefined, 0);
  const config = await prepareWorkerConfig(settings, log);
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.js', import.meta.url)), args: [] });

  const registry = createRegistry();
  reportBuild(registry, version());
  const meter = createPrimaryMeter(registry);
  meter.loaded('policies');
  const metrics = new WorkerMetrics();
  const onCrashLoop = (why: string): void => {
    log.error({}, why);
    fail({ kind: 'cannotStart', why: `TALLYLIGHT_WORKERS: ${why}; the log says why each of them ended` });
  };
  const pool = new WorkerPool(config, { size: count, log, meter, metrics, onCrashLoop });

  /** `ending`: no readiness any more. */
  const state: { ending: boolean; listening: boolean; failure?: PrimaryEnd } = {
    ending: false,
    listening: false,
  };
  let inForce = config;
  const served: { console?: ConsoleServer | undefined } = {};
  const admin = createAdmin({
    readiness: () => readinessOf(pool, state.ending),
    metrics: async () => {
      await collectMetrics(pool, metrics);
      return { contentType: registry.contentType, text: await metrics.text(registry) };
    },
  });
  const close = async (): Promise<PrimaryEnd> => {
    await served.console?.close();
    const endedWell = await pool.close();
    await closeServer(admin, 1000);
    return state.failure ?? { kind: endedWell ? 'success' : 'failure' };
  };
  let end: (closed: Promise<PrimaryEnd>) => void;
  const ended = new Promise<PrimaryEnd>((resolve) => (end = resolve));
  const ending = endingWith({
    log,
    delayMs: () => (state.listening ? inForce.settings.shutdownDelayMs : 0),
    retire: () => {
      state.ending = true;
      pool.retire();
    },
    close: (why) => {
      log.info(why, 'shutting down');
      state.ending = true;
      end(close());
    },
  });
  const fail = (failure: PrimaryEnd): void => {
    state.failure = failure;
    ending.now({ why: failure.why ?? 'the workers could not be started' });
  };
  const reload = async (): Promise<void> => {
    if (state.ending) {
      log.info({}, 'settings and policies were not reloaded: the process is shutting down');
      return;
    }
    try {
      const next = await prepareWorkerConfig(loadSettings(process.env), log);
      refuseChanges(config.settings, next.settings);
      warnAtStart(next.settings, log);
      log.info({}, 'settings and policies were reloaded; replacing the workers one after the other');
      const renewed = await pool.renew(next);
      if (renewed) inForce = next;
      meter.policyReload(renewed);
    } catch (error) {
      log.error(
        { error: messageOf(error) },
        'settings and policies could not be reloaded; no worker is replaced',
      );
      meter.policyReload(false);
    }
  };
  onEndSignals(ending);
  process.on('SIGHUP', () => void reload());
  warnAtStart(settings, log);

  // Before anything is forked: a port that is taken stops the start.
  const adminUrl = originOf(
    'http',
    await listenAs('TALLYLIGHT_ADMIN_PORT', admin, { port: settings.adminPort, host: settings.host }),
  );
  served.console = await startConsoleServer(settings, {
    ...{ log, registry },
    backend: backendOver(() => pool.of('serving', 'leaving')[0]),
    policyName: (digest) => inForce.policies.find((policy) => policy.digest === digest)?.name,
  });
  try {
    const url = await pool.start();
    state.listening = true;
    const consoleUrl = served.console?.url;
    log.info({ url, adminUrl, consoleUrl, graph: settings.graphUrl, workers: count }, 'listening');
  } catch (error) {
    if (!state.ending) {
      log.error({ error: messageOf(error) }, 'the workers could not be started');
      const kind = exitKindOf(error);
      fail(kind === 'failure' ? { kind, why: messageOf(error) } : { kind });
    }
  }
  return ended;
}

const notAnswering: Obstacle = { code: 'WorkerSilent', text: 'it does not answer' };
const nobody: Obstacle = { code: 'NoWorker', text: 'no worker serves' };

/** Connections go to any worker that serves: calls are carried if one can, and gates may open if all may open them. */
async function readinessOf(pool: WorkerPool, ending: boolean): Promise<Readiness> {
  if (ending) return shuttingDown;
  const said = await Promise.all(
    pool
      .of('serving')
      .map(async (worker) => ({ id: worker.id, ready: await worker.ask('readiness', answerMs) })),
  );
  const found = said.flatMap(({ id, ready }) =>
    (ready === undefined ? [notAnswering] : (ready.obstacles ?? [])).map(({ code, text }): Obstacle => ({
      code,
      text: `worker ${id}: ${text}`,
    })),
  );
  const signalling = said.some(({ ready }) => ready?.signalling === true);
  return readinessWith(signalling, said.length === 0 ? [nobody] : found);
}

/** One asks the store for all of them; one that does not answer is shown as it was. */
async function collectMetrics(pool: WorkerPool, metrics: WorkerMetrics): Promise<void> {
  const [first, ...others] = pool.of('serving', 'leaving');
  await Promise.all([
    first?.ask('survey', answerMs).then((samples) => samples && metrics.add(first.id, samples, true)),
    ...others.map(async (worker) => {
      const samples = await worker.ask('metrics', answerMs);
      if (samples !== undefined) metrics.add(worker.id, samples);
    }),
  ]);
}
