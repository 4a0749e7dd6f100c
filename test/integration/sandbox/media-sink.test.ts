import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { startMediaSink, type MediaSink } from '../../../src/sandbox/media-sink.ts';
import { eventually } from '../../support/eventually.ts';

let directory: string;
let sink: MediaSink;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'media-sink-'));
  sink = await startMediaSink({ directory });
});
afterEach(async () => {
  await sink.close();
  await rm(directory, { recursive: true, force: true });
});

const put = (path: string, body: string): request.Test => request(sink.url).put(path).type('bin').send(body);
const stored = async (path = '/media'): Promise<unknown> => (await request(sink.url).get(path)).body;

/** A write whose body the test holds in its hand. */
function openWrite(path: string, headers = {}): ClientRequest {
  const write = httpRequest(sink.url + path, { method: 'PUT', agent: false, headers });
  write.on('error', () => undefined);
  write.flushHeaders();
  return write;
}
const answerTo = async (write: ClientRequest): Promise<IncomingMessage> => {
  const [answer] = (await once(write, 'response')) as [IncomingMessage];
  answer.resume();
  return answer;
};
const lastWrite = () => sink.received.at(-1);

describe('storing', () => {
  test('PUT stores under the name and replaces what was there', async () => {
    expect((await put('/media/call/audio/1.wav', 'first one')).body).toEqual({
      stored: 9,
      path: 'call/audio/1.wav',
    });
    expect((await put('/media/call/audio/1.wav', 'second')).status).toBe(201);
    const read = await request(sink.url).get('/media/call/audio/1.wav').buffer(true);
    expect((read.body as Buffer).toString()).toBe('second');
    expect(await stored()).toEqual([{ path: 'call/audio/1.wav', bytes: 6 }]);
  });

  test('each POST makes a file of its own, in order', async () => {
    await request(sink.url).post('/media/call/chunks').send('one');
    await request(sink.url).post('/media/call/chunks').send('three');
    expect(await stored('/media/call/')).toEqual([
      { path: expect.stringMatching(/^call\/chunks\..*000001$/), bytes: 3 },
      { path: expect.stringMatching(/^call\/chunks\..*000002$/), bytes: 5 },
    ]);
  });

  test('a large body arrives whole', async () => {
    const piece = Buffer.alloc(64 * 1024, 'media');
    const sent = createHash('sha256');
    const pieces = function* (): Generator<Buffer> {
      for (let n = 0; n < 512; n += 1) {
        sent.update(piece);
        yield piece;
      }
    };
    const write = openWrite('/media/call/large');
    const answer = answerTo(write);
    await pipeline(Readable.from(pieces()), write);
    expect((await answer).statusCode).toBe(201);
    const got = createHash('sha256');
    const read = httpRequest(`${sink.url}/media/call/large`, { agent: false }).end();
    const [body] = (await once(read, 'response')) as [IncomingMessage];
    for await (const chunk of body as AsyncIterable<Buffer>) got.update(chunk);
    expect(got.digest('hex')).toBe(sent.digest('hex'));
    expect(lastWrite()).toMatchObject({ bytes: 512 * piece.length, complete: true });
  });

  test('a file appears only when its body has ended', async () => {
    const write = openWrite('/media/call/slow');
    const answer = answerTo(write);
    write.write('half');
    await eventually(() => lastWrite()?.bytes === 4);
    expect(await stored()).toEqual([]);
    expect(lastWrite()).toMatchObject({ complete: false, endedAt: null });
    write.end(' done');
    expect((await answer).statusCode).toBe(201);
    expect(await stored()).toEqual([{ path: 'call/slow', bytes: 9 }]);
  });

  test.each([
    ['of unknown length', {}],
    ['of a known length', { 'content-length': '100' }],
  ])('a body %s that breaks off leaves no file and is counted', async (_, headers) => {
    const write = openWrite('/media/call/broken', headers);
    write.write('half');
    await eventually(() => lastWrite()?.bytes === 4);
    write.destroy();
    await eventually(() => sink.aborted === 1);
    await eventually(() => lastWrite()?.endedAt);
    expect(lastWrite()).toMatchObject({ callId: 'call', path: 'call/broken', bytes: 4, complete: false });
    expect(await readdir(join(directory, '.incoming'))).toEqual([]);
    expect(await stored()).toEqual([]);
  });

  test('the record of a write has its times in order, and an empty body has none', async () => {
    await put('/media/call/one', 'body');
    await request(sink.url).put('/media/call/empty');
    const [one, empty] = sink.received;
    const times = [one!.startedAt, one!.firstByteAt!, one!.lastByteAt!, one!.endedAt!];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(empty).toMatchObject({ bytes: 0, complete: true, firstByteAt: null, lastByteAt: null });
  });

  test('what a run before left unfinished is cleared away, what it finished stays', async () => {
    await put('/media/call/kept', 'kept');
    await writeFile(join(directory, '.incoming', 'old.part'), 'rest');
    const next = await startMediaSink({ directory });
    expect(await readdir(join(directory, '.incoming'))).toEqual([]);
    expect((await request(next.url).get('/media')).body).toEqual([{ path: 'call/kept', bytes: 4 }]);
    await next.close();
  });
});

