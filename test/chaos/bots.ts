import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonic } from '../../src/server/sandbox/loopback.ts';
import type { TimedAnswer } from './checker.ts';

/** What the bots live in. */
export interface Ground {
  /** Origins of the proxies as clients reach them. */
  readonly proxies: () => readonly string[];
  readonly token: string;
  readonly newCall: () => string;
  /** Whether a fault is upon this proxy or its ways now, and how often any has been. */
  readonly trouble: (proxy: string) => { readonly now: boolean; readonly count: number };
  readonly storeIsDown: () => boolean;
  readonly random: () => number;
  readonly stopping: () => boolean;
}

export interface Tally {
  readonly answers: TimedAnswer[];
  starts: number;
  uploads: number;
  stored: number;
}

const requestTimeoutMs = 15_000;

/** A recording bot that starts, uploads, stops, retries and hangs up, on whichever proxy it finds. */
export class ChaosBot {
  readonly #ground: Ground;
  readonly #tally: Tally;
  #call: string;

  constructor(ground: Ground, tally: Tally) {
    this.#ground = ground;
    this.#tally = tally;
    this.#call = ground.newCall();
  }

  async live(): Promise<void> {
    const { stopping, random } = this.#ground;
    while (!stopping()) {
      if (await this.#start()) await this.#record();
      if (random() < 0.15) {
        await this.#timed('stop', 'DELETE', '');
        this.#call = this.#ground.newCall();
      } else await this.#stop();
      await sleep(random() * 200);
    }
  }

  /** Asks until Graph has confirmed, a few times. */
  async #start(): Promise<boolean> {
    for (let attempt = 0; attempt < 4 && !this.#ground.stopping(); attempt += 1) {
      this.#tally.starts += 1;
      const { status, gate } = await this.#send('POST', '/updateRecordingStatus', { status: 'recording' });
      if (status === 200 && gate === 'open') return true;
      if (status === 404) this.#call = this.#ground.newCall();
      await sleep(100 + this.#ground.random() * 200);
    }
    return false;
  }

  /** Small writes, and now and then long ones that outlive the recording, stall, or whose client vanishes. */
  async #record(): Promise<void> {
    const { random, stopping } = this.#ground;
    const long: Promise<unknown>[] = [];
    const until = monotonic() + 200 + random() * 2000;
    while (monotonic() < until && !stopping()) {
      const kind = random();
      if (kind < 0.08) long.push(this.#upload(40, 25));
      else if (kind < 0.1) long.push(this.#upload(3, 1500));
      else if (kind < 0.11) this.#vanish();
      else if (kind < 0.14) await this.#timed('keepAlive', 'POST', '/keepAlive');
      else await this.#upload(1, 0);
      await sleep(10 + random() * 40);
    }
    // Half of the bots wait for their uploads before they stop; the sample bots do not.
    if (random() < 0.5) await Promise.all(long);
  }

  /** Stops as long as it takes: a refusal says when to try again. */
  async #stop(): Promise<void> {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const status = await this.#timed('stop', 'POST', '/updateRecordingStatus', {
        status: this.#ground.random() < 0.8 ? 'notRecording' : 'failed',
      });
      if (status === 200 || status === 404) return;
      if (this.#ground.stopping() && attempt > 3) return;
      await sleep(300);
    }
  }

  async #timed(what: TimedAnswer['what'], method: string, path: string, body?: object): Promise<number> {
    const proxy = this.#pick();
    const before = this.#ground.trouble(proxy);
    const wasDown = this.#ground.storeIsDown();
    const call = this.#call;
    const began = monotonic();
    const { status } = await this.#send(method, path, body, proxy);
    const after = this.#ground.trouble(proxy);
    this.#tally.answers.push({
      what,
      call,
      tookMs: monotonic() - began,
      status,
      excused: before.now || after.now || before.count !== after.count,
      storeWasDown: wasDown && this.#ground.storeIsDown(),
    });
    return status;
  }

  #pick(): string {
    const proxies = this.#ground.proxies();
    return proxies[Math.floor(this.#ground.random() * proxies.length)] ?? '';
  }

  #send(
    method: string,
    path: string,
    body?: object,
    proxy = this.#pick(),
  ): Promise<{ status: number; gate: string | undefined }> {
    return new Promise((resolve) => {
      const json = body === undefined ? undefined : JSON.stringify(body);
      const req = request(`${proxy}/v1.0/communications/calls/${this.#call}${path}`, {
        method,
        agent: false,
        timeout: requestTimeoutMs,
        headers: {
          authorization: `Bearer ${this.#ground.token}`,
          ...(json === undefined ? {} : { 'content-type': 'application/json', 'content-length': json.length }),
        },
      });
      req.on('timeout', () => req.destroy());
      req.on('error', () => resolve({ status: 0, gate: undefined }));
      req.on('response', (res) => {
        const gate = res.headers['tallylight-gate'];
        res.on('error', () => resolve({ status: 0, gate: undefined }));
        res.resume().on('end', () =>
          resolve({ status: res.statusCode ?? 0, gate: typeof gate === 'string' ? gate : undefined }),
        );
      });
      req.end(json);
    });
  }

  /** `pieces` of 640 bytes, one every `everyMs`. */
  #upload(pieces: number, everyMs: number): Promise<void> {
    this.#tally.uploads += 1;
    return new Promise((resolve) => {
      const req = request(`${this.#pick()}/media/${this.#call}/frames`, {
        method: 'POST',
        agent: false,
        timeout: requestTimeoutMs,
        headers: { authorization: `Bearer ${this.#ground.token}`, 'transfer-encoding': 'chunked' },
      });
      req.on('timeout', () => req.destroy());
      req.on('error', () => resolve());
      req.on('response', (res) => {
        if (res.statusCode === 201) this.#tally.stored += 1;
        res.resume().on('close', () => {
          req.destroy();
          resolve();
        });
      });
      void (async () => {
        for (let piece = 0; piece < pieces && !req.destroyed; piece += 1) {
          req.write(Buffer.alloc(640, 1));
          if (everyMs > 0) await sleep(everyMs);
        }
        req.end();
      })();
    });
  }

  /** A client that sends a head and the beginning of a body, and is never heard of again. */
  #vanish(): void {
    const { hostname, port } = new URL(this.#pick());
    const socket = connect(Number(port), hostname);
    socket.on('error', () => socket.destroy());
    socket.write(
      [
        `POST /media/${this.#call}/half HTTP/1.1`,
        'Host: tallylight',
        `Authorization: Bearer ${this.#ground.token}`,
        'Content-Length: 100000',
        '',
        'x'.repeat(1000),
      ].join('\r\n'),
    );
    setTimeout(() => socket.destroy(), 4000).unref();
  }
}
