import cluster, { type Worker } from 'node:cluster';
import type { Samples } from '../../metrics/workers.ts';
import { Liveness, missedPingsAllowed } from './liveness.ts';
import type {
  Answers,
  BackendAnswer,
  BackendQuestion,
  WorkerConfig,
  FromWorker,
  Question,
  ToWorker,
} from './messages.ts';

export type WorkerState = 'starting' | 'serving' | 'leaving';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

interface WorkerProcessOptions {
  readonly onTrial: boolean;
  /** Then it listens, whether it may open gates or not. */
  readonly readyWithinMs: number;
  /** Gets the final metrics of a worker that ends. */
  readonly onFinalMetrics: (id: number, samples: Samples) => void;
}

/** One worker, as the process that forked it sees it. */
export class WorkerProcess {
  readonly id: number;
  readonly config: WorkerConfig;
  state: WorkerState = 'starting';
  /** It is not missed if it dies. */
  onTrial: boolean;
  /** It gave no sign of life for too long, and was killed. */
  isHung = false;
  /** The origin under which bots see it; undefined: it ended before it listened. */
  readonly listening: Promise<string | undefined>;
  /** Resolves when the process is gone and all its messages were received. */
  readonly gone: Promise<Exit>;
  readonly #worker: Worker;
  readonly #asked = new Map<number, (answer: Answers[Question]) => void>();
  #questions = 0;
  /** Messages that wait until the worker receives them. */
  readonly #unsent: ToWorker[] = [];
  #hasStarted = false;
  readonly #ping = new Liveness();

  constructor(config: WorkerConfig, { onTrial, readyWithinMs, onFinalMetrics }: WorkerProcessOptions) {
    this.config = config;
    this.onTrial = onTrial;
    this.#worker = cluster.fork();
    this.id = this.#worker.id;
    // Not `once` of `node:events`, which rejects on an error, such as a message that reaches nobody any more.
    const exit = new Promise<Exit>((resolve) => {
      this.#worker.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal }));
    });
    const disconnected = new Promise<void>((resolve) => void this.#worker.once('disconnect', resolve));
    this.gone = Promise.all([exit, disconnected]).then(([how]) => how);
    const url = new Promise<string>((resolve) => {
      this.#worker.on('message', (message: FromWorker) => {
        this.#ping.answered();
        if (message.kind === 'started') this.#flush();
        else if (message.kind === 'listening') resolve(message.url);
        else if (message.kind === 'finalMetrics') onFinalMetrics(this.id, message.samples);
        else {
          this.#asked.get(message.id)?.(message.answer);
          this.#asked.delete(message.id);
        }
      });
    });
    this.listening = Promise.race([url, this.gone.then(() => undefined)]);
    // A message to a process that has just died; its end is noticed in any case.
    this.#worker.on('error', () => undefined);
    this.send({ kind: 'begin', config, readyWithinMs });
  }

  send(message: ToWorker): void {
    this.#unsent.push(message);
    if (this.#hasStarted) this.#flush();
  }

  #flush(): void {
    this.#hasStarted = true;
    for (const message of this.#unsent.splice(0)) if (this.#worker.isConnected()) this.#worker.send(message);
  }

  /** undefined: no answer came in time. */
  ask(question: 'console', withinMs: number, about: BackendQuestion): Promise<BackendAnswer | undefined>;
  ask<Asked extends Exclude<Question, 'console'>>(
    question: Asked,
    withinMs: number,
  ): Promise<Answers[Asked] | undefined>;
  ask(question: Question, withinMs: number, about?: BackendQuestion): Promise<Answers[Question] | undefined> {
    const id = (this.#questions += 1);
    return new Promise((resolve) => {
      const give = setTimeout(() => {
        this.#asked.delete(id);
        resolve(undefined);
      }, withinMs);
      this.#asked.set(id, (answer) => {
        clearTimeout(give);
        resolve(answer);
      });
      if (question !== 'console') this.send({ kind: 'ask', id, question });
      else if (about !== undefined) this.send({ kind: 'askForConsole', id, question: about });
    });
  }

  /** Begins a round in which the worker must give a sign of life; false: it has given none for too long. */
  checkLiveness(now: number): boolean {
    const ping = this.#ping.round(now, missedPingsAllowed[this.state]);
    if (ping === 'ask') this.send({ kind: 'ask', id: 0, question: 'ping' });
    return ping !== 'hung';
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }
}
