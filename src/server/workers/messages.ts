import type { PolicyInForce } from '../../core/call/policy.ts';
import type { Samples } from '../../metrics/workers.ts';
import type { Readiness } from '../readiness.ts';
import type { Backend } from '../../console/backend.ts';
import type { ProxySettings } from '../../settings/settings.ts';

/** What a worker works by. It is handed over whole: the files may say something else by the time a worker starts. */
export interface WorkerConfig {
  readonly settings: ProxySettings;
  readonly policies: readonly PolicyInForce[];
}

/** What the console of the primary asks a worker. */
export interface BackendQuestion {
  readonly method: keyof Backend;
  readonly args: readonly unknown[];
}

/** A message has no undefined of its own. */
export interface BackendAnswer {
  readonly value?: unknown;
}

/** What a worker can be asked, and what it answers. */
export interface Answers {
  /** Its event loop runs: whatever the worker waits for, this is answered at once. */
  readonly ping: true;
  readonly readiness: Readiness;
  readonly metrics: Samples;
  /** The same, after asking the store and the file system for what is the same for all workers. */
  readonly survey: Samples;
  /** What `Backend` answers. */
  readonly console: BackendAnswer;
}

export type Question = keyof Answers;

export type ToWorker =
  | { readonly kind: 'begin'; readonly config: WorkerConfig; readonly readyWithinMs: number }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Exclude<Question, 'console'> }
  | { readonly kind: 'askForConsole'; readonly id: number; readonly question: BackendQuestion }
  /** The whole process will end: serve on, and ask clients to connect anew. */
  | { readonly kind: 'retire' }
  /** Let the clients finish for so long, then close. */
  | { readonly kind: 'leave'; readonly withinMs: number }
  | { readonly kind: 'close' };

export type FromWorker =
  /** Messages to a worker before this are lost. */
  | { readonly kind: 'started' }
  | { readonly kind: 'listening'; readonly url: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Question] }
  /** The metrics of a worker that ends. */
  | { readonly kind: 'finalMetrics'; readonly samples: Samples };
