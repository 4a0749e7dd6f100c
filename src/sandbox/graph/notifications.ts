import { randomUUID } from 'node:crypto';
import { Fault, messageOf } from '../../core/errors.ts';
import { asBatch, noticesOf, summarise } from './notices.ts';
import type { CallEvent, FakeCall } from './state.ts';
import { monotonic } from '../loopback.ts';
import { post, type Posted } from './notification-post.ts';
import type { Claims } from '../token-mint.ts';

/** One attempt to notify the bot. There is no second one. */
export interface Delivery {
  /** The notification's; null: sent by hand. A notification that was released twice was delivered twice. */
  readonly id: number | null;
  /** When it was sent; monotonic, ms. */
  readonly at: number;
  /** null: of no call. */
  readonly call: string | null;
  /** `created incoming`, `updated participants`, ... */
  readonly what: string;
  readonly url: string;
  /** null: there is no answer yet. */
  readonly status: number | 'failed' | 'dropped' | null;
  /** The answer's. A redirect is not followed: its `location` is here. */
  readonly headers: Posted['headers'];
  /** The answer's; at most 4,096 characters. */
  readonly body: string;
  /** Why it failed. */
  readonly error: string | null;
}

export const notificationModes = ['send', 'hold', 'drop'] as const;
export type NotificationMode = (typeof notificationModes)[number];

/** What becomes of the notifications that Graph makes. */
export interface NotificationControl {
  readonly mode: NotificationMode;
  /** Those that wait for their release, oldest first. */
  readonly held: readonly { readonly id: number; readonly call: string; readonly what: string }[];
  /** For all that are made from now on, or for the `next` ones only. What is held stays held until its release. */
  set(mode: NotificationMode, next?: number): void;
  /**
   * Sends what is held, or these notifications in this order. One may be named twice, and one that was sent or dropped
   * before is sent again. Throws `ConfigurationInvalid` if there is none with such an id.
   */
  release(order?: readonly number[]): void;
}

export interface NotifyOptions {
  /** Changes the token's claims; `undefined` leaves one out. */
  readonly claims?: Claims | undefined;
  /** Default: where the call's notifications go. */
  readonly url?: string | undefined;
  /** This one instead of a minted one; null: none. */
  readonly token?: string | null | undefined;
}

interface Made {
  readonly id: number | null;
  readonly call: FakeCall | undefined;
  readonly what: string;
  readonly url: string;
  readonly body: string;
}

type Unanswered = { -readonly [Name in keyof Delivery]: Delivery[Name] };

/** Makes Graph's notifications, and delivers those of a call one at a time and in order. */
export class Notifications implements NotificationControl {
  readonly deliveries: Delivery[] = [];
  mode: NotificationMode = 'send';
  /** Who signed the certificates of the bots, where the system does not know. */
  ca: string | undefined;
  readonly #sign: (claims: Claims) => Promise<string>;
  readonly #webhook: () => string | undefined;
  readonly #made: (Made & { readonly id: number; readonly call: FakeCall })[] = [];
  readonly #held = new Set<number>();
  readonly #queues = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  /** How many notifications the mode is still for. */
  #left = Infinity;

  /**
   * `sign` makes a token that receivers can verify. `webhook` is where the bot's registration sends notifications;
   * while it is undefined, none are made.
   */
  constructor(sign: (claims: Claims) => Promise<string>, webhook: () => string | undefined) {
    this.#sign = sign;
    this.#webhook = webhook;
  }

  get held(): NotificationControl['held'] {
    return this.#made
      .filter(({ id }) => this.#held.has(id))
      .map(({ id, call, what }) => ({ id, call: call.id, what }));
  }

  set(mode: NotificationMode, next = Infinity): void {
    this.mode = mode;
    this.#left = next;
  }

  publish(call: FakeCall, event: CallEvent): void {
    const webhook = this.#webhook();
    if (webhook === undefined) return;
    const url = call.callbackUri ?? webhook;
    for (const notice of noticesOf(call, event)) {
      const body = JSON.stringify(asBatch([notice]));
      const made = { id: this.#made.length + 1, call, what: summarise([notice]), url, body };
      this.#made.push(made);
      const mode = this.#takeMode();
      if (mode === 'send') this.#enqueue(made);
      else if (mode === 'hold') this.#held.add(made.id);
      else this.deliveries.push({ ...unanswered(made), status: 'dropped' });
    }
  }

  release(order: readonly number[] = [...this.#held]): void {
    const chosen = order.map((id) => {
      const made = this.#made[id - 1];
      if (made === undefined) throw new Fault('ConfigurationInvalid', `there is no notification ${id}`);
      return made;
    });
    for (const made of chosen) {
      this.#held.delete(made.id);
      this.#enqueue(made);
    }
  }

  /** Sends a body now, whatever the mode: a list is a batch, a string is sent as it is. */
  async send(
    call: FakeCall | undefined,
    body: readonly unknown[] | string,
    { claims, url = call?.callbackUri ?? this.#webhook(), token }: NotifyOptions,
  ): Promise<Delivery> {
    if (url === undefined)
      throw new Fault('ConfigurationInvalid', 'the fake Graph has no webhook configured');
    const [text, what] =
      typeof body === 'string' ? [body, 'by hand'] : [JSON.stringify(asBatch(body)), summarise(body)];
    return this.#deliver({ id: null, call, what, url, body: text }, claims, token);
  }

  /** What is on its way is given up. */
  close(): void {
    this.#closing.abort(new Error('the fake Graph was closed'));
  }

  #takeMode(): NotificationMode {
    const { mode } = this;
    this.#left -= 1;
    if (this.#left <= 0) this.set('send');
    return mode;
  }

  #enqueue(made: Made & { readonly call: FakeCall }): void {
    const { id } = made.call;
    const before = this.#queues.get(id) ?? Promise.resolve();
    const queue = before.then(async () => {
      await this.#deliver(made);
      if (this.#queues.get(id) === queue) this.#queues.delete(id);
    });
    this.#queues.set(id, queue);
  }

  async #deliver(made: Made, claims: Claims = {}, given?: string | null): Promise<Delivery> {
    const delivery = unanswered(made);
    this.deliveries.push(delivery);
    const { call, url, body } = made;
    try {
      const of = call === undefined ? {} : { aud: call.app, tid: call.tenant };
      const token = given === undefined ? await this.#sign({ ...of, ...claims }) : given;
      Object.assign(delivery, await post(url, headersFor(call, token), body, this.#closing.signal, this.ca));
    } catch (error) {
      delivery.status = 'failed';
      delivery.error = messageOf(error);
    }
    return delivery;
  }
}

const unanswered = ({ id, call, what, url }: Made): Unanswered => ({
  id,
  at: monotonic(),
  call: call?.id ?? null,
  what,
  url,
  status: null,
  headers: {},
  body: '',
  error: null,
});

/** As captured from real notifications. */
function headersFor(call: FakeCall | undefined, token: string | null): Record<string, string> {
  const scenario = call?.callChainId ?? randomUUID();
  const message = randomUUID();
  return {
    'Content-Type': 'application/json',
    Accept: 'application/json',
    'User-Agent': 'Microsoft-Skype/3.0,(Calling/1.0)',
    'Scenario-Id': scenario,
    'Client-Request-Id': message,
    'X-Microsoft-Skype-Chain-ID': scenario,
    'X-Microsoft-Skype-Message-ID': message,
    ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
  };
}
