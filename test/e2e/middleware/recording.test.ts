import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import express, { type Request, type RequestHandler } from 'express';
import request from 'supertest';
import type { Recording } from '../../../middleware/index.ts';
import { Fault } from '../../../src/core/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { newStore, startHost, writesOf, type Host, type HostParts } from './host.ts';

let host: Host | undefined;
afterEach(async () => {
  await host?.close();
  host = undefined;
});

async function start(parts: HostParts): Promise<Host> {
  host = await startHost(parts);
  return host;
}

const never = new Promise<void>(() => undefined);
const created: RequestHandler = (_req, res) => {
  res.sendStatus(201);
};
const stored: RequestHandler = async (req, res) => {
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) bytes += chunk.length;
  res.status(201).json({ bytes });
};

/** Hands the recording of a write to the test, and leaves the rest to it. */
function watched(then: (recording: Recording, req: Request) => void | Promise<void> = () => undefined): {
  readonly handler: RequestHandler;
  readonly seen: Recording[];
} {
  const seen: Recording[] = [];
  const handler: RequestHandler = async (req, _res, next) => {
    seen.push(req.recording);
    await then(req.recording, req);
    next();
  };
  return { handler, seen };
}

const asked = ({ graph }: Host, { call }: { readonly call: string }): (string | null)[] =>
  graph.log.filter((entry) => entry.call === call).map((entry) => entry.asked);

