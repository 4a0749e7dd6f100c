import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { grant, type Decision } from '../../../../src/core/decision.ts';
import { AcceptedTokens } from '../../../../src/http/control/accepted-tokens.ts';
import { withinLimits, type UnlimitedRequest } from '../../../../src/http/control/place.ts';
import { createLimits, type LimitSizes } from '../../../../src/http/limits.ts';
import { answerRefusal } from '../../../../src/http/problem.ts';
import { defaultLimits } from '../../../../src/settings/limits.ts';
import { eventually } from '../../../support/eventually.ts';

const owner = { tenant: 'tenant', app: 'app' };
const knownCall = 'known';
/** Of all; one address has a quarter. */
const memory = 1024 * 1024;
const sizes: LimitSizes = { ...defaultLimits, graphTurnMs: 60_000, maxUnprovenBytes: memory };

let server: Server;
let port: number;
let sockets: Socket[];
/** Requests that are in their place, and stay there. */
let placed: IncomingMessage[];
/** Answers the latter. */
let answers: (() => void)[];
let refused: string[];

beforeEach(async () => {
  [placed, answers, refused, sockets] = [[], [], [], []];
  const limits = createLimits(sizes, () => 0);
  server = createServer((req, res) => {
    const { action = '', from = '' } = Object.fromEntries(new URL(req.url!, 'http://x').searchParams);
    const arrived = {
      ...{ req, res, requestId: '1', askedAt: 0 },
      deps: { limits, clientAddress: () => from, gate: { knownOwner: () => owner } },
      caller: { who: owner, verified: false, tokenHash: 'made up' },
      action: {
        row: { effect: action },
        ...(action === 'recordingStatus' ? { call: knownCall } : {}),
      },
    } as unknown as UnlimitedRequest;
    const stay = (): Promise<Decision<number>> => {
      placed.push(req);
      return new Promise((resolve) =>
        answers.push(() => {
          res.end();
          resolve(grant(200));
        }),
      );
    };
    void Promise.resolve()
      .then(() => withinLimits(arrived, new AcceptedTokens(), stay))
      .then((decision) => {
        if (decision.ok) return;
        refused.push(decision.reason);
        answerRefusal(req, res, decision, '1');
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.closeAllConnections();
  server.close();
});

/** Requests that come with so much of their body, and never with its end. */
function send(count: number, from: string, bytes: number, framing: string, action = 'pass'): void {
  for (let n = 0; n < count; n += 1) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.resume();
    sockets.push(socket);
    const head = `POST /?action=${action}&from=${from} HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, ' ')]));
  }
}
const announced = 'Content-Length: 1048576';
const unannounced = 'Transfer-Encoding: chunked\r\n\r\n100000';

const heldBytes = (): number => placed.reduce((sum, { readableLength }) => sum + readableLength, 0);
const settled = (count: number): Promise<unknown> =>
  eventually(() => placed.length + refused.length === count);

test.each([
  ['announced', announced],
  ['not announced', unannounced],
])(
  'what comes of unproven bodies before anybody asks is bounded, over all connections and for one address: %s',
  async (_, framing) => {
    send(60, 'a', 60_000, framing);
    await settled(60);
    expect(placed.length).toBeGreaterThan(0);
    expect(heldBytes()).toBeLessThanOrEqual(memory / 4);
    for (const from of ['b', 'c', 'd', 'e', 'f']) send(30, from, 60_000, framing);
    await settled(210);
    expect(heldBytes()).toBeGreaterThan(memory / 2);
    expect(heldBytes()).toBeLessThanOrEqual(memory);
    expect(new Set(refused)).toEqual(new Set(['Overloaded']));
  },
);

test('a small body, and a stop of a known call, are not refused for the bodies of others', async () => {
  for (const from of ['a', 'b', 'c', 'd', 'e']) send(30, from, 60_000, announced);
  await settled(150);
  const before = refused.length;
  expect(before).toBeGreaterThan(100);
  send(1, 'a', 26, 'Content-Length: 27');
  send(1, 'b', 27, 'Content-Length: 27');
  send(1, 'a', 20, unannounced);
  send(2, 'a', 60_000, announced, 'recordingStatus');
  await settled(155);
  expect(refused).toHaveLength(before);
});

test('room is there again once those who had it are answered', async () => {
  send(60, 'a', 60_000, announced);
  await settled(60);
  const [places, refusals] = [placed.length, refused.length];
  for (const answer of answers) answer();
  await eventually(() => placed.every(({ readableLength }) => readableLength === 0));
  send(places, 'a', 60_000, announced);
  await settled(places + refusals + places);
  expect(placed).toHaveLength(2 * places);
});
