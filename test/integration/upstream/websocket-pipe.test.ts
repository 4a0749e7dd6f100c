import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { StreamOver } from '../../../src/core/http/exchange.ts';
import { closeFrame, frameOf, opcodes } from '../../../src/core/http/websocket.ts';
import { pipeWebSocket } from '../../../src/upstream/websocket-pipe.ts';
import { eventually } from '../../support/eventually.ts';

/** Both ends of a connection. */
async function pair(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [near] = (await once(server, 'connection')) as [Socket];
  server.close();
  far.on('error', () => undefined);
  return { near, far };
}

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

async function join(mayContinue: () => boolean) {
  const [client, handler] = [await pair(), await pair()];
  open.push(client.near, client.far, handler.near, handler.far);
  let bytes = 0;
  let received = Buffer.alloc(0);
  handler.far.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
  const frames = { toHandler: 0, toClient: 0 };
  const over: Promise<StreamOver> = pipeWebSocket({
    client: client.near,
    handler: handler.near,
    guard: {
      mayContinue,
      stopReason: 'RecordingStopped',
      onMeasure: () => undefined,
      addBytes: (count) => {
        bytes += count;
      },
      onCut: () => undefined,
      onStop: () => undefined,
    },
    idleMs: 60_000,
    onFrames: (direction, count) => {
      frames[direction] += count;
    },
  });
  return {
    ...{ client: client.far, handler: handler.far, over, frames },
    bytes: () => bytes,
    received: () => received,
  };
}

const frame = (text: string): Buffer => frameOf(opcodes.binary, Buffer.from(text), Buffer.from([1, 2, 3, 4]));

describe('the pipe of a WebSocket', () => {
  test('asks before every chunk, and passes none on when it may not continue', async () => {
    let may = true;
    const { client, over, bytes, received } = await join(() => may);
    client.write(frame('before'));
    await eventually(() => received().length === frame('before').length);
    // As in a process that slept past its deadline: nothing has told of it yet.
    may = false;
    client.write(frame('after'));
    expect(await over).toEqual({ how: 'cut', complete: false });
    expect([bytes(), received().length]).toEqual([6, frame('before').length]);
  });

  test('does not take a client that left without a Close frame for complete, whatever the handler answers', async () => {
    const { client, handler, over } = await join(() => true);
    handler.once('end', () => handler.end(closeFrame(1000, '')));
    client.end(frame('one'));
    expect(await over).toEqual({ how: 'broken', complete: false });
  });

  test('is over only when the handler has closed its connection after both Close frames', async () => {
    const { client, handler, over, received, frames } = await join(() => true);
    client.resume();
    const mask = Buffer.from([1, 2, 3, 4]);
    // Both sides close at the same time: the handler may not have read everything when its Close frame comes.
    handler.write(closeFrame(1000, ''));
    client.write(Buffer.concat([frame('last'), closeFrame(1000, '', mask)]));
    await eventually(() => received().length === frame('last').length + closeFrame(1000, '', mask).length);
    let settled = false;
    void over.then(() => {
      settled = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    handler.end();
    expect(await over).toEqual({ how: 'closed', complete: true });
    expect(frames).toEqual({ toHandler: 2, toClient: 1 });
  });

  test('does not wait for ever for a handler that keeps its connection after both Close frames', async () => {
    const { client, handler, over } = await join(() => true);
    client.resume();
    handler.write(closeFrame(1000, ''));
    client.write(closeFrame(1000, '', Buffer.from([1, 2, 3, 4])));
    expect(await over).toEqual({ how: 'closed', complete: true });
    await eventually(() => handler.readableEnded);
  });
});
