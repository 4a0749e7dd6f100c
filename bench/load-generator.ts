import { connect, type Socket } from 'node:net';
import { frameBytes, frameMark } from './frame.ts';

/** What to send. Connections take the paths in turn. */
export interface Job {
  readonly kind: 'requests' | 'chunked' | 'webSocket';
  readonly port: number;
  readonly connections: number;
  readonly token: string;
  /** `METHOD /path`. */
  readonly targets: readonly string[];
  readonly bodyBytes: number;
  /** Frames of 640 bytes on each connection, each second; 0: as many as are taken. For the endless kinds. */
  readonly framesPerSecond: number;
  /** Ends after each target was asked for once. */
  readonly once?: boolean;
}

export interface LoadReport {
  /** Connections that are ready to send. */
  readonly ready: number;
  readonly answers: number;
  /** By status, of what is not 2xx or 101; 0: the connection broke. */
  readonly errors: Readonly<Record<string, number>>;
  /** Since the last reset, ms. */
  readonly p50: number;
  readonly p99: number;
  readonly done: boolean;
}

const maxErrors = 100;
const tickMs = 2;
const floodBytes = 64 * 1024;

let sockets: Socket[] = [];
let ready = 0;
let answers = 0;
let broken = 0;
let errors: Record<string, number> = {};
let times: number[] = [];
let pacer: NodeJS.Timeout | undefined;
let running = false;
let done = false;

function fail(status: number): void {
  broken += 1;
  errors[status] = (errors[status] ?? 0) + 1;
}

function headOf(job: Job, target: string, more: string): Buffer {
  return Buffer.from(
    `${target} HTTP/1.1\r\nHost: 127.0.0.1:${job.port}\r\nAuthorization: Bearer ${job.token}\r\n${more}\r\n`,
  );
}

const lengthOf = (job: Job, target: string): string =>
  target.startsWith('GET ')
    ? ''
    : `Content-Type: ${target.includes('/v1.0/') ? 'application/json' : 'application/octet-stream'}\r\nContent-Length: ${job.bodyBytes}\r\n`;

/** Calls back with the status at the end of each answer, whose body is no more than its head announces. */
function onAnswers(socket: Socket, onStatus: (status: number) => void): void {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (;;) {
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = text.slice(0, end).toLowerCase();
      const chunked = head.includes('\r\ntransfer-encoding: chunked');
      const last = chunked ? text.indexOf('0\r\n\r\n', end + 4) : 0;
      if (last < 0) return;
      const over = chunked ? last + 5 : end + 4 + Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0);
      if (text.length < over) return;
      text = text.slice(over);
      onStatus(Number(head.slice(9, 12)));
    }
  });
}

function open(job: Job, whenOpen: (socket: Socket) => void): void {
  const socket = connect({ port: job.port, host: '127.0.0.1' }, () => whenOpen(socket));
  sockets.push(socket);
  socket.setNoDelay();
  let over = false;
  const lost = (): void => {
    if (over || !running || done) return;
    over = true;
    socket.destroy();
    fail(0);
    if (broken < maxErrors && job.kind === 'requests') open(job, whenOpen);
  };
  socket.on('error', lost).on('close', lost);
}

function sendRequests(job: Job): void {
  const body = Buffer.alloc(job.bodyBytes, 'x');
  const wire = (target: string): Buffer => {
    const head = headOf(job, target, lengthOf(job, target));
    return target.startsWith('GET ') ? head : Buffer.concat([head, body]);
  };
  // Large bodies are made once for all paths that share them; 100,000 paths are made when they are needed.
  const prepared = job.targets.length <= 256 ? job.targets.map(wire) : undefined;
  let turn = 0;
  let finished = 0;
  for (let n = 0; n < job.connections; n += 1) {
    open(job, (socket) => {
      ready += 1;
      let began = 0;
      const next = (): void => {
        if (!running || (job.once === true && turn >= job.targets.length)) return;
        const index = turn++ % job.targets.length;
        began = performance.now();
        socket.write(prepared?.[index] ?? wire(job.targets[index] ?? ''));
      };
      onAnswers(socket, (status) => {
        times.push(performance.now() - began);
        if (status < 200 || status > 299) fail(status);
        answers += 1;
        finished += 1;
        if (job.once === true && finished >= job.targets.length) done = true;
        if (broken < maxErrors) next();
      });
      next();
    });
  }
}

function sendFrames(job: Job): void {
  const payload = Buffer.alloc(frameBytes, 'x');
  payload[0] = frameMark;
  const isWebSocket = job.kind === 'webSocket';
  // Masked with zeros, so that the mark stays what it is.
  const frame = isWebSocket
    ? Buffer.concat([Buffer.from([0x82, 0xfe, frameBytes >> 8, frameBytes & 0xff, 0, 0, 0, 0]), payload])
    : Buffer.concat([Buffer.from(`${frameBytes.toString(16)}\r\n`), payload, Buffer.from('\r\n')]);
  const open101 =
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  const open200 = 'Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n';
  const sending: Socket[] = [];
  for (let n = 0; n < job.connections; n += 1) {
    open(job, (socket) => {
      const begin = (): void => {
        ready += 1;
        sending.push(socket);
        if (job.framesPerSecond === 0) flood(socket, frame);
      };
      socket.write(headOf(job, job.targets[n % job.targets.length] ?? '', isWebSocket ? open101 : open200));
      onAnswers(socket, (status) => {
        answers += 1;
        if (isWebSocket && status === 101) begin();
        else fail(status);
      });
      if (!isWebSocket) begin();
    });
  }
  if (job.framesPerSecond > 0) pace(job, sending, frame);
}

function flood(socket: Socket, frame: Buffer): void {
  const block = Buffer.concat(Array.from({ length: Math.floor(floodBytes / frame.length) }, () => frame));
  const pour = (): void => {
    while (running && !socket.destroyed && socket.write(block));
  };
  socket.on('drain', pour);
  pour();
}

/** Spreads the frames of all connections evenly over time; one that takes nothing more is passed over. */
function pace(job: Job, sending: readonly Socket[], frame: Buffer): void {
  let since: number | undefined;
  let sent = 0;
  pacer = setInterval(() => {
    if (sending.length < job.connections) return;
    since ??= performance.now();
    const due = Math.floor(((performance.now() - since) / 1000) * job.framesPerSecond * sending.length);
    // What a pause has left behind is not made up for in one burst.
    if (due - sent > sending.length) sent = due - sending.length;
    for (; sent < due; sent += 1) {
      const socket = sending[sent % sending.length];
      if (socket?.destroyed === false && !socket.writableNeedDrain) socket.write(frame);
    }
  }, tickMs);
}

function report(): LoadReport {
  const sorted = Float64Array.from(times).sort();
  const quantile = (part: number): number => sorted[Math.floor(sorted.length * part)] ?? 0;
  return {
    ready,
    answers,
    errors,
    p50: quantile(0.5),
    p99: quantile(0.99),
    done: done || broken >= maxErrors,
  };
}

function stop(): void {
  running = false;
  clearInterval(pacer);
  for (const socket of sockets) socket.destroy();
  sockets = [];
}

process.on('message', (said: { readonly job?: Job; readonly reset?: true; readonly stop?: true }) => {
  if (said.job !== undefined) {
    ready = answers = broken = 0;
    errors = {};
    times = [];
    done = false;
    running = true;
    if (said.job.kind === 'requests') sendRequests(said.job);
    else sendFrames(said.job);
  } else if (said.stop === true) stop();
  else if (said.reset === true) times = [];
  process.send?.({ report: report() });
});
process.send?.({ report: report() });
