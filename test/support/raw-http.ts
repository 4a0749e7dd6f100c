import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Answer {
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

/** A connection on which any bytes can be written. */
export interface RawConnection {
  readonly socket: Socket;
  write(bytes: string | Buffer): void;
  /** The first final answer on the connection; undefined if it was closed without one. */
  readonly answer: Promise<Answer | undefined>;
  readonly closed: Promise<void>;
  destroy(): void;
}

export function openRaw(origin: string): RawConnection {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  let received = Buffer.alloc(0);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const answer = new Promise<Answer | undefined>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const parsed = parseAnswer(received, false);
      if (parsed !== undefined) resolve(parsed);
    });
    socket.once('close', () => resolve(parseAnswer(received, true)));
  });
  // What matters is what was received before.
  socket.on('error', () => undefined);
  return { socket, write: (bytes) => socket.write(bytes), answer, closed, destroy: () => socket.destroy() };
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

/** The head and body of an answer, once they are whole; interim answers are passed over. */
function parseAnswer(bytes: Buffer, closed: boolean): Answer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
  const rest = bytes.subarray(end + 4);
  if (status < 200) return parseAnswer(rest, closed);
  const headers: IncomingHttpHeaders = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const length = headers['content-length'];
  const whole = length === undefined ? closed : rest.length >= Number(length);
  return whole ? { status, headers, body: rest.toString() } : undefined;
}
