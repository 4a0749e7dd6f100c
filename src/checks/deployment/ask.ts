import http, { type ClientRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { parseJsonText, isRecord } from '../../core/json.ts';

/** An answer, as far as it is looked at. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The beginning of its body. */
  readonly text: string;
  /** Wall clock, ms: before the request was sent, and once the head of the answer was there. */
  readonly askedAt: number;
  readonly answeredAt: number;
}

interface Question {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** A request whose body is sent piece by piece. */
export interface Exchange {
  /** Rejects with an error of the network, also when the time is over; the caller must handle that. */
  readonly answer: Promise<Answer>;
  readonly write: (bytes: Buffer) => void;
  readonly end: (bytes?: Buffer | string) => void;
  /** Closes the connection, whatever is still to come. */
  readonly abandon: () => void;
}

/** How long an answer may take, ms. */
export const patienceMs = 5000;
const mostChars = 16 * 1024;

const tooLate = (): Error => Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });

/** Begins a request on a connection of its own. A server whose certificate is not accepted is sent nothing. */
export function begin(
  url: string,
  { method = 'GET', headers = {} }: Question,
  withinMs: number = patienceMs,
): Exchange {
  const askedAt = Date.now();
  const { request } = url.startsWith('https:') ? https : http;
  const req = request(url, {
    method,
    agent: false,
    headers: { 'user-agent': 'tallylight-doctor', ...headers },
  });
  const timer = setTimeout(() => req.destroy(tooLate()), withinMs);
  const answer = answerOf(req, askedAt).finally(() => clearTimeout(timer));
  return {
    answer,
    write: (bytes) => void req.write(bytes),
    end: (bytes) => void req.end(bytes),
    abandon: () => void req.destroy(),
  };
}

const answerOf = (req: ClientRequest, askedAt: number): Promise<Answer> =>
  new Promise((resolve, reject) => {
    // Also for what comes after the answer, such as a connection that is reset under the rest of a body.
    req.on('error', reject);
    req.on('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    req.on('response', (res) => {
      const answeredAt = Date.now();
      let text = '';
      const done = (): void =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, askedAt, answeredAt });
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > mostChars) done();
      });
      res.on('close', done);
      res.on('error', done);
      res.on('end', done);
    });
  });

/** One request and its answer; rejects with an error of the network. */
export async function ask(
  url: string,
  { body, ...question }: Question & { readonly body?: string },
): Promise<Answer> {
  const exchange = begin(url, question);
  exchange.end(body);
  try {
    return await exchange.answer;
  } finally {
    exchange.abandon();
  }
}

/** The code of an error as Graph and the proxy write it; undefined: it is none. */
export function errorCodeOf({ text }: Answer): string | undefined {
  const body = parseJsonText(text);
  const error = isRecord(body) ? body.error : undefined;
  const code = isRecord(error) ? error.code : undefined;
  return typeof code === 'string' && /^[\w.-]{1,64}$/.test(code) ? code : undefined;
}

/** What answered, as far as it says so: for people. */
export function describe({ status, headers }: Answer): string {
  const type = headers['content-type']?.replace(/;.*/, '');
  const server = headers.server === undefined ? undefined : `server ${String(headers.server)}`;
  const more = [type, server].filter((part) => part !== undefined).join(', ');
  return `${status}${more === '' ? '' : ` (${more.slice(0, 100)})`}`;
}
