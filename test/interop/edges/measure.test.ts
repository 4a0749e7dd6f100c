import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { StartUnit } from '../../../src/core/http/request-start.ts';
import { eventually } from '../../support/eventually.ts';
import { openRaw } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';
import { edgeNames, header, startEdge, unitOf, type EdgeName, type Manner } from './edges.ts';
import { startHandler, type Handler } from './handler.ts';

const uploads = 9;
/** Between the first part of a body and the rest, ms. */
const pauseMs = 150;

interface Figures {
  readonly edge: string;
  /** Medians and largest values, ms after the client has sent the head and the first part. */
  readonly firstByte: readonly number[];
  /** Empty: the edge writes no stamp. */
  readonly stamp: readonly number[];
}

let handler: Handler;
let world: World;
const table: Figures[] = [];
beforeAll(async () => {
  handler = await startHandler();
  world = await startWorld({
    settings: {
      trustedProxies: ['127.0.0.1'],
      mediaRoutes: [{ path: '/media/{callId}/*', upstream: handler.url, methods: ['POST'], reads: 'refuse' }],
    },
  });
});
afterAll(async () => {
  process.stdout.write(`${described(table)}\n`);
  await world.close();
  await handler.close();
});

let files = 0;

async function measure(edge: string, url: string, unit: StartUnit): Promise<Figures> {
  const bot = await world.bot();
  const token = await world.mint.mint();
  expect((await bot.report('recording')).status).toBe(200);
  const figures = { edge, firstByte: [] as number[], stamp: [] as number[] };
  // The first is for the connections behind the edge.
  for (let n = 0; n <= uploads; n++) {
    const file = `measured-${++files}`;
    const upload = openRaw(url);
    await new Promise((resolve) => upload.socket.once('connect', resolve));
    const [sentAt, wallAt] = [performance.now(), Date.now()];
    upload.write(
      [
        `POST /media/${bot.call}/${file} HTTP/1.1`,
        'Host: recorder.example',
        `Authorization: Bearer ${token}`,
        'Content-Length: 1280',
        '',
        'x'.repeat(640),
      ].join('\r\n'),
    );
    await sleep(pauseMs);
    upload.write('y'.repeat(640));
    expect(await upload.answer).toMatchObject({ status: 201 });
    upload.destroy();
    const seen = await eventually(() => handler.of(file));
    if (n === 0) continue;
    figures.firstByte.push((seen.firstAt ?? NaN) - sentAt);
    const [, number] = /^t=([\d.]+)$/.exec(String(seen.req.headers[header.toLowerCase()])) ?? [];
    if (number !== undefined) figures.stamp.push(Number(number) * (unit === 's' ? 1000 : 1) - wallAt);
  }
  table.push(figures);
  return figures;
}

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] ?? NaN;
const inMs = (list: readonly number[]): string =>
  list.length === 0 ? '-' : `${median(list).toFixed(1)} (${Math.max(...list).toFixed(1)})`;

const described = (rows: readonly Figures[]): string =>
  [
    `ms after the client's first byte, median (largest) of ${uploads}; the rest is sent after ${pauseMs} ms`,
    ...rows.map(({ edge, firstByte, stamp }) =>
      [edge.padEnd(24), `first byte ${inMs(firstByte).padEnd(16)}`, `stamp ${inMs(stamp)}`].join('  '),
    ),
  ].join('\n');

test('without an edge', async () => {
  expect((await measure('none', world.proxy.url, 'ms')).firstByte).toHaveLength(uploads);
});

const mannersOf = (name: EdgeName): readonly Manner[] => [
  'plain',
  'recommended',
  'buffering',
  // What HAProxy stamps after it has waited for a body is stamped late.
  ...(name === 'HAProxy' ? [] : ['stampedLate' as const]),
];

test.each(
  edgeNames.flatMap((name) => mannersOf(name).map((manner): readonly [EdgeName, Manner] => [name, manner])),
)('%s, %s', async (name, manner) => {
  const edge = await startEdge(name, manner, world.proxy.url);
  try {
    const { firstByte, stamp } = await measure(`${name}, ${manner}`, edge.url, unitOf[name]);
    expect(firstByte).toHaveLength(uploads);
    expect(stamp).toHaveLength(manner === 'plain' ? 0 : uploads);
  } finally {
    await edge.close();
  }
});
