import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../core/ports.ts';
import { chooseStore } from '../choose-store.ts';
import { failStart } from '../failed-start.ts';
import { createLog } from '../log.ts';
import { prepareMemory } from '../memory.ts';
import { startInstance, type Instance } from '../proxy.ts';
import { shutDown } from '../shutdown.ts';
import type { Answers, Charge, FromWorker, Question, ToWorker } from './messages.ts';

/** A process of its own: an instance like any other, whose port, settings and end come from the one that forked it. */
interface Work {
  readonly log: Log;
  readonly instance: Promise<Instance>;
}

const censusMs = 500;

let work: Work | undefined;
let ending = false;

function begin({ settings, policies }: Charge, readyWithinMs: number): Work {
  prepareMemory();
  const log = createLog(settings.logLevel, undefined, cluster.worker?.id);
  const instance = startInstance(settings, {
    log,
    openStore: chooseStore(settings, log),
    policies,
    readyWithinMs,
  });
  instance.then(({ url }) => say({ kind: 'listening', url }), failStart);
  return { log, instance };
}

/** Resolves once it was said, or there is nobody left to say it to. */
function say(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

async function answer(question: Question): Promise<Answers[Question] | undefined> {
  const instance = await work?.instance;
  if (question === 'readiness') return instance?.readiness();
  // A store that hangs must not keep the other numbers.
  if (question === 'census') await Promise.race([instance?.census(), sleep(censusMs)]);
  return instance?.registry.getMetricsAsJSON();
}

async function leave(withinMs: number): Promise<void> {
  const instance = await work?.instance;
  work?.log.info({ withinMs }, 'leaving: no new connections are taken, what was begun goes on');
  await instance?.leave(withinMs);
  end('left');
}

/** As an instance alone ends on SIGTERM. */
function end(why: string): void {
  if (ending) return;
  ending = true;
  if (work === undefined) process.exit(0);
  const { instance, log } = work;
  const close = async (): Promise<void> => {
    const running = await instance;
    await running.close();
    await say({ kind: 'farewell', samples: await running.registry.getMetricsAsJSON() });
  };
  void shutDown(close, log, { why });
}

// A terminal that is closed tells the whole group; policies and settings come from the primary.
process.on('SIGHUP', () => undefined);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal));
cluster.worker?.on('disconnect', () => {
  // Node would end the process at once, with what it had admitted.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  end('the process that forked this worker is gone');
});
process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'begin':
      work ??= begin(message.charge, message.readyWithinMs);
      break;
    case 'ask':
      // One that fails is not answered, which the primary takes for a no.
      answer(message.question).then(
        (given) => given && say({ kind: 'answer', id: message.id, answer: given }),
        () => undefined,
      );
      break;
    case 'leave':
      void leave(message.withinMs);
      break;
    case 'close':
      end('asked to');
  }
});
void say({ kind: 'hears' });
