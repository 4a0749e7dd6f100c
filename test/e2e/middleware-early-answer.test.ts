import { afterEach, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { openRaw } from '../support/raw-http.ts';
import { startHost, type Host } from './middleware-host.ts';

let host: Host;
afterEach(async () => {
  await host.close();
});

const head = (call: string, token: string): string =>
  `POST /media/${call}/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n`;
const chunk = '5\r\nhello\r\n';

test('a body that is still read after an early answer is part of the write: a stop cuts it', async () => {
  let bytes = 0;
  host = await startHost({
    handlers: [
      (req, res) => {
        req.on('data', (piece: Buffer) => (bytes += piece.length));
        req.on('error', () => undefined);
        res.status(202).end();
      },
    ],
  });
  const bot = await host.bot();
  await bot.report('recording');
  const raw = openRaw(host.url);
  raw.write(head(bot.call, await host.mint.mint()) + chunk);
  expect((await raw.answer)?.status).toBe(202);
  await eventually(() => bytes === 5);
  expect((await bot.report('notRecording')).status).toBe(200);
  raw.write(chunk);
  await raw.closed;
  expect(bytes).toBe(5);
});

test('a body that ends after an early answer lets the stop go on at once, and is not counted as aborted', async () => {
  let bytes = 0;
  host = await startHost({
    handlers: [
      (req, res) => {
        req.on('data', (piece: Buffer) => (bytes += piece.length));
        res.status(202).end();
      },
    ],
  });
  const bot = await host.bot();
  await bot.report('recording');
  const raw = openRaw(host.url);
  raw.write(head(bot.call, await host.mint.mint()) + chunk);
  expect((await raw.answer)?.status).toBe(202);
  raw.write(`${chunk}0\r\n\r\n`);
  await eventually(() => bytes === 10);
  expect((await bot.report('notRecording')).status).toBe(200);
  raw.destroy();
  const closed = (await host.evidence()).find(({ event }) => event === 'drained');
  expect(closed?.detail.writes).toMatchObject({ admitted: 1, aborted: 0, bytes: 10 });
});

test('what is no promise cannot be held, and does not make the write last', async () => {
  const thrown: unknown[] = [];
  host = await startHost({
    handlers: [
      (req, res) => {
        try {
          req.recording.hold(undefined as never);
        } catch (error) {
          thrown.push(error);
        }
        req.resume();
        res.status(201).end();
      },
    ],
  });
  const bot = await host.bot();
  await bot.report('recording');
  expect((await bot.upload('a', 3)).status).toBe(201);
  expect(thrown.map(String)).toEqual([expect.stringContaining('promise')]);
  expect((await bot.report('notRecording')).status).toBe(200);
  const closed = (await host.evidence()).find(({ event }) => event === 'drained');
  expect(closed?.detail.writes).toMatchObject({ aborted: 0 });
});