describe('a write behind requireRecording', () => {
  test('is refused before its body is sent, and no handler sees it', async () => {
    const { handler, seen } = watched();
    const { url, mint } = await start({ handlers: [handler, stored] });
    const bot = await host!.bot();
    const token = await mint.mint();
    const answer = await fetch(`${url}/media/${bot.call}/a`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'client-request-id': 'abc' },
      // A body that never comes: whoever waits for it never answers.
      body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('x')) }),
      duplex: 'half',
    });
    expect(answer.status).toBe(403);
    expect(answer.headers.get('tallylight-reason')).toBe('RecordingNotActive');
    expect(await answer.json()).toMatchObject({
      error: { code: 'RecordingNotActive', innerError: { 'client-request-id': 'abc' } },
    });
    expect(seen).toHaveLength(0);
  });

  test('is let in once Graph has confirmed recording, knows its call, and is counted in the evidence', async () => {
    const { handler, seen } = watched();
    await start({ handlers: [handler, stored] });
    const bot = await host!.bot();
    const confirmed = await bot.report('recording');
    expect(confirmed.status).toBe(200);
    expect(confirmed.headers['tallylight-gate']).toBe('open');

    expect(await bot.upload('a', 100_000)).toMatchObject({ status: 201, body: '{"bytes":100000}' });
    expect(seen[0]).toMatchObject({ callId: bot.call });
    expect(seen[0]!.epoch).toBeGreaterThan(0);
    expect(seen[0]!.signal.aborted).toBe(false);

    expect((await bot.report('notRecording')).status).toBe(200);
    expect((await bot.upload('b', 10)).headers['tallylight-reason']).toBe('RecordingNotActive');
    expect(writesOf(await host!.evidence())).toEqual({
      ...{ admitted: 1, aborted: 0, unanswered: 0, refused: 0, bytes: 100_000 },
    });
  });

  test('keeps the stop from Graph until the response and every held promise are over', async () => {
    let finishWork!: () => void;
    let answerNow!: () => void;
    const work = new Promise<void>((resolve) => (finishWork = resolve));
    const respond = new Promise<void>((resolve) => (answerNow = resolve));
    const { handler, seen } = watched(({ hold }) => {
      void hold(work);
      return respond;
    });
    await start({ options: { drainMs: 20_000 }, handlers: [handler, created] });
    const bot = await host!.bot();
    await bot.report('recording');
    const upload = bot.upload('a', 5);
    await eventually(() => seen.length === 1);

    const stop = bot.report('notRecording');
    await eventually(async () => (await bot.upload('b', 1)).status === 403, { what: 'the gate to close' });
    answerNow();
    expect((await upload).status).toBe(201);
    // Another call starts and stops meanwhile.
    const other = await host!.bot();
    await other.report('recording');
    expect((await other.report('notRecording')).status).toBe(200);
    expect(asked(host!, bot)).toEqual(['recording']);
    finishWork();
    expect((await stop).status).toBe(200);
    expect(asked(host!, bot)).toEqual(['recording', 'notRecording']);
    expect(seen[0]!.signal.aborted).toBe(false);
  });

  test('is cut at the drain limit: the signal aborts, the client is told, the evidence says aborted', async () => {
    const { handler, seen } = watched();
    let failure: unknown;
    let closed = false;
    const reading: RequestHandler = async (req, res) => {
      res.once('close', () => (closed = true));
      try {
        await finished(req.resume());
      } catch (error) {
        failure = error;
      }
      // What a handler says afterwards goes nowhere, and does not throw.
      res.status(201).json({ stored: true });
    };
    await start({ handlers: [handler, reading] });
    const bot = await host!.bot();
    await bot.report('recording');
    const upload = bot.slowUpload('a');
    upload.send(1000);
    await eventually(() => seen.length === 1);

    const stop = bot.report('notRecording');
    await once(seen[0]!.signal, 'abort');
    expect(asked(host!, bot)).toEqual(['recording']);
    expect(await upload.over).toMatchObject({
      status: 403,
      headers: { 'tallylight-reason': 'RecordingStopped', connection: 'close' },
    });
    expect((await stop).status).toBe(200);
    await eventually(() => failure !== undefined && closed, { what: 'the reader to be told' });
    expect(seen[0]!.signal.reason).toMatchObject({ name: 'AbortError', cause: 'RecordingStopped' });
    expect(() => seen[0]!.hold(never)).toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(writesOf(await host!.evidence())).toMatchObject({ admitted: 1, aborted: 1, bytes: 1000 });
  });

  test('is cut even when held work never settles, although it was answered long ago', async () => {
    const { handler, seen } = watched(({ hold }) => void hold(never));
    await start({ handlers: [handler, created] });
    const bot = await host!.bot();
    await bot.report('recording');
    expect((await bot.upload('a', 5)).status).toBe(201);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(seen[0]!.signal.aborted).toBe(true);
    expect(writesOf(await host!.evidence())).toMatchObject({ admitted: 1, aborted: 0, unanswered: 1 });
  });

  test('that was read whole is unanswered when it is cut, and told why: recording ended, or the gate is closed', async () => {
    const ids: string[] = [];
    const silent: RequestHandler = async (req) => {
      ids.push(req.recording.write);
      await buffer(req);
    };
    await start({ handlers: [silent] });
    const [one, other] = [await host!.bot(), await host!.bot()];
    await one.report('recording');
    await other.report('recording');
    const [ending, leaving] = [one.upload('a', 5000), other.upload('a', 5000)];
    await eventually(() => ids.length === 2);
    expect((await one.report('notRecording')).status).toBe(200);
    expect(await ending).toMatchObject({ status: 403, headers: { 'tallylight-reason': 'RecordingStopped' } });
    const evidence = host!.evidence();
    expect(await leaving).toMatchObject({ status: 503, headers: { 'tallylight-reason': 'ShuttingDown' } });
    expect(writesOf(await evidence)).toMatchObject({ admitted: 1, aborted: 0, unanswered: 1, bytes: 5000 });
    expect(new Set(ids).size).toBe(2);
  });

  test('counts as aborted when its held work fails or its client goes away', async () => {
    const { handler, seen } = watched(({ hold }, req) => {
      if (req.params['name'] === 'failing')
        hold(Promise.reject(new Error('disk full'))).catch(() => undefined);
    });
    await start({ handlers: [handler, stored] });
    const bot = await host!.bot();
    await bot.report('recording');
    expect((await bot.upload('failing', 5)).status).toBe(201);
    const leaving = new AbortController();
    const left = fetch(`${host!.url}/media/${bot.call}/leaving`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await host!.mint.mint()}` },
      body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('x')) }),
      duplex: 'half',
      signal: leaving.signal,
    });
    await eventually(() => seen.length === 2);
    leaving.abort();
    await expect(left).rejects.toThrow();
    await bot.report('notRecording');
    expect(writesOf(await host!.evidence())).toMatchObject({ admitted: 2, aborted: 2 });
  });

  test('cannot be held any more once it is over', async () => {
    const { handler, seen } = watched();
    await start({ handlers: [handler, created] });
    const bot = await host!.bot();
    await bot.report('recording');
    await bot.upload('a', 5);
    const late = await eventually(() => {
      try {
        void seen[0]!.hold(Promise.resolve());
        return undefined;
      } catch (error) {
        return error;
      }
    });
    expect(late).toBeFault('Internal');
  });

  test('is cut when the store is out of reach for longer than a session lives', async () => {
    const store = newStore();
    let reachable = true;
    const reaching =
      <Args extends unknown[], T>(step: (...args: Args) => Promise<T>) =>
      (...args: Args): Promise<T> =>
        reachable ? step(...args) : Promise.reject(new Fault('StoreUnavailable', 'away'));
    const sessions = { ...store.sessions };
    Object.assign(store.sessions, {
      heartbeat: reaching((...args: Parameters<typeof sessions.heartbeat>) => sessions.heartbeat(...args)),
      join: reaching((...args: Parameters<typeof sessions.join>) => sessions.join(...args)),
    });
    const { handler, seen } = watched();
    await start({ options: { store, sessionTtlMs: 500 }, handlers: [handler, stored] });
    const bot = await host!.bot();
    await bot.report('recording');
    const upload = bot.slowUpload('a');
    upload.send(10);
    await eventually(() => seen.length === 1);
    reachable = false;
    await once(seen[0]!.signal, 'abort');
    expect(seen[0]!.signal.reason).toMatchObject({ cause: 'SessionLost' });
    expect(await upload.over).toMatchObject({ status: 503, headers: { 'tallylight-reason': 'SessionLost' } });
    expect(host!.gate.isReady()).toBe(false);
    expect((await bot.upload('b', 1)).headers['tallylight-reason']).toBe('StoreUnavailable');
  });

  test('gives its handler no chunk after the deadline, although the process was too busy to notice it', async () => {
    const read: number[] = [];
    let over = false;
    const busy: RequestHandler = async (req) => {
      await eventually(() => req.readableLength > 0);
      const until = performance.now() + 700;
      while (performance.now() < until);
      try {
        for await (const chunk of req as AsyncIterable<Buffer>) read.push(chunk.length);
      } catch {
        over = true;
      }
    };
    await start({ options: { sessionTtlMs: 500 }, handlers: [busy] });
    const bot = await host!.bot();
    await bot.report('recording');
    expect(await bot.upload('a', 1000)).toMatchObject({ headers: { 'tallylight-reason': 'SessionLost' } });
    await eventually(() => over);
    expect(read).toEqual([]);
  });

  test('is refused when a body parser has read it before', async () => {
    const { handler, seen } = watched();
    await start({ before: [express.json()], handlers: [handler, created] });
    const bot = await host!.bot();
    const token = await host!.mint.mint();
    const answer = await request(host!.url)
      .post(`/media/${bot.call}/a`)
      .set('authorization', `Bearer ${token}`)
      .send({ transcript: 'hello' });
    expect(answer.status).toBe(500);
    expect(answer.headers['tallylight-reason']).toBe('BodyAlreadyRead');
    expect((await bot.report('recording')).headers['tallylight-reason']).toBe('BodyAlreadyRead');
    expect(seen).toHaveLength(0);
  });
});

describe('the status of a call behind the middleware', () => {
  test('stays closed when Graph refuses, and the answer is that of Graph', async () => {
    await start({ handlers: [created] });
    const bot = await host!.bot();
    host!.graph.script({ action: 'updateRecordingStatus', answer: 'notPolicyCall' });
    const refused = await bot.report('recording');
    expect(refused.headers['tallylight-gate']).toBe('closed');
    expect(refused.headers['tallylight-reason']).toBe('NotPolicyCall');
    expect((await bot.upload('a', 1)).status).toBe(403);
  });

  test('ends with the hang-up, after the writes', async () => {
    const { handler, seen } = watched();
    await start({ options: { drainMs: 20_000 }, handlers: [handler, stored] });
    const bot = await host!.bot();
    await bot.report('recording');
    const upload = bot.slowUpload('a');
    upload.send(5);
    await eventually(() => seen.length === 1);
    const hungUp = bot.hangUp();
    await eventually(async () => (await bot.upload('b', 1)).status === 403, { what: 'the gate to close' });
    expect(host!.graph.log.map(({ method }) => method)).not.toContain('DELETE');
    upload.end();
    expect((await upload.over)?.status).toBe(201);
    expect((await hungUp).status).toBe(204);
    expect((await bot.report('recording')).headers['tallylight-reason']).toBe('CallEnded');
    expect((await bot.upload('b', 1)).status).toBe(403);
  });

  test.each([
    ['fails', () => Promise.reject(new Error('no secret'))],
    ['gives no bearer token', () => Promise.resolve('Basic abc')],
  ])('is refused, and nothing is sent, when authorization() %s', async (_, authorization) => {
    await start({ graph: { authorization }, handlers: [created] });
    const bot = await host!.bot();
    const refused = await bot.report('recording');
    expect(refused).toMatchObject({
      status: 503,
      headers: { 'tallylight-reason': 'GraphCredentialUnavailable' },
    });
    expect(refused.body).not.toContain('no secret');
    expect(host!.graph.log).toHaveLength(0);
  });

  test('belongs to the application that started it', async () => {
    await start({ handlers: [created] });
    const bot = await host!.bot();
    await bot.report('recording');
    const other = await host!.mint.mint({ azp: '99999999-9999-4999-8999-999999999999' });
    const answer = await request(host!.url)
      .post(`/v1.0/communications/calls/${bot.call}/updateRecordingStatus`)
      .set('authorization', `Bearer ${other}`)
      .send({ status: 'notRecording' });
    expect(answer.status).toBe(404);
    expect((await bot.upload('a', 1)).status).toBe(201);
  });
});
