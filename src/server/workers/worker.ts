import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../core/json.ts';
import type { Log } from '../../core/ports/log.ts';
import { chooseStore } from '../choose-store.ts';
import { failStart } from '../failed-start.ts';
import { createLog } from '../log.ts';
import { prepareMemory } from '../memory.ts';
import { type Instance, startInstance } from '../proxy.ts';
import { endingWith, onEndSignals, shutDown } from '../shutdown.ts';
import { answerConsole } from './console.ts';
import type { Answers, BackendQuestion, WorkerConfig, FromWorker, Question, ToWorker } from './messages.ts';

/** A process of its own: an instance like any other, whose port, settings and end come from the one that forked it. */
interface Work {
  readonly log: Log;
  readonly instance: Promise<Instance>;
  readonly delayMs: number;
}

const surveyMs = 500;

let work: Work | undefined;

function begin({ settings, policies }: WorkerConfig, readyWithinMs: number): Work {
  prepareMemory();
  const log = createLog(settings.logLevel, undefined, cluster.worker?.id);
  const instance = startInstance(settings, {
    log,
    openStore: chooseStore(settings, log, failStart),
    policies,
    readyWithinMs,
  });
  instance.then(({ url }) => send({ kind: 'listening', url }), failStart);
  return { log, instance, delayMs: settings.shutdownDelayMs };
}

/** Resolves once it was sent, or there is nobody left to send it to. */
function send(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

type PlainQuestion = Exclude<Question, 'console'>;

async function answer(question: PlainQuestion): Promise<Answers[PlainQuestion] | undefined> {
  if (question === 'ping') return true;
  const instance = await work?.instance;
  if (question === 'readiness') return instance?.readiness();
  // A store that hangs must not keep the other metrics.
  if (question === 'survey') await Promise.race([instance?.survey(), sleep(surveyMs)]);
  return instance?.registry.getMetricsAsJSON();
}

async function answerForConsole(id: number, question: BackendQuestion): Promise<void> {
  const instance = await work?.instance;
  await send({ kind: 'answer', id, answer: await answerConsole(instance?.backend, question, work?.log) });
}

async function leave(withinMs: number): Promise<void> {
  const instance = await work?.instance;
  work?.log.info({ withinMs }, 'leaving: new connections are refused; requests in progress continue');
  await instance?.leave(withinMs);
  ending.now({ why: 'left' });
}

async function retire(): Promise<void> {
  const instance = await work?.instance;
  instance?.retire();
}

/** As an instance alone ends. */
function close(why: JsonObject): void {
  if (work === undefined) process.exit(0);
  const { instance, log } = work;
  const leaveStore = async (): Promise<void> => {
    const running = await instance;
    await running.close();
    await send({ kind: 'finalMetrics', samples: await running.registry.getMetricsAsJSON() });
  };
  shutDown(leaveStore, log, why).catch(failStart);
}

const ending = endingWith({
  log: { info: (facts, text) => work?.log.info(facts, text) },
  delayMs: () => work?.delayMs ?? 0,
  retire: () => void retire(),
  close,
});

// A terminal that is closed signals the whole group; policies and settings come from the primary.
process.on('SIGHUP', () => undefined);
// A terminal and systemd signal the whole group: the delays of all run at the same time.
onEndSignals(ending);
cluster.worker?.on('disconnect', () => {
  // Node would end the process at once, with what it had admitted.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  ending.now({ why: 'the parent process of this worker has exited' });
});
process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'begin':
      work ??= begin(message.config, message.readyWithinMs);
      break;
    case 'ask':
      // One that fails is not answered, which the primary takes for a no.
      answer(message.question).then(
        (given) => given && send({ kind: 'answer', id: message.id, answer: given }),
        () => undefined,
      );
      break;
    case 'askForConsole':
      void answerForConsole(message.id, message.question);
      break;
    case 'retire':
      void retire();
      break;
    case 'leave':
      void leave(message.withinMs);
      break;
    case 'close':
      ending.now({ why: 'asked to' });
  }
});
void send({ kind: 'started' });
