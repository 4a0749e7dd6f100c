import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Answer {
  /** NaN: what came is no answer. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Sending {
  readonly method?: string;
  readonly path: string;
  readonly token?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** One request on a connection of its own; nothing is added that was not asked for. Rejects without an answer. */
export function send(
  origin: string,
  { method = 'GET', path, token, headers = {}, body }: Sending,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request(origin, {
      method,
      path,
      agent: false,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    });
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    req.end(body);
  });
}

/** A JSON body with its headers, for `send`. */
export const json = (value: unknown): Pick<Sending, 'headers' | 'body'> => {
  const body = typeof value === 'string' ? value : JSON.stringify(value);
  return { headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }, body };
};

/** A connection on which a test says every byte itself. */
export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far, one character for each byte. */
  readonly received: string;
  write(bytes: string | Buffer): void;
  /** What was received, once it matches or the connection is over. */
  until(pattern: RegExp): Promise<string>;
  /** The final answers that are whole so far, in order. */
  readonly answers: readonly Answer[];
  /** The first of them; undefined if the connection was closed without one. */
  readonly answer: Promise<Answer | undefined>;
  readonly closed: Promise<void>;
  destroy(): void;
}

export function openRaw(origin: string, options: { readonly localAddress?: string } = {}): RawConnection {
  const { hostname, port } = new URL(origin);
  const socket = connect({ port: Number(port), host: hostname, ...options });
  const watchers = new Set<() => void>();
  const wake = (): void => {
    for (const look of [...watchers]) look();
  };
  let bytes = Buffer.alloc(0);
  let over = false;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    wake();
  });
  socket.once('close', () => {
    over = true;
    wake();
  });
  // What matters is what was received before.
  socket.on('error', () => undefined);

  const once = <T>(look: () => T | undefined, atTheEnd: () => T): Promise<T> =>
    new Promise((resolve) => {
      const check = (): void => {
        const found = look() ?? (over ? atTheEnd() : undefined);
        if (found === undefined && !over) return;
        watchers.delete(check);
        resolve(found as T);
      };
      watchers.add(check);
      check();
    });
  const text = (): string => bytes.toString('latin1');
  const answers = (): Answer[] => parseAnswers(bytes, over);
  return {
    socket,
    get received() {
      return text();
    },
    write: (sent) => socket.write(sent),
    until: (pattern) => once(() => (pattern.test(text()) ? text() : undefined), text),
    get answers() {
      return answers();
    },
    answer: once<Answer | undefined>(
      () => answers()[0],
      () => undefined,
    ),
    closed,
    destroy: () => socket.destroy(),
  };
}

/** Writes the bytes as they are and returns the answer; the connection is closed afterwards. */
export async function sendRaw(origin: string, bytes: string | Buffer): Promise<Answer | undefined> {
  const connection = openRaw(origin);
  connection.write(bytes);
  const answer = await connection.answer;
  connection.destroy();
  await connection.closed;
  return answer;
}

/** The answers that are whole; interim ones are passed over. */
function parseAnswers(bytes: Buffer, closed: boolean): Answer[] {
  const answers: Answer[] = [];
  for (let rest = bytes; ;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const [statusLine = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
    rest = rest.subarray(end + 4);
    if (status < 200) continue;
    const headers: IncomingHttpHeaders = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const hasNone = status === 204 || status === 304;
    const taken = hasNone
      ? { body: Buffer.alloc(0), rest }
      : takeBody(rest, headers, closed || Number.isNaN(status));
    if (taken === undefined) return answers;
    answers.push({ status, headers, body: taken.body.toString() });
    rest = taken.rest;
  }
}

/** undefined: it is not whole yet. */
function takeBody(
  bytes: Buffer,
  headers: IncomingHttpHeaders,
  closed: boolean,
): { readonly body: Buffer; readonly rest: Buffer } | undefined {
  const length = headers['content-length'];
  if (headers['transfer-encoding'] === 'chunked') return takeChunks(bytes);
  if (length === undefined) return closed ? { body: bytes, rest: Buffer.alloc(0) } : undefined;
  if (bytes.length < Number(length)) return undefined;
  return { body: bytes.subarray(0, Number(length)), rest: bytes.subarray(Number(length)) };
}

function takeChunks(bytes: Buffer): { readonly body: Buffer; readonly rest: Buffer } | undefined {
  const chunks: Buffer[] = [];
  for (let rest = bytes; ;) {
    const end = rest.indexOf('\r\n');
    if (end < 0) return undefined;
    const size = parseInt(rest.toString('latin1', 0, end), 16);
    const data = rest.subarray(end + 2);
    if (data.length < size + 2) return undefined;
    rest = data.subarray(size + 2);
    if (size === 0) return { body: Buffer.concat(chunks), rest };
    chunks.push(data.subarray(0, size));
  }
}
