import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from '@jest/globals';
import type { EvidenceRecord } from '../../src/core/call/evidence.ts';
import { parseCallKey } from '../../src/core/call/key.ts';
import type { NoticeOutcome } from '../../src/core/notices/outcomes.ts';
import type { Log } from '../../src/core/ports/log.ts';
import type { Peers } from '../../src/sandbox/peers.ts';
import type { ProxySettings } from '../../src/settings/settings.ts';
import { eventually } from './eventually.ts';
import { type Answer, send } from './raw-http.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';

/** A notification as the bot got it. */
export interface Received {
  readonly method: string | undefined;
  /** With the query. */
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Which of the bot's connections it came on. */
  readonly connection: number;
}

type Answerer = (res: ServerResponse, notification: Received) => unknown;

/** The notification endpoint of a bot, whose every answer a test writes itself. */
export interface NotifiedBot {
  readonly url: string;
  readonly received: readonly Received[];
  /** How notifications are answered from now on; at first with 202. */
  answer: Answerer;
  /** Nobody listens any more. */
  goDown(): Promise<void>;
  /** Listens again, on the same port. */
  comeUp(): Promise<void>;
}

const accept: Answerer = (res) => res.writeHead(202).end();

export async function startNotifiedBot(): Promise<NotifiedBot> {
  const received: Received[] = [];
  let connections = 0;
  const numbers = new WeakMap<object, number>();
  const server = createServer((req, res) => {
    take(req, res).catch(() => res.destroy());
  });
  server.on('connection', (socket) => numbers.set(socket, (connections += 1)));

  async function take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await buffer(req);
    const { method, url: path, headers, socket } = req;
    const notification = { method, path, headers, body, connection: numbers.get(socket) ?? 0 };
    received.push(notification);
    await bot.answer(res, notification);
  }

  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const bot: NotifiedBot = {
    url: `http://127.0.0.1:${port}`,
    received,
    answer: accept,
    goDown: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
    comeUp: async () => {
      if (!server.listening) await listen(port);
    },
  };
  return bot;
}

/** The path at the proxy behind which the bot is. */
export const notificationPath = '/pod-7/api/calling/notifications';
/** The path below which the bot takes notifications. */
export const botBase = '/bot';

interface Notifying {
  /** null: none. Default: a good one. */
  readonly token?: string | null;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A proxy in front of a bot that is notified by hand, and everything that the proxy says of it. */
export interface NotifiedWorld extends World {
  readonly endpoint: NotifiedBot;
  /** Every line of the log, as JSON. */
  readonly logged: readonly string[];
  /** Posts to the callback path as Graph does; a value is sent as JSON. */
  notify(body: unknown, how?: Notifying): Promise<Answer>;
  /** The sum of a metric over the series that have these labels, as they are written. */
  metric(name: string, ...labels: readonly string[]): Promise<number>;
  metrics(): Promise<string>;
  /** Waits until exactly these many more notices had this outcome since `send` was called. */
  learnt(
    kind: 'call' | 'operation' | 'roster' | 'ignored',
    outcome: NoticeOutcome,
    more: number,
    send: () => Promise<unknown>,
  ): Promise<void>;
  /** Whether a write of the call would be let in now. */
  isOpen(call: string): Promise<boolean>;
  /** The id of a call that is recording. */
  recordingCall(): Promise<string>;
  /** The durable records of a call, in order, once there are `atLeast` so many that are of interest. */
  evidence(call: string, event?: EvidenceRecord['event'], atLeast?: number): Promise<EvidenceRecord[]>;
}

/** `options.settings` are added to those of the world. */
export async function startNotifiedWorld(
  options: Omit<WorldOptions, 'settings' | 'log' | 'notifications'> & {
    readonly settings?: (peers: Peers) => Partial<ProxySettings>;
  } = {},
): Promise<NotifiedWorld> {
  const endpoint = await startNotifiedBot();
  const logged: string[] = [];
  const note = (facts: unknown, text: string): void => void logged.push(JSON.stringify([text, facts]));
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const callbacks = [{ path: '/{pod}/api/calling/*', upstream: endpoint.url + botBase }];
  const world = await startWorld({
    ...options,
    settings: (peers) => ({ callbacks, ...options.settings?.(peers) }),
    log,
  });
  const metrics = async (): Promise<string> => (await send(world.proxy.adminUrl, { path: '/metrics' })).body;
  const metric: NotifiedWorld['metric'] = async (name, ...labels) => {
    const series = (await metrics()).split('\n').filter((line) => /^[^{ ]+/.exec(line)?.[0] === name);
    return series
      .filter((line) => labels.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  return {
    ...world,
    endpoint,
    logged,
    metrics,
    metric,
    async learnt(kind, outcome, more, sendIt) {
      const count = (): Promise<number> =>
        metric('tallylight_notices_total', `kind="${kind}"`, `outcome="${outcome}"`);
      const wanted = (await count()) + more;
      await sendIt();
      await eventually(async () => (await count()) >= wanted, {
        withinMs: 240_000,
        what: `${more} more notices: ${kind}, ${outcome}`,
      });
      expect(await count()).toBe(wanted);
    },
    async isOpen(call) {
      const token = await world.mint.mint();
      const path = `/media/${call}/probe`;
      return (await send(world.proxy.url, { method: 'POST', path, token, body: 'x' })).status === 201;
    },
    async recordingCall() {
      const bot = await world.bot();
      expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
      return bot.call;
    },
    async notify(body, { token, path = notificationPath, method = 'POST', headers = {} } = {}) {
      const bytes = Buffer.isBuffer(body)
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
      const bearer = token === undefined ? await world.mint.mintNotificationToken() : token;
      return send(world.proxy.url, {
        method,
        path,
        ...(bearer === null ? {} : { token: bearer }),
        headers: { 'content-type': 'application/json', 'content-length': bytes.length, ...headers },
        body: bytes,
      });
    },
    evidence: (call, event, atLeast = 1) =>
      eventually(
        async () => {
          const records = (await recordsIn(world.directory)).filter(
            (record) => record.call === parseCallKey(call) && (event ?? record.event) === record.event,
          );
          return records.length >= atLeast ? records : undefined;
        },
        { what: `evidence of ${event ?? 'a call'}` },
      ),
    async close() {
      await world.close();
      await endpoint.goDown();
    },
  };
}

export async function recordsIn(directory: string): Promise<EvidenceRecord[]> {
  const folder = join(directory, 'evidence');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return texts
    .flatMap((text) => text.split('\n').slice(0, -1))
    .flatMap((line) => (JSON.parse(line) as { record?: EvidenceRecord }).record ?? []);
}

/** A batch of notifications. */
export const batch = (...value: readonly unknown[]): object => ({
  '@odata.type': '#microsoft.graph.commsNotifications',
  value,
});

/** A notification of a call that is in `state` now. */
export const callIs = (call: string, state: string, more: object = {}): object => ({
  '@odata.type': '#microsoft.graph.commsNotification',
  changeType: state === 'incoming' ? 'created' : state === 'terminated' ? 'deleted' : 'updated',
  resource: `/app/calls/${call}`,
  resourceUrl: `/communications/calls/${call}`,
  resourceData: { '@odata.type': '#microsoft.graph.call', state, id: call, ...more },
});
