import { randomUUID } from 'node:crypto';
import { once, type EventEmitter } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { closeFrame } from '../core/http/websocket.ts';
import { listen, monotonic, reply, send, type ListenOptions, type Reply } from './loopback.ts';
import { acceptWebSocket, payloadOf } from './websocket-handler.ts';

/** One write that the sink received. Times are monotonic, ms. */
interface ReceivedWrite {
  readonly callId: string;
  readonly method: string;
  readonly path: string;
  readonly startedAt: number;
  firstByteAt: number | null;
  lastByteAt: number | null;
  /** Bytes of the body that arrived, stored or not. */
  bytes: number;
  /** The body ended normally, and the file is in its place. */
  complete: boolean;
  /** When the sink was done with it, one way or the other. */
  endedAt: number | null;
}

/** How the next writes go wrong. */
interface SinkRule {
  /** Only for this call. */
  readonly call?: string;
  /** How many writes it is for; default 1. */
  readonly times?: number;
  /** Bytes of the body to read first; default 0. */
  readonly afterBytes?: number;
  /** Stop reading until the release; break the connection; store but never answer; or answer this status at once. */
  readonly then: 'stall' | 'reset' | 'noAnswer' | number;
}

export interface MediaSinkOptions extends ListenOptions {
  readonly directory: string;
}

export interface MediaSink {
  readonly url: string;
  /** Every write, in the order of arrival. */
  readonly received: readonly ReceivedWrite[];
  /** How many bodies did not end normally. */
  readonly aborted: number;
  script(rule: SinkRule): { release(): void };
  close(): Promise<void>;
}

const segmentPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** No segment of a path can have this name, so writes under way never meet finished ones. */
const incoming = '.incoming';

interface ActiveRule extends SinkRule {
  left: number;
  readonly released: Promise<void>;
}

interface Begun {
  readonly entry: ReceivedWrite;
  readonly rule: ActiveRule | undefined;
  readonly number: number;
  readonly segments: readonly string[];
  /** What is put behind the name of a file that is one write's own. */
  readonly own: string;
}

