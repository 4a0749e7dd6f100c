import type { CallKey } from '../../src/core/call/key.ts';
import { refuse } from '../../src/core/decision.ts';
import type { Poll, Send } from '../../src/core/graph/exchange.ts';
import type { GraphAnswer } from '../../src/core/graph/outcome.ts';
import { sleep } from '../../src/gate/context.ts';
import type { VirtualClock } from './virtual-clock.ts';

export type Asked = 'recording' | 'notRecording' | 'hangUp';

/** What becomes of one request; the test says whether its answer confirms a start, the product's judge is not asked. */
export interface Script {
  readonly answer: GraphAnswer;
  readonly confirms: boolean;
  /** The answer never comes. */
  readonly lost?: boolean;
  /** When Graph acts, ms after the request left; null: never. */
  readonly arrivesAfterMs?: number | null;
  /** The answer comes later, ms. */
  readonly answerAfterMs?: number;
  /** The handler is held up before its request leaves, ms. */
  readonly pauseMs?: number;
  /** The answer comes when this settles. */
  readonly until?: Promise<void>;
}

export const completed = (status = 'completed'): Script => ({
  answer: { status: 200, body: { id: 'op', status, resultInfo: { code: 200 } } },
  confirms: true,
});

export const pending = (id: string): Script => ({
  answer: { status: 202, body: { id, status: 'running' } },
  confirms: false,
  arrivesAfterMs: null,
});

export const refused = (status: number, code = 'Refused'): Script => ({
  answer: { status, body: { error: { code } } },
  confirms: false,
  arrivesAfterMs: null,
});

export const lost = (arrivesAfterMs: number | null): Script => ({
  ...completed(),
  lost: true,
  arrivesAfterMs,
});

/** What participants see and what the proxies were told, per call. */
interface Light {
  /** The banner. */
  actual: boolean;
  /** A success reply was received by a proxy, and no stop was sent since its request. */
  open: boolean;
  stoppedAt: number;
}

export interface GraphWatch {
  /** A stop is about to leave: no write may be live on any instance. */
  stopSent(call: CallKey, asked: Asked): void;
  changed(): void;
}

/** Graph, with answers that a test prepares; by default every request is completed at once. */
export class ScriptedGraph {
  readonly #clock: VirtualClock;
  readonly #timeoutMs: number;
  readonly #watch: GraphWatch;
  readonly #scripts: [Asked, Script][] = [];
  readonly #lights = new Map<CallKey, Light>();
  readonly #operations = new Map<string, () => void>();
  #sent = 0;
  /** What left a proxy, in order. */
  readonly log: Asked[] = [];
  /** Requests that were given up before their first byte. */
  readonly notSent: Asked[] = [];
  polls = 0;
  /** What a read of an operation answers; by default it is running. */
  operation: (id: string) => GraphAnswer = (id) => ({ status: 200, body: { id, status: 'running' } });
  /** What becomes of requests that nothing was prepared for. */
  otherwise: (asked: Asked) => Script = () => completed();

  constructor(clock: VirtualClock, timeoutMs: number, watch: GraphWatch) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#watch = watch;
  }

  /** Prepares what becomes of the next such request. */
  next(asked: Asked, ...scripts: readonly Script[]): void {
    for (const script of scripts) this.#scripts.push([asked, script]);
  }

  light(call: CallKey): Light {
    const light = this.#lights.get(call) ?? { actual: false, open: false, stoppedAt: 0 };
    this.#lights.set(call, light);
    return light;
  }

  /** From now on the operation reads `completed`; `acts`: Graph turns the banner with it. */
  complete(id: string, status = 'completed'): void {
    const before = this.operation;
    this.#operations.get(id)?.();
    this.operation = (asked) =>
      asked === id ? { status: 200, body: { id, status, resultInfo: { code: 200 } } } : before(asked);
  }

  /** One status request, as an instance would send it; `isDead`: the instance crashed and learns nothing. */
  exchange(call: CallKey, asked: Asked, isDead: () => boolean): { send: Send; poll: Poll } {
    const light = this.light(call);
    let sentAt = Infinity;
    const act = (): void => {
      light.actual = asked === 'recording';
      this.#watch.changed();
    };
    const learn = (confirms: boolean): void => {
      if (confirms && asked === 'recording' && sentAt > light.stoppedAt) light.open = true;
    };
    const send: Send = async (mayStill) => {
      const script = this.#take(asked);
      if (script.pauseMs !== undefined) await sleep(this.#clock, script.pauseMs);
      if (isDead()) return never();
      if (!mayStill()) {
        this.notSent.push(asked);
        return { kind: 'notSent', refusal: refuse('GraphTimeout') };
      }
      if (asked !== 'recording') {
        this.#watch.stopSent(call, asked);
        light.open = false;
      }
      sentAt = ++this.#sent;
      if (asked !== 'recording') light.stoppedAt = sentAt;
      this.log.push(asked);
      const { arrivesAfterMs = 0, answer } = script;
      const id = (answer.body as { id?: string } | undefined)?.id;
      if (arrivesAfterMs === 0) act();
      else if (arrivesAfterMs !== null) this.#clock.after(arrivesAfterMs, act);
      else if (id !== undefined) this.#operations.set(id, act);
      if (script.lost === true) {
        await sleep(this.#clock, this.#timeoutMs);
        return isDead() ? never() : { kind: 'lost', refusal: refuse('GraphTimeout'), facts: {} };
      }
      if (script.answerAfterMs !== undefined) await sleep(this.#clock, script.answerAfterMs);
      await script.until;
      if (isDead()) return never();
      learn(script.confirms);
      return { kind: 'answered', answer, facts: {} };
    };
    const poll: Poll = async (id) => {
      this.polls += 1;
      const answer = this.operation(id);
      await Promise.resolve();
      if (isDead()) return never();
      const { status } = answer.body as { status?: string };
      learn(answer.status === 200 && status?.toLowerCase() === 'completed');
      return { kind: 'answered', answer, facts: {} };
    };
    return { send, poll };
  }

  #take(asked: Asked): Script {
    const index = this.#scripts.findIndex(([one]) => one === asked);
    const [found] = index < 0 ? [] : this.#scripts.splice(index, 1);
    return found?.[1] ?? this.otherwise(asked);
  }
}

/** What a crashed process waits for. */
export const never = <T>(): Promise<T> => new Promise(() => undefined);
