import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { notPolicyCall, operationAnswer } from './calls.ts';
import { graphError, type Answer, type Outcome } from './route.ts';

const headers = z.record(z.string(), z.string()).default({});
const status = z.int().min(200).max(599);
const ms = z.number().min(0);

const answerSchema = z.union([
  z.enum([
    'asUsual',
    /** 202 with a Location and no body; the operation is completed. */
    'accepted',
    /** 200 without a body. */
    'empty',
    /** 200 with a body that is not JSON. */
    'garbage',
    /** The connection is destroyed without an answer. */
    'reset',
    /** The connection is destroyed in the middle of the usual answer. */
    'truncated',
    /** Nothing, ever. */
    'none',
    /** 429 with a Retry-After that is not an integer. */
    'throttled',
    /** 500. */
    'serverError',
    /** Error 8506. */
    'notPolicyCall',
  ]),
  /** An operation that is not final yet. It ends after `afterMs` or when the rule is released. */
  z.strictObject({
    pending: z.strictObject({
      as: z.enum(['running', 'notStarted']).nullable().default('running'),
      then: z.enum(['completed', 'failed']).default('completed'),
      afterMs: ms.optional(),
    }),
  }),
  /** The usual operation with another status on the wire (`Completed`, `failed`) or with a result. */
  z.strictObject({
    operation: z.strictObject({
      status: z.string().nullable().default('completed'),
      resultInfo: z.unknown().default(null),
    }),
  }),
  z.strictObject({
    error: z.strictObject({ status, code: z.string(), message: z.string().default(''), headers }),
  }),
  z.strictObject({ redirect: z.string(), status: status.default(307) }),
  z.strictObject({ raw: z.strictObject({ status, headers, body: z.string().optional() }) }),
]);

export const ruleSchema = z.strictObject({
  /** `updateRecordingStatus`, `keepAlive`, ...: the actions of the log; `*` is any. */
  action: z.string(),
  /** Only for this call, however its id is spelled. */
  call: z.string().optional(),
  /** Only if this recording status is asked for. */
  asked: z.enum(['recording', 'notRecording', 'failed']).optional(),
  /** How many requests it is for. */
  times: z.int().min(1).default(1),
  answer: answerSchema.default('asUsual'),
  /** How long the answer is kept back, ms. */
  delayMs: ms.default(0),
  /** The answer waits for the release of the rule. */
  hold: z.boolean().default(false),
  /**
   * Whether and when the request has its effect, whatever is answered. By default: never with an error, a redirect
   * or an operation that failed; when it completes with a pending operation; otherwise now.
   */
  effect: z.union([z.enum(['now', 'never', 'onRelease']), z.strictObject({ afterMs: ms })]).optional(),
});

export type ScriptRule = z.input<typeof ruleSchema>;
type Rule = z.output<typeof ruleSchema>;

/** What goes out on the connection. */
export type Wire = Answer | 'none' | 'reset' | { readonly truncated: Answer };

export interface Script {
  readonly id: string;
  /** How many requests the rule was used for. */
  readonly used: number;
  /** Lets everything that waits for this rule happen now: effects, pending operations, answers. */
  release(): void;
}

/** Runs later, once. */
type Later = (ms: number, run: () => void) => void;

/** Rules for the next requests; the first that matches is used. */
export class Scripts {
  readonly #active: ActiveRule[] = [];
  readonly #later: Later;

  constructor(later: Later) {
    this.#later = later;
  }