/** Below `/media`; undefined: it is no path of the sink. */
function segmentsOf(req: IncomingMessage): string[] | undefined {
  const [root, ...segments] = (req.url ?? '').split(/[?#]/)[0]?.split('/').slice(1) ?? [];
  // A slash at the end is no segment.
  if (segments.at(-1) === '') segments.pop();
  return root === 'media' && segments.every((segment) => segmentPattern.test(segment)) ? segments : undefined;
}

/** What a rule does in the middle of a body. */
class Interruption extends Error {
  readonly answer: number | undefined;

  constructor(answer: number | undefined) {
    super('the write was interrupted by a script');
    this.answer = answer;
  }
}

/**
 * A media handler that really stores. `PUT /media/{callId}/...` replaces the file of that name; each
 * `POST /media/{callId}/...`, and each WebSocket, makes a file of its own, named after the path and a number. A file appears only when the
 * body has ended normally. `GET` returns a file, or lists what is stored below a path. Bodies are streamed, with
 * back-pressure, and never held in memory.
 */
export async function startMediaSink(options: MediaSinkOptions): Promise<MediaSink> {
  const { directory } = options;
  const run = randomUUID().slice(0, 8);
  const received: ReceivedWrite[] = [];
  const rules: ActiveRule[] = [];
  let aborted = 0;

  await rm(join(directory, incoming), { recursive: true, force: true });
  await mkdir(join(directory, incoming), { recursive: true });

  const server = createServer((req, res) => {
    serve(req, res).catch(() => res.destroy());
  });
  const streams = new Set<Socket>();
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    streams.add(socket);
    socket.on('error', () => undefined).once('close', () => streams.delete(socket));
    stream(req, socket, head).catch(() => socket.destroy());
  });
  const listening = await listen(server, options);

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const answer = await handle(req, res);
    if (answer !== undefined) send(res, answer);
  }

  /** undefined: the answer is on its way, or there is none. */
  async function handle(req: IncomingMessage, res: ServerResponse): Promise<Reply | undefined> {
    const segments = segmentsOf(req);
    if (segments === undefined) return refusal(404, 'no such path');
    if (req.method === 'GET') return read(segments, res);
    if (req.method !== 'PUT' && req.method !== 'POST') return refusal(405, 'PUT, POST or GET');
    if (segments.length < 2) return refusal(404, 'a write needs /media/{callId}/{name}');
    return write(req, res, segments);
  }

  function begin(req: IncomingMessage, segments: string[]): Begun {
    const [callId = ''] = segments;
    const entry: ReceivedWrite = {
      callId,
      method: req.method ?? '',
      path: segments.join('/'),
      startedAt: monotonic(),
      firstByteAt: null,
      lastByteAt: null,
      bytes: 0,
      complete: false,
      endedAt: null,
    };
    const number = received.push(entry);
    const rule = rules.find(({ call, left }) => left > 0 && (call === undefined || call === callId));
    if (rule !== undefined) rule.left -= 1;
    const own = req.method === 'PUT' ? '' : `.${run}-${String(number).padStart(6, '0')}`;
    return { entry, rule, number, segments, own };
  }

  /** Throws where the body does not end normally; nothing of it is stored then. */
  async function store(
    { entry, rule, number, segments, own }: Begun,
    body: AsyncIterable<Buffer>,
    from: EventEmitter,
  ): Promise<void> {
    const part = join(directory, incoming, `${run}-${number}.part`);
    try {
      await pipeline(counted(body, from, entry, rule), createWriteStream(part, { flags: 'wx' }));
      const file = join(directory, ...segments) + own;
      await mkdir(dirname(file), { recursive: true });
      await rename(part, file);
      entry.complete = true;
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    } finally {
      entry.endedAt = monotonic();
    }
  }

  async function write(
    req: IncomingMessage,
    res: ServerResponse,
    segments: string[],
  ): Promise<Reply | undefined> {
    const begun = begin(req, segments);
    const { entry, rule, own } = begun;
    try {
      await store(begun, req, req);
      return rule?.then === 'noAnswer'
        ? undefined
        : reply(201, { stored: entry.bytes, path: entry.path + own });
    } catch (error) {
      if (error instanceof Interruption && error.answer !== undefined)
        return refusal(error.answer, 'refused by a script');
      if (req.complete && !(error instanceof Interruption))
        return refusal(409, 'a file and a folder cannot have the same name');
      aborted += 1;
      res.destroy();
      return undefined;
    }
  }

  /** A WebSocket is one file: the payload of its data frames. What it holds is stored before its end is acknowledged. */
  async function stream(req: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const segments = segmentsOf(req);
    if (segments === undefined || segments.length < 2) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const begun = begin(req, segments);
    const { rule } = begun;
    if (typeof rule?.then === 'number' && (rule.afterBytes ?? 0) === 0) {
      begun.entry.endedAt = monotonic();
      socket.end(`HTTP/1.1 ${rule.then} Scripted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    acceptWebSocket(req, socket);
    try {
      await store(begun, payloadOf(socket, head), socket);
    } catch {
      aborted += 1;
      socket.destroy();
      return;
    }
    if (rule?.then !== 'noAnswer') socket.end(closeFrame(1000, ''));
  }

  async function read(segments: string[], res: ServerResponse): Promise<Reply | undefined> {
    const path = join(directory, ...segments);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return refusal(404, 'nothing is stored there');
    if (found.isDirectory()) return reply(200, await stored(path));
    res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': found.size });
    await pipeline(createReadStream(path), res);
    return undefined;
  }

  async function stored(path: string): Promise<{ path: string; bytes: number }[]> {
    const files = (await readdir(path, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !relative(directory, file).startsWith(incoming))
      .sort();
    return Promise.all(
      files.map(async (file) => ({ path: relative(directory, file), bytes: (await stat(file)).size })),
    );
  }

  return {
    url: listening.url,
    received,
    get aborted() {
      return aborted;
    },
    script(rule) {
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      rules.push({ ...rule, left: rule.times ?? 1, released });
      return { release: () => release() };
    },
    close() {
      for (const socket of streams) socket.destroy();
      return listening.close();
    },
  };
}

/** Passes the body on as fast as it is stored, and plays the rule at its point. */
async function* counted(
  body: AsyncIterable<Buffer>,
  from: EventEmitter,
  entry: ReceivedWrite,
  rule: ActiveRule | undefined,
): AsyncGenerator<Buffer> {
  let pending = rule;
  const interrupt = async (): Promise<void> => {
    if (pending === undefined || entry.bytes < (pending.afterBytes ?? 0)) return;
    const { then, released } = pending;
    pending = undefined;
    // A client that gives up ends the wait.
    if (then === 'stall') await Promise.race([released, once(from, 'close')]);
    else if (then !== 'noAnswer') throw new Interruption(then === 'reset' ? undefined : then);
  };
  await interrupt();
  for await (const chunk of body) {
    entry.firstByteAt ??= monotonic();
    entry.lastByteAt = monotonic();
    entry.bytes += chunk.length;
    yield chunk;
    await interrupt();
  }
}

const refusal = (status: number, error: string): Reply => reply(status, { error });
