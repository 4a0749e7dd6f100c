import { createServer, request, type ClientRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { readSmall } from '../../../src/http/small-body.ts';

const limit = { maxBytes: 64 * 1024, withinMs: 60_000 };
const readAhead = 64 * 1024;

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** The request as it arrives, whose body is not sent yet. */
async function arrived(
  headers: Record<string, string>,
): Promise<{ readonly client: ClientRequest; readonly req: IncomingMessage }> {
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = request({ host: '127.0.0.1', port, method: 'POST', headers });
  client.on('error', () => undefined);
  const req = new Promise<IncomingMessage>((resolve) => server.once('request', resolve));
  client.flushHeaders();
  return { client, req: await req };
}

function memory(): { readonly held: () => number; readonly room: (bytes: number) => () => void } {
  let held = 0;
  return {
    held: () => held,
    room: (bytes) => {
      held += bytes;
      return () => (held -= bytes);
    },
  };
}

test.each<[string, Record<string, string>, number]>([
  ['is announced', { 'content-length': '2' }, 2],
  ['is not announced', { 'transfer-encoding': 'chunked' }, limit.maxBytes + readAhead],
])(
  'a body whose length %s has all the room that it may need, until it is whole',
  async (_, headers, most) => {
    const { client, req } = await arrived(headers);
    const { held, room } = memory();
    const reading = readSmall(req, limit, room);
    expect(held()).toBe(most);
    client.end('{}');
    expect(await reading).toEqual({ ok: true, value: { kind: 'whole', body: Buffer.from('{}') } });
    expect(held()).toBe(2);
  },
);

test('a body that turns out to be too large keeps the room of what was read of it', async () => {
  const { client, req } = await arrived({ 'transfer-encoding': 'chunked' });
  const { held, room } = memory();
  const reading = readSmall(req, limit, room);
  client.write(Buffer.alloc(2 * limit.maxBytes));
  expect(await reading).toMatchObject({ ok: true, value: { kind: 'stream', why: 'tooLarge' } });
  expect(held()).toBe(limit.maxBytes + readAhead);
});