  add(rule: ScriptRule): Script {
    const active = new ActiveRule(ruleSchema.parse(rule), this.#later);
    this.#active.push(active);
    return active;
  }

  find(id: string): Script | undefined {
    return this.#active.find((rule) => rule.id === id);
  }

  releaseAll(): void {
    for (const rule of this.#active) rule.release();
  }

  /** Takes one use of the rule for a request, or undefined. */
  take(action: string, call: string | null, asked: string | null): ActiveRule | undefined {
    const rule = this.#active.find((candidate) => candidate.isFor(action, call, asked));
    if (rule !== undefined) rule.used += 1;
    return rule;
  }
}

class ActiveRule implements Script {
  readonly id = randomUUID();
  used = 0;
  readonly #rule: Rule;
  readonly #later: Later;
  #waiting: (() => void)[] = [];

  constructor(rule: Rule, later: Later) {
    this.#rule = rule;
    this.#later = later;
  }

  isFor(action: string, call: string | null, asked: string | null): boolean {
    const { times, ...wanted } = this.#rule;
    return (
      this.used < times &&
      (wanted.action === '*' || wanted.action === action) &&
      (wanted.call === undefined || undashed(wanted.call) === undashed(call ?? '')) &&
      (wanted.asked === undefined || wanted.asked === asked)
    );
  }

  release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }

  /** Plays the rule for one request; `act` makes the effect happen. */
  async play(outcome: Outcome, act: () => void): Promise<Wire> {
    const wire = this.#compose(outcome, act);
    if (this.#rule.hold) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#rule.delayMs > 0)
      await new Promise<void>((resolve) => this.#later(this.#rule.delayMs, resolve));
    return wire;
  }

  #compose(outcome: Outcome, act: () => void): Wire {
    const { answer, effect } = this.#rule;
    const { operation } = outcome;
    if (typeof answer === 'object' && 'pending' in answer && operation !== undefined) {
      const { as, then, afterMs } = answer.pending;
      operation.status = as;
      outcome.keepOperation?.();
      if (effect !== undefined) this.#schedule(effect, act);
      this.#defer(afterMs, () => {
        operation.status = then;
        outcome.notifyOperation?.();
        if (effect === undefined && then === 'completed') act();
      });
      return operationAnswer(operation);
    }
    if (typeof answer === 'object' && 'operation' in answer && operation !== undefined) {
      Object.assign(operation, answer.operation);
      outcome.keepOperation?.();
    }
    const wire = this.#wire(outcome);
    this.#schedule(effect ?? (isRefusal(wire, operation?.status) ? 'never' : 'now'), act);
    return wire;
  }

  #wire({ answer: usual, operation }: Outcome): Wire {
    const { answer } = this.#rule;
    if (typeof answer === 'object') {
      if ('raw' in answer) {
        const { body, ...rest } = answer.raw;
        return body === undefined ? rest : { ...rest, body };
      }
      if ('redirect' in answer) return { status: answer.status, headers: { location: answer.redirect } };
      if ('error' in answer) {
        const { status, code, message, headers } = answer.error;
        return { ...graphError(status, code, message).answer, headers };
      }
      return operation === undefined ? usual : operationAnswer(operation);
    }
    switch (answer) {
      case 'asUsual':
        return usual;
      case 'accepted':
        return { status: 202, headers: usual.headers ?? {} };
      case 'empty':
        return { status: 200, headers: usual.headers ?? {} };
      case 'garbage':
        return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"status":"completed' };
      case 'truncated':
        return { truncated: usual };
      case 'throttled':
        return {
          ...graphError(429, 'TooManyRequests', 'Too many requests.').answer,
          headers: { 'retry-after': '2.128' },
        };
      case 'serverError':
        return graphError(500, 'InternalServerError', 'Something went wrong.').answer;
      case 'notPolicyCall':
        return notPolicyCall.answer;
      case 'none':
      case 'reset':
        return answer;
    }
  }

  #schedule(effect: NonNullable<Rule['effect']>, act: () => void): void {
    if (effect === 'now') act();
    else if (effect === 'onRelease') this.#defer(undefined, act);
    else if (effect !== 'never') this.#defer(effect.afterMs, act);
  }

  /** Once: when the time has come, if there is one, or at the release. */
  #defer(afterMs: number | undefined, run: () => void): void {
    let done = false;
    const once = (): void => {
      if (!done) run();
      done = true;
    };
    this.#waiting.push(once);
    if (afterMs !== undefined) this.#later(afterMs, once);
  }
}

const undashed = (id: string): string => id.replaceAll('-', '').toLowerCase();

const isRefusal = (wire: Wire, operationStatus: string | null | undefined): boolean =>
  (typeof wire === 'object' && 'status' in wire && wire.status >= 300) ||
  operationStatus?.toLowerCase() === 'failed';
