import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { RequestHandler } from 'express';
import { eventually } from '../../support/eventually.ts';
import { openRaw, type RawConnection } from '../../support/raw-http.ts';
import { startHost, writesOf, type Host } from './host.ts';

/** Far beyond the time a test may take: a stop that has to wait for it fails. */
const tooLong = 60_000;
const chunk = '5\r\nhello\r\n';
const lastChunk = '0\r\n\r\n';

let host: Host;
let raw: RawConnection | undefined;
afterEach(async () => {
  raw?.destroy();
  raw = undefined;
  await host.close();
});

/** A handler that answers at once and reads on, with what it was given. */
function early(read: (req: IncomingMessage, take: (piece: Buffer) => void) => void): {
  readonly handler: RequestHandler;
  readonly seen: { bytes: number; closed: boolean; req?: IncomingMessage };
} {
  const seen: { bytes: number; closed: boolean; req?: IncomingMessage } = { bytes: 0, closed: false };
  const handler: RequestHandler = (req, res) => {
    seen.req = req;
    req.once('close', () => (seen.closed = true));
    read(req, (piece) => (seen.bytes += piece.length));
    res.status(202).end();
  };
  return { handler, seen };
}

const byData = (req: IncomingMessage, take: (piece: Buffer) => void): void => void req.on('data', take);

/** Sends a write that goes on after its answer. */
async function answered(call: string, body: string): Promise<RawConnection> {
  raw = openRaw(host.url);
  const head = [
    `POST /media/${call}/a HTTP/1.1`,
    'Host: a',
    `Authorization: Bearer ${await host.mint.mint()}`,
    'Transfer-Encoding: chunked',
  ];
  raw.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  expect((await raw.answer)?.status).toBe(202);
  return raw;
}

describe('a write that is answered before its body is over', () => {
  test.each([
    ['has begun to arrive', chunk, 5],
    ['has not begun to arrive', '', 0],
  ])('is cut by a stop while its body %s: the handler is given nothing more', async (_, sent, given) => {
    const { handler, seen } = early(byData);
    host = await startHost({ handlers: [handler] });
    const bot = await host.bot();
    await bot.report('recording');
    const upload = await answered(bot.call, sent);
    await eventually(() => seen.bytes === given);

    expect((await bot.report('notRecording')).status).toBe(200);
    upload.write(chunk);
    await upload.closed;
    await eventually(() => seen.closed);
    expect(seen.bytes).toBe(given);
    expect(writesOf(await host.evidence())).toMatchObject({ admitted: 1, aborted: 1, bytes: given });
  });

  test('is over with its body, and counts as complete', async () => {
    const { handler, seen } = early(byData);
    host = await startHost({ options: { drainMs: tooLong }, handlers: [handler] });
    const bot = await host.bot();
    await bot.report('recording');
    const upload = await answered(bot.call, chunk);
    upload.write(chunk + lastChunk);
    await eventually(() => seen.bytes === 10);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(writesOf(await host.evidence())).toMatchObject({ admitted: 1, aborted: 0, bytes: 10 });
  });

  test('is over when its client leaves, and counts as aborted', async () => {
    const { handler, seen } = early(byData);
    host = await startHost({ options: { drainMs: tooLong }, handlers: [handler] });
    const bot = await host.bot();
    await bot.report('recording');
    const upload = await answered(bot.call, chunk);
    await eventually(() => seen.bytes === 5);
    upload.destroy();
    await eventually(() => seen.closed, { what: 'the reader to be told' });
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(writesOf(await host.evidence())).toMatchObject({ admitted: 1, aborted: 1, bytes: 5 });
  });

  test('is over with the answer when nobody reads its body', async () => {
    const { handler } = early(() => undefined);
    host = await startHost({ options: { drainMs: tooLong }, handlers: [handler] });
    const bot = await host.bot();
    await bot.report('recording');
    await answered(bot.call, chunk);
    expect((await bot.report('notRecording')).status).toBe(200);
    expect(writesOf(await host.evidence())).toMatchObject({ admitted: 1, aborted: 1 });
  });

  test('gives out nothing of a body that had arrived but was not read before the stop', async () => {
    const { handler, seen } = early((req, take) => void req.once('data', () => req.pause()).on('data', take));
    host = await startHost({ handlers: [handler] });
    const bot = await host.bot();
    await bot.report('recording');
    const upload = await answered(bot.call, chunk);
    await eventually(() => seen.bytes === 5);
    upload.write(chunk + lastChunk);
    await eventually(() => seen.req?.complete);

    expect((await bot.report('notRecording')).status).toBe(200);
    seen.req?.resume();
    await eventually(() => seen.closed, { what: 'the reader to be told' });
    expect(seen.bytes).toBe(5);
    // The body was over, so the connection belongs to what comes next.
    expect(upload.socket.destroyed).toBe(false);
    let next = '';
    upload.socket.on('data', (piece: Buffer) => (next += piece.toString()));
    upload.write('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => next.startsWith('HTTP/1.1 404'));
  });
});

test('what is no promise cannot be held, and does not make the write last', async () => {
  const thrown: unknown[] = [];
  const { handler } = early((req) => {
    for (const work of [undefined, null, 5, {}])
      try {
        (req as Parameters<RequestHandler>[0]).recording.hold(work as never);
      } catch (error) {
        thrown.push(error);
      }
    req.resume();
  });
  host = await startHost({ options: { drainMs: tooLong }, handlers: [handler] });
  const bot = await host.bot();
  await bot.report('recording');
  expect((await bot.upload('a', 3)).status).toBe(202);
  expect(thrown).toHaveLength(4);
  for (const error of thrown) expect(error).toBeFault('Internal');
  expect((await bot.report('notRecording')).status).toBe(200);
  expect(writesOf(await host.evidence())).toMatchObject({ admitted: 1, aborted: 0 });
});
