import type { CallKey } from '../../src/core/call/key.ts';
import { refuse } from '../../src/core/decision.ts';
import type { Poll, Send, Sent } from '../../src/core/graph/exchange.ts';
import type { GraphAnswer } from '../../src/core/graph/outcome.ts';
import { readCallFacts } from '../../src/core/notices/call-facts.ts';
import type { Notice } from '../../src/core/notices/notice.ts';
import type { CallProbe } from '../../src/core/ports/identity.ts';
import type { Chance, Weather } from './chance.ts';
import type { Engine, Process } from './engine.ts';
import type { Observer } from './observer.ts';
import type { Setting } from './plan.ts';

export type Asked = 'recording' | 'notRecording' | 'hangUp';

interface Operation {
  readonly id: string;
  readonly asked: Asked;
  /** The number of the request, as the observer counts. */
  readonly number: number;
  status: 'running' | 'completed' | 'failed';
}

interface GraphCall {
  isAlive: boolean;
  banner: boolean;
  readonly operations: Operation[];
  sequence: number;
}

/** How Graph answers; the request was understood all the same unless `acts` is false. */
interface Manner {
  readonly text: string;
  readonly acts: boolean;
  readonly answer: GraphAnswer;
}

const error = (status: number, code: string, acts = false): Manner => ({
  text: `${status} ${code}`,
  acts,
  answer: { status, body: { error: { code } } },
});

const manners: readonly Manner[] = [
  error(401, 'InvalidAuthenticationToken'),
  error(403, '7503'),
  error(404, '8522'),
  error(409, '2203'),
  error(400, '8506'),
  error(429, 'TooManyRequests'),
  error(500, 'UnknownError'),
  error(500, 'UnknownError', true),
  error(503, 'ServiceUnavailable', true),
  { text: '200 without a body', acts: true, answer: { status: 200, body: undefined } },
];

/**
 * Graph behind a network. It works through the status changes of a call in the order in which it receives them. A
 * request is off the wire one Graph timeout after its sender gave it up, or would have.
 */
export class SimulatedGraph {
  /** Nobody reaches it. */
  isDown = false;
  /** It, or whoever gives tokens for it, refuses our credential. */
  refusesCredential = false;
  /** Called with what Graph tells bots. */
  notify: (notice: Notice) => void = () => undefined;
  readonly #engine: Engine;
  readonly #weather: Weather;
  readonly #setting: Setting;
  readonly #observer: Observer;
  readonly #calls = new Map<CallKey, GraphCall>();

  constructor(engine: Engine, weather: Weather, setting: Setting, observer: Observer) {
    this.#engine = engine;
    this.#weather = weather;
    this.#setting = setting;
    this.#observer = observer;
  }

  call(key: CallKey): GraphCall {
    const known = this.#calls.get(key);
    if (known !== undefined) return known;
    const call = { isAlive: true, banner: false, operations: [], sequence: 0 };
    this.#calls.set(key, call);
    return call;
  }

  /** Graph ends the call for reasons of its own. */
  terminate(key: CallKey): void {
    this.#engine.note(`Graph terminates ${key.slice(-4)}`);
    this.#observer.ended(key);
    this.#end(key);
  }

  /** How one instance asks for one status change, as the upstream adapter would. */
  exchange(process: Process, key: CallKey, asked: Asked): { send: Send; poll: Poll } {
    return {
      send: (mayStill) => this.#send(process, key, asked, mayStill),
      poll: (id) => this.#ask(process, `operation ${id}`, () => this.#read(key, id)),
    };
  }

