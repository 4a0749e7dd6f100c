import { randomUUID } from 'node:crypto';
import { silentMeter } from '../../middleware/meter.ts';
import type { CallKey } from '../../src/core/call/key.ts';
import { defaultPolicy } from '../../src/core/call/policy.ts';
import type { Binding } from '../../src/core/call/state.ts';
import type { Decision } from '../../src/core/decision.ts';
import type { Poll, Send } from '../../src/core/graph/exchange.ts';
import type { GraphAnswer } from '../../src/core/graph/outcome.ts';
import type { Log } from '../../src/core/ports/log.ts';
import type { Store } from '../../src/core/ports/store.ts';
import type { GateTimes } from '../../src/gate/context.ts';
import { Gate } from '../../src/gate/gate.ts';
import type { Stopped } from '../../src/gate/stop.ts';
import type { Write } from '../../src/gate/write.ts';
import { systemClock } from '../../src/http/clock.ts';
import { eventually } from './eventually.ts';
import type { TestRedis } from './redis.ts';

const silent = (): void => undefined;
const log: Log = { debug: silent, info: silent, warn: silent, error: silent };
const by: Binding = { tenant: 'tenant-1', app: 'app-1' };

/** Rule R2 waits for three Graph timeouts: too long to be missed, and `waitIsOver` ends it. */
const times: GateTimes = { ttlMs: 2000, drainMs: 200, graphTimeoutMs: 10_000 };

const everyLife =
  "for _, key in ipairs(redis.call('KEYS', '*:shard')) do redis.call('HSET', key, 'settled', 1) end";

/** As if the waiting period of rule R2 had passed. */
export const waitIsOver = (redis: Pick<TestRedis, 'cli'>): Promise<string> =>
  redis.cli('eval', everyLife, '0');

const completed: GraphAnswer = { status: 200, body: { id: 'op', status: 'completed' } };

/** Gates of several instances in real time, and a Graph that does as it is told; both laws are watched. */
export class RedisGates {
  /** What was sent to Graph, in order. */
  readonly sent: ('recording' | 'notRecording')[] = [];
  readonly violations: string[] = [];
  readonly #opened: { readonly gate: Gate; readonly store: Store }[] = [];
  readonly #writes = new Set<Write>();
  readonly #times: GateTimes;
  #lit = false;

  constructor(changes: Partial<GateTimes> = {}) {
    this.#times = { ...times, ...changes };
  }

  /** An instance on a store of its own; a call must be the same one throughout. */
  async open(store: Store): Promise<Gate> {
    const gate = new Gate({
      calls: store.calls,
      sessions: store.sessions,
      outbox: store.outbox,
      holds: store.holds,
      readHolds: () => Promise.resolve([]),
      clock: systemClock,
      log,
      meter: silentMeter,
      policyFor: () => defaultPolicy,
      newId: randomUUID,
      times: this.#times,
    });
    this.#opened.push({ gate, store });
    await gate.open();
    return gate;
  }

  async close(): Promise<void> {
    for (const { gate, store } of this.#opened.splice(0)) {
      await gate.close();
      await store.close();
    }
  }

  /** The reason why a status change was refused, or what became of it. */
  async start(gate: Gate, call: CallKey): Promise<string> {
    const started = await gate.start({
      ...{ call, by, poll: this.#poll },
      send: this.#send('recording'),
      sendConfirmation: this.#send('notRecording'),
    });
    return started.ok ? (started.value.open ? 'open' : 'closed') : started.reason;
  }

  async stop(gate: Gate, call: CallKey): Promise<string> {
    const stopped: Decision<Stopped<GraphAnswer>> = await gate.stop({
      ...{ call, by, cause: 'notRecording' },
      graph: { send: this.#send('notRecording'), poll: this.#poll },
    });
    return stopped.ok ? 'stopped' : stopped.reason;
  }

  /** Tries to write; undefined: it was refused. */
  async write(gate: Gate, call: CallKey): Promise<Write | undefined> {
    const admitted = await gate.admit(call, by);
    if (!admitted.ok) return undefined;
    const write = admitted.value;
    if (!this.#lit) this.violations.push('a write was admitted while the light was off');
    this.#writes.add(write);
    write.onCut(() => this.#writes.delete(write));
    return write;
  }

  finish(write: Write): void {
    this.#writes.delete(write);
    write.end(true);
  }

  /** Until the instance may open gates, which it may not before its session is joined. */
  async ready(gate: Gate): Promise<void> {
    await eventually(() => gate.isReady(), { what: 'a session' });
  }

  /** What comes of a status change once the store answers at all, and no crashed handler is in the way. */
  async settled(change: () => Promise<string>): Promise<string> {
    const passing = ['StoreUnavailable', 'StatusInProgress', 'DrainTimeout'];
    return eventually(async () => {
      const answer = await change();
      return passing.includes(answer) ? undefined : answer;
    });
  }

  async recording(gate: Gate, call: CallKey): Promise<void> {
    await eventually(async () => (await this.start(gate, call)) === 'open', { what: 'an open gate' });
  }

  readonly #poll: Poll = () => Promise.resolve({ kind: 'answered', answer: completed, facts: {} });

  #send(status: 'recording' | 'notRecording'): Send {
    return (mayStill) => {
      if (!mayStill())
        return Promise.resolve({ kind: 'notSent', refusal: { ok: false, reason: 'GraphTimeout' } });
      this.sent.push(status);
      const live = [...this.#writes].filter((write) => write.mayContinue()).length;
      if (status === 'notRecording' && live > 0) this.violations.push(`${live} writes at a stop`);
      this.#lit = status === 'recording';
      return Promise.resolve({ kind: 'answered', answer: completed, facts: {} });
    };
  }
}
