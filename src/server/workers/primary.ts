import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { Fault, messageOf } from '../../core/errors.ts';
import { createPrimaryMeter, createRegistry } from '../../metrics/metrics.ts';
import { WorkerNumbers } from '../../metrics/workers.ts';
import { createAdmin, type Readiness } from '../admin.ts';
import { createLog } from '../log.ts';
import { originOf } from '../proxy.ts';
import { closeServer, listen } from '../server.ts';
import { loadSettings, type ProxySettings, type WorkerSettings } from '../settings.ts';
import { warnAbout } from '../settings-warnings.ts';
import { chargeOf, refuseChanges } from './charge.ts';
import { answerMs, Fleet } from './fleet.ts';

/**
 * Serves the port with several workers. This process holds no state of calls: it reads and checks settings and
 * policies, forks, listens for health checks and metrics, and hands connections round.
 */
export async function runPrimary(settings: ProxySettings, { count }: WorkerSettings): Promise<void> {
  if (!cluster.isPrimary)
    throw new Fault(
      'ConfigurationInvalid',
      'TALLYLIGHT_WORKERS must be 1 in a process that is itself a worker of a cluster',
    );
  const log = createLog(settings.logLevel, undefined, 0);
  warnAbout(settings, log);
  const charge = await chargeOf(settings, log);
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.js', import.meta.url)), args: [] });

  const registry = createRegistry();
  const meter = createPrimaryMeter(registry);
  const numbers = new WorkerNumbers();
  const onHopeless = (why: string): void => {
    log.error({}, why);
    void end(1);
  };
  const fleet = new Fleet(charge, { size: count, log, meter, numbers, onHopeless });

  const state = { ending: false };
  const admin = createAdmin({
    readiness: () => readinessOf(fleet, state.ending),
    metrics: async () => {
      await takeNumbers(fleet, numbers);
      return { contentType: registry.contentType, text: await numbers.text(registry) };
    },
  });
  const end = async (code: number): Promise<void> => {
    if (state.ending) return;
    state.ending = true;
    const endedWell = await fleet.close();
    await closeServer(admin, 1000);
    process.exit(endedWell ? code : 1);
  };
  const reload = async (): Promise<void> => {
    try {
      const next = await chargeOf(loadSettings(process.env), log);
      refuseChanges(charge.settings, next.settings);
      warnAbout(next.settings, log);
      log.info({}, 'settings and policies were read again: the workers are replaced, one after the other');
      meter.policyReload(await fleet.renew(next));
    } catch (error) {
      log.error({ error: messageOf(error) }, 'settings and policies were not taken: no worker is replaced');
      meter.policyReload(false);
    }
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      log.info({ signal }, 'shutting down');
      void end(0);
    });
  process.on('SIGHUP', () => void reload());

  // Before anything is forked: a port that is taken stops the start.
  const adminUrl = originOf('http', await listen(admin, { port: settings.adminPort, host: settings.host }));
  try {
    const url = await fleet.start();
    log.info({ url, adminUrl, graph: settings.graphUrl, workers: count }, 'listening');
  } catch (error) {
    if (state.ending) return;
    log.error({ error: messageOf(error) }, 'the workers could not be started');
    await end(1);
  }
}

/** Connections go to any worker that serves: calls are carried if one can, and gates may open if all may open them. */
async function readinessOf(fleet: Fleet, ending: boolean): Promise<Readiness> {
  if (ending) return { signalling: false, gates: 'shutting down' };
  const said = await Promise.all(
    fleet
      .of('serving')
      .map(async (member) => ({ id: member.id, ready: await member.ask('readiness', answerMs) })),
  );
  const closed = said.find(({ ready }) => ready?.gates !== true);
  const why = closed && `worker ${closed.id}: ${closed.ready?.gates ?? 'it does not answer'}`;
  return {
    signalling: said.some(({ ready }) => ready?.signalling === true),
    gates: why ?? (said.length > 0 || 'no worker serves'),
  };
}

/** One asks the store for all of them; one that does not answer is shown as it was. */
async function takeNumbers(fleet: Fleet, numbers: WorkerNumbers): Promise<void> {
  const [first, ...others] = fleet.of('serving', 'leaving');
  await Promise.all([
    first?.ask('census', answerMs).then((samples) => samples && numbers.take(first.id, samples, true)),
    ...others.map(async (member) => {
      const samples = await member.ask('metrics', answerMs);
      if (samples !== undefined) numbers.take(member.id, samples);
    }),
  ]);
}