  probe(process: Process): CallProbe {
    return async (key) => {
      const sent = await this.#ask(process, `call ${key.slice(-4)}`, () => ({
        status: this.call(key).isAlive ? 200 : 404,
        body: {},
      }));
      if (sent.kind !== 'answered') return 'unknown';
      return sent.answer.status === 404 ? 'gone' : 'found';
    };
  }

  async #send(process: Process, key: CallKey, asked: Asked, mayStill: () => boolean): Promise<Sent> {
    const { odds, times } = this.#setting;
    const occasion = `${process.slot} ${asked}`;
    const heldUp = (what: string): number =>
      this.#weather.fault(
        `${occasion} ${what}`,
        odds.graphHeldUp,
        (chance) => chance.pick([chance.between(0, 1.2), chance.between(0.9, 1)]) * times.graphTimeoutMs,
      ) ?? this.#weather.delay(occasion);
    if (this.refusesCredential && this.#weather.delay(`${occasion} credential`) < 1.5)
      return { kind: 'notSent', refusal: refuse('GraphCredentialUnavailable', { retryAfterMs: 1000 }) };
    // A credential is fetched before the time of the request begins to count.
    await new Promise<void>((resolve) => {
      this.#engine.schedule(heldUp('credential late'), `${process.name} may send ${asked}`, resolve, process);
    });
    return this.#request(process, key, asked, heldUp('connected late'), mayStill);
  }

  #request(
    process: Process,
    key: CallKey,
    asked: Asked,
    connects: number,
    mayStill: () => boolean,
  ): Promise<Sent> {
    const { odds, timesOf } = this.#setting;
    const limit = timesOf[process.slot]!.graphTimeoutMs;
    const occasion = `${process.slot} ${asked}`;
    const what = `${asked} for ${key.slice(-4)}`;
    // One Graph timeout after the sender gave up, or would have.
    const offTheWireAt = this.#engine.now + limit / process.rate + limit;
    return new Promise((settle) => {
      let left = false;
      let over = false;
      const finish = (sent: Sent): void => {
        over = true;
        cancel();
        settle(sent);
      };
      const cancel = process.clock.after(limit, () => {
        const refusal = refuse('GraphTimeout');
        finish(left ? { kind: 'lost', refusal, facts: {} } : { kind: 'notSent', refusal });
      });
      const connected = (): void => {
        if (over) return;
        if (this.isDown) {
          finish({ kind: 'notSent', refusal: refuse('GraphUnreachable') });
          return;
        }
        if (!mayStill()) {
          finish({ kind: 'notSent', refusal: refuse('StatusInProgress') });
          return;
        }
        left = true;
        this.#engine.note(`${process.name} sends ${what}`);
        this.#observer.sent(process, asked);
        const longest = offTheWireAt - this.#engine.now;
        const takes = this.#weather.fault(`${occasion} late`, odds.graphLate, (chance) =>
          lateness(chance, longest),
        );
        if (takes === null) {
          this.#engine.note(`${what} never reaches Graph`);
          return;
        }
        const arrive = (): void => {
          const answer = this.#receive(occasion, key, asked);
          this.#reply(process, occasion, () => {
            if (!over) finish({ kind: 'answered', answer, facts: {} });
          });
        };
        this.#engine.schedule(
          takes ?? this.#weather.delay(occasion),
          `Graph <- ${process.name} ${what}`,
          arrive,
        );
      };
      this.#engine.schedule(connects, `${process.name} is connected for ${what}`, connected, process);
    });
  }

  /** A reading, of an operation or a call. */
  #ask(process: Process, what: string, read: () => GraphAnswer): Promise<Sent> {
    return new Promise((settle) => {
      const cancel = process.clock.after(this.#setting.timesOf[process.slot]!.graphTimeoutMs, () =>
        settle({ kind: 'lost', refusal: refuse('GraphTimeout'), facts: {} }),
      );
      const arrive = (): void => {
        if (this.isDown) return;
        const answer = this.refusesCredential ? error(401, 'InvalidAuthenticationToken').answer : read();
        this.#reply(process, `${process.slot} read`, () => {
          cancel();
          settle({ kind: 'answered', answer, facts: {} });
        });
      };
      const takes = this.#weather.delay(`${process.slot} read`);
      this.#engine.schedule(takes, `Graph <- ${process.name} reads ${what}`, arrive);
    });
  }

  #reply(process: Process, occasion: string, arrive: () => void): void {
    const { odds, times } = this.#setting;
    const takes = this.#weather.fault(`${occasion} reply`, odds.graphReply, (chance) =>
      chance.happens(0.5) ? null : chance.between(0, 1.5 * times.graphTimeoutMs),
    );
    if (takes === null) {
      this.#engine.note(`${process.name} never gets Graph's reply`);
      return;
    }
    this.#engine.schedule(
      takes ?? this.#weather.delay(occasion),
      `${process.name} <- Graph`,
      arrive,
      process,
    );
  }

  #receive(occasion: string, key: CallKey, asked: Asked): GraphAnswer {
    const number = this.#observer.received(key, asked);
    const call = this.call(key);
    const said = (text: string): void =>
      this.#engine.note(`Graph receives ${asked} for ${key.slice(-4)}: ${text}`);
    if (this.refusesCredential) {
      said('401');
      return error(401, 'InvalidAuthenticationToken').answer;
    }
    if (!call.isAlive) {
      said('404');
      return error(404, '8522').answer;
    }
    for (const operation of call.operations) this.#finish(key, operation);
    const { odds, times } = this.#setting;
    const manner = this.#weather.fault(`${occasion} answer`, odds.graphAnswer, (chance): Manner | number =>
      chance.happens(0.4) ? chance.between(1, 2.5 * times.graphTimeoutMs) : chance.pick(manners),
    );
    const id = `operation-${number}`;
    const operation: Operation = { id, asked, number, status: 'running' };
    if (typeof manner === 'object') {
      said(`${manner.text}${manner.acts ? ', and acts' : ''}`);
      if (manner.acts) this.#act(key, asked);
      return manner.answer;
    }
    if (asked === 'hangUp') {
      said('204');
      this.#act(key, asked);
      return { status: 204, body: undefined };
    }
    call.operations.push(operation);
    if (manner === undefined) {
      said('completed');
      this.#finish(key, operation);
    } else {
      said('running');
      this.#engine.schedule(manner, `Graph ends ${id}`, () => this.#finish(key, operation));
    }
    return this.#read(key, id);
  }

  #finish(key: CallKey, operation: Operation): void {
    if (operation.status !== 'running') return;
    operation.status = this.call(key).isAlive ? 'completed' : 'failed';
    if (operation.status === 'completed') this.#act(key, operation.asked);
    const { id } = operation;
    this.notify({ kind: 'operation', call: key, operation: id, type: 'updateRecordingStatus', final: true });
  }

  /** What Graph answers now; a success that leaves it is what the observer goes by. */
  #read(key: CallKey, id: string): GraphAnswer {
    const operation = this.call(key).operations.find((one) => one.id === id);
    if (operation === undefined) return error(404, '8522').answer;
    const { status, asked, number } = operation;
    if (status === 'completed' && asked === 'recording') this.#observer.confirmed(key, number);
    return { status: 200, body: { id, status, resultInfo: { code: status === 'failed' ? 500 : 200 } } };
  }

  #act(key: CallKey, asked: Asked): void {
    if (asked === 'hangUp') {
      this.#end(key);
      return;
    }
    const call = this.call(key);
    call.banner = asked === 'recording';
    call.sequence += 1;
    const entry = {
      participant: 'observed',
      sequence: call.sequence,
      removed: false,
      status: call.banner ? 'recording' : 'other',
      initiator: { application: null, applicationInstance: null },
    } as const;
    this.notify({ kind: 'roster', call: key, delta: true, entries: [entry] });
  }

  #end(key: CallKey): void {
    const call = this.call(key);
    if (!call.isAlive) return;
    call.isAlive = false;
    call.banner = false;
    this.notify(callNotice(key, 'terminated'));
  }
}

const lateness = (chance: Chance, longest: number): number | null => {
  if (chance.happens(0.25)) return null;
  return longest * (chance.happens(0.3) ? chance.between(0.9, 1) : chance.between(0, 1));
};

/** Graph tells that a call is in a state. */
export const callNotice = (call: CallKey, state: 'incoming' | 'established' | 'terminated'): Notice => ({
  kind: 'call',
  call,
  changeType: state === 'incoming' ? 'created' : state === 'terminated' ? 'deleted' : 'updated',
  state,
  facts: readCallFacts({}),
  result: null,
});
