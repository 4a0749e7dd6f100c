import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** A request as its bytes said it. */
export interface Heard {
  readonly method: string;
  readonly target: string;
  /** Names in lower case, in the order in which they came, one character for each byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** What is behind the proxy: it reads requests in the only way that leaves no choice, and keeps every byte. */
export interface RawUpstream {
  readonly url: string;
  /** Requests that came whole, in order. */
  readonly heard: readonly Heard[];
  /** Heads whose request ended before its body did. */
  readonly cutOff: readonly Heard[];
  /** Targets of all heads that came. */
  readonly begun: ReadonlySet<string>;
  /** Bytes that are no request: two readers could read them differently. */
  readonly strange: readonly string[];
  /** How requests are answered from now on; undefined: not at all. */
  answer: (heard: Heard, socket: Socket) => string | undefined;
  /** What is written when a head has come, before its body is over. */
  early: string | undefined;
  close(): Promise<void>;
}

const answerWith = (body: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
/** To Graph's callers: an operation that is completed. */
export const completed = answerWith('{"id":"op","status":"completed"}');

export async function startRawUpstream(): Promise<RawUpstream> {
  const heard: Heard[] = [];
  const cutOff: Heard[] = [];
  const strange: string[] = [];
  const begun = new Set<string>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let bytes: Buffer = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      const left = bytes.length === 0 ? undefined : parse(bytes);
      if (left === 'strange' || (bytes.length > 0 && left === undefined))
        strange.push(bytes.toString('latin1'));
      else if (left !== undefined && !left.whole) cutOff.push(left.request);
    });
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        const read = parse(bytes);
        if (read === undefined || read === 'strange') return;
        if (!begun.has(read.request.target) && upstream.early !== undefined) socket.write(upstream.early);
        begun.add(read.request.target);
        if (!read.whole) return;
        bytes = read.rest;
        heard.push(read.request);
        const answer = upstream.answer(read.request, socket);
        if (answer !== undefined) socket.write(answer);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: RawUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    cutOff,
    strange,
    begun,
    early: undefined,
    answer: () => completed,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return upstream;
}

interface Read {
  readonly request: Heard;
  readonly whole: boolean;
  readonly rest: Buffer;
}

/** undefined: the head is not whole yet. */
function parse(bytes: Buffer): Read | 'strange' | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [requestLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const [, method, target] = /^([A-Z]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/.exec(requestLine) ?? [];
  const headers = lines.map((line) => /^([\w!#$%&'*+.^`|~-]+): ([\t\x20-\x7e\x80-\xff]*)$/.exec(line));
  if (method === undefined || target === undefined || headers.includes(null)) return 'strange';
  const named = headers.map((found) => [found![1]!.toLowerCase(), found![2]!] as const);
  const one = (name: string): string | undefined => named.find(([key]) => key === name)?.[1];
  const lengths = named.filter(([key]) => key === 'content-length' || key === 'transfer-encoding');
  if (lengths.length > 1 || named.filter(([key]) => key === 'host').length !== 1) return 'strange';
  const after = bytes.subarray(end + 4);
  const taken =
    one('transfer-encoding') === undefined
      ? takeLength(after, one('content-length') ?? '0')
      : takeChunks(after, one('transfer-encoding')!);
  if (taken === 'strange') return 'strange';
  return {
    request: { method, target, headers: named, body: taken.body },
    whole: taken.whole,
    rest: taken.rest,
  };
}

type Taken = { readonly body: Buffer; readonly whole: boolean; readonly rest: Buffer } | 'strange';

function takeLength(bytes: Buffer, given: string): Taken {
  if (!/^(?:0|[1-9]\d{0,12})$/.test(given)) return 'strange';
  const length = Number(given);
  return { body: bytes.subarray(0, length), whole: bytes.length >= length, rest: bytes.subarray(length) };
}

function takeChunks(bytes: Buffer, coding: string): Taken {
  if (coding !== 'chunked') return 'strange';
  const chunks: Buffer[] = [];
  for (let rest = bytes; ;) {
    const body = Buffer.concat(chunks);
    const end = rest.indexOf('\r\n');
    if (end < 0) return { body, whole: false, rest };
    const line = rest.toString('latin1', 0, end);
    if (!/^[0-9a-f]{1,8}$/i.test(line)) return 'strange';
    const size = parseInt(line, 16);
    const data = rest.subarray(end + 2);
    if (data.length < size + 2) return { body, whole: false, rest };
    if (data.toString('latin1', size, size + 2) !== '\r\n') return 'strange';
    rest = data.subarray(size + 2);
    if (size === 0) return { body, whole: true, rest };
    chunks.push(data.subarray(0, size));
  }
}
