import { request, type ClientRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonic } from '../../src/sandbox/loopback.ts';
import type { Chance } from '../simulation/chance.ts';
import type { TimedAnswer } from './answers.ts';
import { sendStream, type StreamTally } from './streams.ts';

/** What the bots live in. */
export interface Ground {
  /** Origins of the proxies as clients reach them. */
  readonly proxies: readonly string[];
  readonly token: string;
  readonly newCall: () => string;
  readonly chance: Chance;
  readonly stopping: () => boolean;
}

/** What all bots did. */
export interface Tally {
  readonly answers: TimedAnswer[];
  starts: number;
  confirmed: number;
  /** By the name of the write: where and when it was begun. */
  readonly tries: Map<string, Try>;
  /** Those over WebSocket not included. */
  uploads: number;
  readonly streams: StreamTally;
  /** The names of the uploads that were answered with success, and of the WebSockets that ended in order. */
  readonly acknowledged: Set<string>;
}

/** A write that a bot began. */
export interface Try {
  readonly call: string;
  readonly instance: number;
  /** Monotonic, ms. */
  readonly began: number;
}

interface Heard {
  /** 0: the connection broke. */
  readonly status: number;
  readonly reason: string | undefined;
  readonly gate: string | undefined;
}

/** Of what is uploaded: pieces of a body, or data frames. */
export interface Shape {
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly everyMs: number;
  /** Of a WebSocket: in the middle of each frame. */
  readonly stalls?: boolean;
  /** Of a WebSocket: in the middle of a frame, without a word. */
  readonly vanishes?: boolean;
}

