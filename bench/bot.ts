import { Client } from 'undici';
import { eventually } from '../test/support/eventually.ts';
import { frameBytes } from './frame.ts';

/** A bot on a kept connection. Whatever is not answered with success is thrown. */
export class Bot {
  readonly #client: Client;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(origin: string, token: string) {
    this.#client = new Client(origin, { pipelining: 1 });
    this.#headers = { authorization: `Bearer ${token}` };
  }

  /** Reads the answer to its end. */
  async send(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object | Buffer): Promise<void> {
    const content = body instanceof Buffer ? 'application/octet-stream' : 'application/json';
    const answer = await this.#client.request({
      method,
      path,
      headers: body === undefined ? this.#headers : { ...this.#headers, 'content-type': content },
      body: body === undefined || body instanceof Buffer ? (body ?? null) : JSON.stringify(body),
    });
    await answer.body.dump();
    const { statusCode, headers } = answer;
    if (statusCode >= 200 && statusCode <= 299) return;
    const reason = String(headers['tallylight-reason'] ?? '');
    throw new Error(`${method} ${path} was answered with ${statusCode} ${reason}`);
  }

  report(call: string, status: 'recording' | 'notRecording'): Promise<void> {
    return this.send('POST', `/v1.0/communications/calls/${call}/updateRecordingStatus`, { status });
  }

  upload(call: string): Promise<void> {
    return this.send('POST', `/media/${call}/frame`, Buffer.alloc(frameBytes, 'x'));
  }

  /** Waits while a store that is new holds status changes back. */
  async startRecording(call: string): Promise<void> {
    let last: unknown;
    const started = (): Promise<boolean> =>
      this.report(call, 'recording').then(
        () => true,
        (error: unknown) => {
          last = error;
          return false;
        },
      );
    await eventually(started, { withinMs: 60_000 }).catch(() => {
      throw new Error('a recording could not be started', { cause: last });
    });
  }

  close(): Promise<void> {
    return this.#client.destroy();
  }
}

/** A call that is established, as the fake Graph makes one; its id. */
export async function newCall(graphUrl: string): Promise<string> {
  const response = await fetch(`${graphUrl}/sandbox/calls`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"answered":true}',
  });
  return ((await response.json()) as { callId: string }).callId;
}
