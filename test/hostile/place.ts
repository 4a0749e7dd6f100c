import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { defaultLimits } from '../../src/settings/limits.ts';
import type { ProxySettings } from '../../src/settings/settings.ts';
import { openRaw, sendRaw, type Answer, type RawConnection } from '../support/raw-http.ts';
import { startWorld, type World } from '../support/world.ts';
import { startRawUpstream, type Heard, type RawUpstream } from './raw-upstream.ts';

type Limits = ProxySettings['limits'];

/** Short times, so that what hangs ends, but not so short that a busy machine runs into them. */
const limits: Limits = { ...defaultLimits, bodyTimeoutMs: 5000, mediaIdleMs: 5000 };

/** One way into the proxy, with what is behind it. */
export interface Plane {
  readonly name: string;
  readonly upstream: RawUpstream;
  /** A target that passes and can be told from others. */
  target(mark: string): string;
  /** A body that passes. */
  readonly body: string;
  /** Head lines that every request needs. */
  readonly lines: readonly string[];
}

/** A proxy with a recording call, between upstreams that keep what they were sent byte by byte. */
export interface Place {
  readonly world: World;
  readonly url: string;
  readonly media: RawUpstream;
  readonly graph: RawUpstream;
  readonly bot: RawUpstream;
  /** A call that is recording, and one that is not. */
  readonly call: string;
  readonly closedCall: string;
  readonly token: string;
  readonly notificationToken: string;
  readonly planes: Readonly<Record<PlaneName, Plane>>;
  close(): Promise<void>;
}

export const planeNames = ['media', 'signalling', 'status', 'notification'] as const;
export type PlaneName = (typeof planeNames)[number];

export async function startPlace(changes: Partial<Limits> = {}, graphTimeoutMs = 5000): Promise<Place> {
  const [media, graph, bot] = await Promise.all([startRawUpstream(), startRawUpstream(), startRawUpstream()]);
  const methods = ['POST', 'PUT', 'PATCH', 'DELETE'];
  const world = await startWorld({
    settings: {
      graphUrl: graph.url,
      mediaRoutes: [
        { path: '/media/{callId}/*', upstream: media.url, methods, reads: 'pass' },
        { path: '/below/{callId}/*', upstream: `${media.url}/base/v2`, methods, reads: 'pass' },
        {
          path: '/names/{callId}/*',
          upstream: `${media.url}/base`,
          methods,
          reads: 'pass',
          encodedSlash: 'keep',
        },
        { path: '/by-query/*', upstream: media.url, methods, reads: 'pass', callId: { query: 'call' } },
      ],
      callbacks: [{ path: '/callbacks/*', upstream: bot.url }],
      // A machine that is busy elsewhere must not close the gate.
      sessionTtlMs: 20_000,
      graphTimeoutMs,
      limits: { ...limits, ...changes },
    },
  });
  const [token, notificationToken] = await Promise.all([
    world.mint.mint(),
    world.mint.mintNotificationToken(),
  ]);
  const call = randomUUID();
  expect((await new Bot(world.proxy.url, token, call).report('recording')).headers['tallylight-gate']).toBe(
    'open',
  );
  const bearer = [`Host: proxy`, `Authorization: Bearer ${token}`];
  const inCall = `/v1.0/communications/calls/${call}`;
  return {
    world,
    url: world.proxy.url,
    media,
    graph,
    bot,
    call,
    closedCall: randomUUID(),
    token,
    notificationToken,
    planes: {
      media: {
        name: 'media',
        upstream: media,
        target: (mark) => `/media/${call}/${mark}`,
        body: 'hello',
        lines: bearer,
      },
      signalling: {
        name: 'signalling',
        upstream: graph,
        target: (mark) => `${inCall}/playPrompt?mark=${mark}`,
        body: '{"prompts":[]}',
        lines: [...bearer, 'Content-Type: application/json'],
      },
      status: {
        name: 'status',
        upstream: graph,
        target: (mark) => `${inCall}/updateRecordingStatus?mark=${mark}`,
        body: '{"status":"recording"}',
        lines: [...bearer, 'Content-Type: application/json'],
      },
      notification: {
        name: 'notification',
        upstream: bot,
        target: (mark) => `/callbacks/${mark}`,
        body: '{"value":[]}',
        lines: ['Host: proxy', `Authorization: Bearer ${notificationToken}`],
      },
    },
    async close() {
      await world.close();
      await Promise.all([media.close(), graph.close(), bot.close()]);
    },
  };
}

/** A whole head. */
export const head = (requestLine: string, lines: readonly string[]): string =>
  `${[requestLine, ...lines].join('\r\n')}\r\n\r\n`;

/** An ordinary request that passes. */
export const plain = (plane: Plane, mark: string): string =>
  head(`POST ${plane.target(mark)} HTTP/1.1`, [...plane.lines, `Content-Length: ${plane.body.length}`]) +
  plane.body;

export interface Outcome {
  readonly answers: readonly Answer[];
  /** What reached the upstream whole. */
  readonly heard: readonly Heard[];
}

/** Ends a connection that is still in step; what is out of step swallows it, and runs into a time limit. */
const farewell = 'GET /farewell HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n';

/** Writes the bytes, waits for the end of the connection, and tells what came of them; others are still served. */
export async function attack(url: string, plane: Plane, bytes: string | Buffer): Promise<Outcome> {
  const before = plane.upstream.heard.length;
  const connection = openRaw(url);
  connection.write(Buffer.concat([Buffer.from(bytes as string, 'latin1'), Buffer.from(farewell)]));
  await connection.closed;
  const { answers } = connection;
  const after = await sendRaw(url, plain(plane, 'after'));
  expect([after?.status, after?.headers['tallylight-reason']]).toEqual([200, undefined]);
  const heard = plane.upstream.heard.slice(before);
  expect(heard.pop()?.target).toBe(plane.target('after'));
  expect(plane.upstream.strange).toEqual([]);
  return { answers, heard };
}

/** Refused: in an answer with a reason of ours, by Node's parser, or by the end of the connection; nothing went on. */
export function expectRefused({ answers, heard }: Outcome): void {
  expect(heard).toEqual([]);
  const [first] = answers;
  if (first === undefined) return;
  expect([400, 401, 403, 404, 405, 408, 413, 415, 417, 431, 501]).toContain(first.status);
}

/** Exactly one request went on: the one that was judged. */
export function expectForwarded(
  { answers, heard }: Outcome,
  { target, body }: { target: string; body: string },
): void {
  expect(answers[0]?.status).toBe(200);
  expect(heard.map((one) => [one.method, one.target, one.body.toString('latin1')])).toEqual([
    ['POST', target, body],
  ]);
}

/** Every connection a test left open. */
export const closing = (connections: readonly RawConnection[]): Promise<unknown> =>
  Promise.all(
    connections.map((connection) => {
      connection.destroy();
      return connection.closed;
    }),
  );