const requestTimeoutMs = 20_000;
const small: Shape = { pieces: 1, pieceBytes: 640, everyMs: 0 };
/** As a bot streams audio, longer than most recordings here. */
const stream: Shape = { pieces: 160, pieceBytes: 640, everyMs: 25 };
const stalling: Shape = { pieces: 3, pieceBytes: 640, everyMs: 1500 };
const large: Shape = { pieces: 6, pieceBytes: 64 * 1024, everyMs: 5 };

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
    const { stopping, chance } = this.#ground;
    while (!stopping()) {
      if (await this.#start()) await this.#record();
      if (chance.happens(0.15)) {
        await this.#timed('stop', 'DELETE', '');
        this.#call = this.#ground.newCall();
      } else await this.#stop();
      await sleep(chance.between(0, 200));
    }
  }

  /** Only keeps calls alive, each of them new to its proxy: what is known of a call could hide that the store is asked. */
  async signal(): Promise<void> {
    const { stopping, chance, newCall } = this.#ground;
    while (!stopping()) {
      this.#call = newCall();
      await this.#timed('keepAlive', 'POST', '/keepAlive');
      await sleep(chance.between(100, 300));
    }
  }

  /** Asks until Graph has confirmed, a few times. */
  async #start(): Promise<boolean> {
    const { stopping, chance } = this.#ground;
    for (let attempt = 0; attempt < 4 && !stopping(); attempt += 1) {
      this.#tally.starts += 1;
      const { status, gate } = await this.#send(this.#pick(), 'POST', '/updateRecordingStatus', {
        status: 'recording',
      });
      if (status === 200 && gate === 'open') {
        this.#tally.confirmed += 1;
        return true;
      }
      if (status === 404) this.#call = this.#ground.newCall();
      // A bot that does not know that its start was lost, and one that does not care.
      if (chance.happens(0.2)) await this.#writeLittle();
      if (chance.happens(0.3)) await this.#timed('keepAlive', 'POST', '/keepAlive');
      await sleep(chance.between(100, 300));
    }
    return false;
  }

  /** Small writes, and now and then others that outlive the recording, stall, or whose client vanishes. */
  async #record(): Promise<void> {
    const { chance, stopping } = this.#ground;
    const long: Promise<unknown>[] = [];
    // Nothing of such a recording has to be cut: its evidence tells that all of it was over before the stop.
    const onlyStreams = chance.happens(0.4);
    const until = monotonic() + chance.between(200, 2200);
    while (monotonic() < until && !stopping()) {
      const kind = chance.between(0, 1);
      if (onlyStreams) {
        if (kind < 0.2) long.push(this.#stream(stream));
        else await this.#stream(small);
      } else if (kind < 0.06) long.push(this.#upload(stream));
      else if (kind < 0.12) long.push(this.#stream(stream));
      else if (kind < 0.14) long.push(this.#upload(stalling));
      else if (kind < 0.16) long.push(this.#stream({ ...stalling, stalls: true }));
      else if (kind < 0.17) long.push(this.#upload(large));
      else if (kind < 0.18) long.push(this.#stream(large));
      else if (kind < 0.19) this.#vanish();
      else if (kind < 0.21) long.push(this.#stream({ ...small, vanishes: true }));
      else if (kind < 0.25) await this.#timed('keepAlive', 'POST', '/keepAlive');
      else if (kind < 0.27)
        await this.#send(this.#pick(), 'POST', '/updateRecordingStatus', { status: 'recording' });
      else await this.#writeLittle();
      await sleep(chance.between(30, 130));
    }
    // Some bots wait for their uploads before they stop; the sample bots do not.
    if (chance.happens(0.3)) await Promise.all(long);
  }

  /** Stops as long as it takes: a refusal says when to try again. Now and then two handlers are to stop at once. */
  async #stop(): Promise<void> {
    let isOver = false;
    // A third of them go on uploading until they hear that they have stopped.
    const careless = this.#ground.chance.happens(0.33) ? this.#goOn(() => isOver) : Promise.resolve();
    await this.#askToStop();
    isOver = true;
    await careless;
  }

  async #goOn(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#writeLittle();
      await sleep(this.#ground.chance.between(20, 100));
    }
  }

  async #askToStop(): Promise<void> {
    const { chance, stopping } = this.#ground;
    for (let attempt = 0; attempt < 60; attempt += 1) {
      const body = { status: chance.happens(0.8) ? 'notRecording' : 'failed' };
      const both = [this.#timed('stop', 'POST', '/updateRecordingStatus', body)];
      if (chance.happens(0.1)) both.push(this.#timed('stop', 'POST', '/updateRecordingStatus', body));
      const answers = await Promise.all(both);
      if (answers.some(({ status }) => status === 200 || status === 404)) return;
      if (stopping() && attempt > 10) return;
      // A bot that takes a refused stop for none goes on where it was refused.
      for (const { status, instance } of answers) if (status >= 500) await this.#upload(small, instance);
      await sleep(chance.between(200, 500));
    }
  }

  async #timed(what: TimedAnswer['what'], method: string, path: string, body?: object): Promise<TimedAnswer> {
    const instance = this.#pick();
    const call = this.#call;
    const began = monotonic();
    const { status, reason } = await this.#send(instance, method, path, body);
    const answer = { what, call, instance, began, tookMs: monotonic() - began, status, reason };
    this.#tally.answers.push(answer);
    return answer;
  }

  #pick(): number {
    return this.#ground.chance.below(this.#ground.proxies.length);
  }

  /** Where a write goes, which is noted. */
  #begin(name: string, instance = this.#pick()): number {
    this.#tally.tries.set(name, { call: this.#call, instance, began: monotonic() });
    return instance;
  }

  #open(
    instance: number,
    method: string,
    path: string,
    headers: Record<string, string | number>,
  ): ClientRequest {
    const req = request(`${this.#ground.proxies[instance]}${path}`, {
      method,
      agent: false,
      timeout: requestTimeoutMs,
      headers: { authorization: `Bearer ${this.#ground.token}`, ...headers },
    });
    req.on('timeout', () => req.destroy());
    return req;
  }

  #send(instance: number, method: string, path: string, body?: object): Promise<Heard> {
    const json = body === undefined ? undefined : JSON.stringify(body);
    const req = this.#open(instance, method, `/v1.0/communications/calls/${this.#call}${path}`, {
      ...(json === undefined ? {} : { 'content-type': 'application/json', 'content-length': json.length }),
    });
    const nothing: Heard = { status: 0, reason: undefined, gate: undefined };
    return new Promise((resolve) => {
      req.on('error', () => resolve(nothing));
      req.on('close', () => resolve(nothing));
      req.on('response', (res) => {
        const header = (name: string): string | undefined => {
          const value = res.headers[name];
          return typeof value === 'string' ? value : undefined;
        };
        res.on('error', () => resolve(nothing));
        res.resume().on('end', () =>
          resolve({
            status: res.statusCode ?? 0,
            reason: header('tallylight-reason'),
            gate: header('tallylight-gate'),
          }),
        );
      });
      req.end(json);
    });
  }

  #writeLittle(): Promise<void> {
    return this.#ground.chance.happens(0.3) ? this.#stream(small) : this.#upload(small);
  }

  async #stream(shape: Shape): Promise<void> {
    const { streams, acknowledged } = this.#tally;
    const name = `stream-${(streams.asked += 1)}`;
    const instance = this.#begin(name);
    const url = `${this.#ground.proxies[instance]}/media/${this.#call}/${name}`;
    const end = await sendStream(url, this.#ground.token, shape, requestTimeoutMs);
    if (end === 'refused') return;
    streams.opened += 1;
    streams[end] += 1;
    if (end === 'closed') acknowledged.add(name);
  }

  #upload({ pieces, pieceBytes, everyMs }: Shape, instance?: number): Promise<void> {
    const name = `upload-${(this.#tally.uploads += 1)}`;
    const req = this.#open(this.#begin(name, instance), 'POST', `/media/${this.#call}/${name}`, {
      'transfer-encoding': 'chunked',
    });
    void (async () => {
      for (let piece = 0; piece < pieces && !req.destroyed; piece += 1) {
        req.write(Buffer.alloc(pieceBytes, 1));
        if (everyMs > 0) await sleep(everyMs);
      }
      req.end();
    })();
    return new Promise((resolve) => {
      req.on('error', () => resolve());
      req.on('close', () => resolve());
      req.on('response', (res) => {
        if (res.statusCode === 201) this.#tally.acknowledged.add(name);
        res.on('error', () => undefined);
        res.resume().on('close', () => req.destroy());
      });
    });
  }

  /** A client that sends a head and the beginning of a body, and is never heard of again. */
  #vanish(): void {
    const { hostname, port } = new URL(this.#ground.proxies[this.#pick()] ?? '');
    const socket = connect(Number(port), hostname);
    socket.on('error', () => socket.destroy());
    // The answer is not read either.
    socket.pause();
    socket.write(
      [
        `POST /media/${this.#call}/half-${(this.#tally.uploads += 1)} HTTP/1.1`,
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
