import { Agent, type IncomingMessage, request } from 'node:http';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import type { Store } from '../../../src/core/ports/store.ts';
import type { Bot } from '../../../src/sandbox/bot/bot.ts';
import { eventually } from '../../support/eventually.ts';
import { type Host, newStore, startHost } from './host.ts';

type Take = (chunk: Buffer) => void;
type Way = (req: IncomingMessage, take: Take) => void;

/** Every way to read a body, for somebody who should not. */
const ways: Readonly<Record<string, Way>> = {
  'the data event': (req, take) => void req.on('data', take),
  'the data event, once': (req, take) => void req.once('data', take),
  'the data event, as text': (req, take) =>
    void req.setEncoding('latin1').on('data', (text: string) => take(Buffer.from(text, 'latin1'))),
  'a data listener that is taken off again': (req, take) => void req.on('data', take).off('data', take),
  'the readable event': (req, take) =>
    void req.on('readable', () => {
      for (let chunk: unknown; (chunk = req.read()) !== null;) take(chunk as Buffer);
    }),
  'async iteration': (req, take) => {
    void (async () => {
      for await (const chunk of req as AsyncIterable<Buffer>) take(chunk);
    })().catch(() => undefined);
  },
  'a pipe': (req, take) => void req.pipe(new PassThrough().on('data', take)),
  'a pipeline': (req, take) => void pipeline(req, new PassThrough().on('data', take)).catch(() => undefined),
  'resume()': (req) => void req.resume(),
};
/** Found out by what it does only: it leaves no trace before it has got something. */
const byReading: Way = (req, take) => {
  const chunk: unknown = req.read();
  if (chunk !== null) take(chunk as Buffer);
};
const onItsConnection: Way = (req) => void req.socket.on('data', () => undefined);

/** A store whose next answer to `acquire` can be held back: so long the gate decides. */
class HeldStore {
  readonly #inner = newStore();
  #answered: Promise<void> = Promise.resolve();
  answer: () => void = () => undefined;
  isAsked = false;
  readonly store: Store = {
    ...this.#inner,
    calls: {
      ...this.#inner.calls,
      acquire: async (...args) => {
        this.isAsked = true;
        await this.#answered;
        return this.#inner.calls.acquire(...args);
      },
    },
  };

  hold(): void {
    this.isAsked = false;
    this.#answered = new Promise((resolve) => (this.answer = resolve));
  }
}

let host: Host;
let token: string;
let kept = 0;
let early = 0;
/** Reads before the gate decides, or after it was asked. */
let reader: ((req: IncomingMessage) => void) | undefined;
const held = new HeldStore();

beforeAll(async () => {
  const before: RequestHandler = (req, _res, next) => {
    if (req.url.startsWith('/media/')) reader?.(req);
    next();
  };
  const keep: RequestHandler = async (req, res) => {
    for await (const chunk of req as AsyncIterable<Buffer>) kept += chunk.length;
    res.sendStatus(201);
  };
  host = await startHost({ before: [before], options: { store: held.store }, handlers: [keep] });
  token = await host.mint.mint();
});
afterAll(() => host.close());

const take: Take = (chunk) => (early += chunk.length);
const upload = (body: Buffer, call: string, agent: Agent | false = false) =>
  new Promise<{ readonly status: number; readonly reason: unknown }>((resolve) => {
    const headers = { authorization: `Bearer ${token}` };
    const req = request(`${host.url}/media/${call}/a`, { method: 'POST', agent, headers }, (res) => {
      const answer = { status: res.statusCode ?? 0, reason: res.headers['tallylight-reason'] };
      res.resume().on('end', () => resolve(answer));
    });
    req.on('error', (error) => resolve({ status: 0, reason: String(error) }));
    req.end(body);
  });
const refused = { status: 500, reason: 'BodyAlreadyRead' };

describe.each(['closed', 'open'] as const)('with the gate %s, a body that is read', (gate) => {
  async function ready(): Promise<Bot> {
    [kept, early, reader] = [0, 0, undefined];
    const bot = await host.bot();
    if (gate === 'open') expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
    return bot;
  }

  test.each(Object.entries(ways))('by %s before the gate decides reaches nobody', async (_, way) => {
    const bot = await ready();
    reader = (req) => way(req, take);
    for (const size of [500, 600_000]) expect(await upload(Buffer.alloc(size, 1), bot.call)).toEqual(refused);
    expect([early, kept]).toEqual([0, 0]);
  });

  test('on its connection is refused', async () => {
    const bot = await ready();
    reader = (req) => onItsConnection(req, take);
    expect(await upload(Buffer.alloc(5000, 1), bot.call)).toEqual(refused);
    expect(kept).toBe(0);
  });

  test.each([...Object.entries(ways), ['read()', byReading] as const])(
    'by %s while the gate decides reaches nobody',
    async (_, way) => {
      const bot = await ready();
      let late: IncomingMessage | undefined;
      reader = (req) => (late = req);
      held.hold();
      const answered = upload(Buffer.alloc(5000, 1), bot.call);
      const req = await eventually(() => (held.isAsked && late?.readableLength === 5000 ? late : undefined));
      way(req, take);
      // Whoever reads has asked at least once by now.
      await new Promise((resolve) => setTimeout(resolve, 10));
      held.answer();
      expect(await answered).toEqual(
        gate === 'open' ? refused : { status: 403, reason: 'RecordingNotActive' },
      );
      await eventually(() => req.destroyed);
      expect([early, kept]).toEqual([0, 0]);
    },
  );
});

test('a body that a parser has read is refused, and so is a status change', async () => {
  const parsed = await startHost({ before: [express.raw({ type: () => true })], handlers: [] });
  const bot = await parsed.bot();
  expect((await bot.report('recording')).headers['tallylight-reason']).toBe('BodyAlreadyRead');
  expect(await bot.upload('a', 500)).toMatchObject({
    status: 500,
    headers: { 'tallylight-reason': 'BodyAlreadyRead' },
  });
  await parsed.close();
});

test('who only waits for the end of a body, or pauses it, does not read it; a connection may be used again', async () => {
  [kept, early, reader] = [0, 0, undefined];
  let ends = 0;
  const bot = await host.bot();
  await bot.report('recording');
  reader = (req) => {
    req.on('end', () => (ends += 1)).on('error', () => undefined);
    req.pause();
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let round = 1; round <= 3; round++)
    expect(await upload(Buffer.alloc(1000, 1), bot.call, agent)).toMatchObject({ status: 201 });
  agent.destroy();
  expect([kept, ends]).toEqual([3000, 3]);
});

test('the evidence tells of writes that were admitted and had a reader', async () => {
  const bot = await host.bot();
  await bot.report('recording');
  let late: IncomingMessage | undefined;
  reader = (req) => (late = req);
  held.hold();
  const answered = upload(Buffer.alloc(5000, 1), bot.call);
  await eventually(() => held.isAsked && late !== undefined);
  late!.on('data', take);
  held.answer();
  expect(await answered).toEqual(refused);
  expect((await bot.report('notRecording')).status).toBe(200);
  const writes = (await host.evidence())
    .filter(({ event }) => event === 'drained')
    .map(({ detail }) => detail.writes);
  expect(writes.at(-1)).toMatchObject({ admitted: 1, aborted: 1, refused: 1, bytes: 0 });
});