describe('paths', () => {
  test.each([
    '/media/call/../../outside',
    '/media/../outside/x',
    '/media/call/%2e%2e/%2e%2e/outside',
    '/media/call/..%2f..%2foutside',
    '/media/.incoming/x',
    '/media/call/.hidden',
    '/media/call//x',
    '/media/call/a\\b',
    '/media/call/a%00b',
    '/media/call',
    '/media/call/',
    '/other/call/x',
  ])('nothing is written at %s', async (target) => {
    const { port } = new URL(sink.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(`PUT ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx`);
    let answer = '';
    for await (const chunk of socket as AsyncIterable<Buffer>) answer += chunk.toString();
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(await readdir(directory, { recursive: true })).toEqual(['.incoming']);
    expect(sink.received).toEqual([]);
  });

  test('a name cannot be a file and a folder', async () => {
    await put('/media/call/name', 'x');
    expect((await put('/media/call/name/below', 'y')).status).toBe(409);
    await mkdir(join(directory, 'call', 'folder'));
    expect((await put('/media/call/folder', 'y')).status).toBe(409);
    expect(await stored()).toEqual([{ path: 'call/name', bytes: 1 }]);
    expect(lastWrite()).toMatchObject({ complete: false });
    expect(await readdir(join(directory, '.incoming'))).toEqual([]);
  });

  test('only writes and reads are offered, and reading nothing is 404', async () => {
    expect((await request(sink.url).delete('/media/call/x')).status).toBe(405);
    expect((await request(sink.url).get('/media/call/x')).status).toBe(404);
  });
});

describe('scripts', () => {
  test('a stalled sink stops reading, so that the sender has to wait', async () => {
    const size = 64 * 1024 * 1024;
    const body = (): Readable => Readable.from(Array<Buffer>(64).fill(Buffer.alloc(size / 64)));
    const script = sink.script({ then: 'stall', afterBytes: 1 });
    const write = openWrite('/media/call/stalled');
    const answer = answerTo(write);
    const sending = pipeline(body(), write);
    const stalled = await eventually(() => sink.received.find(({ bytes }) => bytes > 0));
    // In the time that another write of this size takes, this one gets no further than the buffers between the two.
    const other = openWrite('/media/call/other');
    const otherAnswer = answerTo(other);
    await pipeline(body(), other);
    expect((await otherAnswer).statusCode).toBe(201);
    expect(stalled.bytes).toBeLessThanOrEqual(64 * 1024);
    expect(write.writableFinished).toBe(false);
    script.release();
    await sending;
    expect((await answer).statusCode).toBe(201);
    expect(stalled).toMatchObject({ bytes: size, complete: true });
  });

  test('a client that gives up ends a stall', async () => {
    sink.script({ then: 'stall' });
    const write = openWrite('/media/call/stalled');
    await eventually(() => lastWrite());
    write.destroy();
    await eventually(() => sink.aborted === 1);
    expect(lastWrite()).toMatchObject({ bytes: 0, complete: false });
  });

  test('an early answer comes while the body is still under way', async () => {
    sink.script({ then: 413, afterBytes: 4, call: 'call' });
    const write = openWrite('/media/call/large');
    const answer = answerTo(write);
    write.write('more than four bytes');
    expect((await answer).statusCode).toBe(413);
    write.destroy();
    await eventually(() => lastWrite()?.endedAt);
    expect(lastWrite()).toMatchObject({ complete: false });
    expect(await stored()).toEqual([]);
    expect((await put('/media/call/next', 'x')).status).toBe(201);
  });

  test('a refusal is for the call and the number of writes it was made for', async () => {
    sink.script({ then: 503, call: 'call', times: 2 });
    const seen = [];
    for (const path of ['other/1', 'call/1', 'call/2', 'call/3'])
      seen.push((await put(`/media/${path}`, 'x')).status);
    expect(seen).toEqual([201, 503, 503, 201]);
    expect(sink.aborted).toBe(0);
  });

  test('a connection can be broken midway', async () => {
    sink.script({ then: 'reset', afterBytes: 4 });
    const write = openWrite('/media/call/reset');
    const broken = new Promise((resolve) => write.once('close', resolve));
    write.write('half');
    await broken;
    await eventually(() => sink.aborted === 1);
    expect(await stored()).toEqual([]);
  });

  test('a sink can store and stay silent', async () => {
    sink.script({ then: 'noAnswer' });
    const write = openWrite('/media/call/silent');
    const outcome = once(write, 'response').then(
      () => 'answered',
      () => 'cut off',
    );
    write.end('body');
    await eventually(() => lastWrite()?.endedAt);
    expect(await stored()).toEqual([{ path: 'call/silent', bytes: 4 }]);
    await sink.close();
    expect(await outcome).toBe('cut off');
  });
});
