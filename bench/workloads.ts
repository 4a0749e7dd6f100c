import type { Job } from './load-generator.ts';
import type { PeerName } from './peer-names.ts';

/** What is divided by the time on a processor. */
export type Unit = 'requests' | 'bytes' | 'frames';

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly peers: readonly PeerName[];
  readonly job: Omit<Job, 'port' | 'token'>;
}

const everybody: readonly PeerName[] = [
  'tallylight',
  'alwaysYes',
  'express',
  'fastify',
  'nginxLua',
  'nginx',
  'pipe',
];
const streamers: readonly PeerName[] = ['tallylight', 'alwaysYes', 'express', 'nginxLua', 'pipe'];
const pipes: readonly PeerName[] = ['tallylight', 'alwaysYes', 'pipe'];

/** A pause between frames of one participant: 20 ms. */
const paced = 50;

export interface WorkloadOptions {
  readonly calls: readonly string[];
  /** Endless uploads and WebSockets at a time. */
  readonly streams: number;
  readonly webSocket: boolean;
}

export function workloadsFor({ calls, streams, webSocket }: WorkloadOptions): Workload[] {
  const uploads = calls.map((call) => `POST /media/${call}/frame`);
  const sockets = calls.map((call) => `GET /media/${call}/socket`);
  const post = (
    name: string,
    title: string,
    unit: Unit,
    bodyBytes: number,
    connections: number,
    peers = everybody,
  ): Workload => ({
    name,
    title,
    unit,
    peers,
    job: { kind: 'requests', connections, targets: uploads, bodyBytes, framesPerSecond: 0 },
  });
  const frames = (
    name: string,
    title: string,
    peers: readonly PeerName[],
    job: Pick<Job, 'kind' | 'connections' | 'framesPerSecond'>,
  ): Workload => ({
    name,
    title,
    unit: 'frames',
    peers,
    job: { ...job, targets: job.kind === 'webSocket' ? sockets : uploads, bodyBytes: 0 },
  });
  const few = Math.min(100, streams);
  return [
    // What a line of the log costs is the same for any body.
    post('post640', '640-byte POSTs', 'requests', 640, 32, [...everybody, 'accessLog']),
    post('post16k', '16 KiB POSTs', 'requests', 16 * 1024, 32),
    post('post160k', '160 KiB POSTs', 'bytes', 160 * 1024, 16),
    post('post4m', '4 MiB segments', 'bytes', 4 * 1024 * 1024, 8),
    frames('chunked', `${streams} chunked uploads, ${paced} frames/s each`, streamers, {
      kind: 'chunked',
      connections: streams,
      framesPerSecond: paced,
    }),
    ...(webSocket
      ? [
          frames('ws', `${few} WebSockets, ${paced} frames/s each`, pipes, {
            kind: 'webSocket',
            connections: few,
            framesPerSecond: paced,
          }),
          frames('wsMany', `${streams} WebSockets, ${paced} frames/s each`, pipes, {
            kind: 'webSocket',
            connections: streams,
            framesPerSecond: paced,
          }),
          frames('wsFlood', '20 WebSockets, flooded', pipes, {
            kind: 'webSocket',
            connections: 20,
            framesPerSecond: 0,
          }),
        ]
      : []),
    {
      name: 'signalling',
      title: 'GETs and keepAlives',
      unit: 'requests',
      peers: ['tallylight', 'express', 'fastify', 'nginx'],
      job: {
        kind: 'requests',
        connections: 32,
        targets: calls.flatMap((call) => [
          `GET /v1.0/communications/calls/${call}`,
          `POST /v1.0/communications/calls/${call}/keepAlive`,
        ]),
        bodyBytes: 0,
        framesPerSecond: 0,
      },
    },
  ];
}
