import { request, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { openStream, type Stream } from './websocket-client.ts';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A write that goes on until it is ended or cut. */
export interface SlowUpload {
  /** Sends another piece. */
  send(bytes: number): void;
  end(): void;
  /** The answer, or null if the connection was cut without one. */
  readonly over: Promise<Reply | null>;
}

/** A recording bot that changed only its base URL: one call, one token. */
export class Bot {
  readonly call: string;
  readonly #proxy: string;
  readonly #token: string;

  constructor(proxy: string, token: string, call: string) {
    this.#proxy = proxy;
    this.#token = token;
    this.call = call;
  }

  report(status: string): Promise<Reply> {
    return this.post('updateRecordingStatus', { status });
  }

  post(action: string, body?: unknown): Promise<Reply> {
    return this.#send(
      'POST',
      `/v1.0/communications/calls/${this.call}/${action}`,
      body === undefined ? undefined : JSON.stringify(body),
    );
  }

  /** Reads something below the call. */
  get(part: string): Promise<Reply> {
    return this.#send('GET', `/v1.0/communications/calls/${this.call}/${part}`);
  }

  /** Deletes something below the call. */
  remove(part: string): Promise<Reply> {
    return this.#send('DELETE', `/v1.0/communications/calls/${this.call}/${part}`);
  }

  hangUp(): Promise<Reply> {
    return this.#send('DELETE', `/v1.0/communications/calls/${this.call}`);
  }

  upload(name: string, bytes: number): Promise<Reply> {
    return this.#send('POST', `/media/${this.call}/${name}`, Buffer.alloc(bytes, name));
  }

  slowUpload(name: string): SlowUpload {
    const { req, over } = this.#open('POST', `/media/${this.call}/${name}`, {
      'transfer-encoding': 'chunked',
    });
    return {
      send: (bytes) => {
        if (!req.destroyed) req.write(Buffer.alloc(bytes, name));
      },
      end: () => req.end(),
      over,
    };
  }

  /** A write over a WebSocket. */
  stream(name: string, options: { readonly protocol?: string } = {}): Stream {
    return openStream(`${this.#proxy}/media/${this.call}/${name}`, { token: this.#token, ...options });
  }

  async #send(method: string, path: string, body?: string | Buffer): Promise<Reply> {
    const headers =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const { req, over } = this.#open(method, path, headers);
    req.end(body);
    return (await over) ?? { status: 0, headers: {}, body: '' };
  }

  #open(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
  ): { req: ClientRequest; over: Promise<Reply | null> } {
    const req = request(this.#proxy + path, {
      method,
      agent: false,
      headers: { authorization: `Bearer ${this.#token}`, ...headers },
    });
    const over = new Promise<Reply | null>((resolve) => {
      req.on('error', () => resolve(null));
      req.on('response', (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('close', () =>
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
    });
    return { req, over };
  }
}
