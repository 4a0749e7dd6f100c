import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from './eventually.ts';

/** More than the buffers of the kernel and of the streams on a way through this process hold. */
const yardstickBytes = 32 * 1024 * 1024;
/** Delayed acknowledgements and probes of a full window go by the clock on any machine, ms. */
const tcpTimersMs = 250;

/**
 * What a count comes to when it moves no more. On a busy machine nothing moves for a while at any moment: so it has to
 * stand still while a yardstick of bytes passes from end to end through another connection of this process.
 */
export async function standstill(count: () => number, what: string): Promise<number> {
  const { at } = await eventually(
    async () => {
      const before = count();
      await Promise.all([carry(yardstickBytes), sleep(tcpTimersMs)]);
      return count() === before ? { at: before } : undefined;
    },
    { withinMs: 50_000, what: `a standstill of ${what}` },
  );
  return at;
}

/** Sends so many bytes to this process itself, and resolves once all have come. */
async function carry(bytes: number): Promise<void> {
  const server = createServer((socket) => void socket.resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const arrived = once(server, 'connection').then(([socket]) => once(socket as NodeJS.EventEmitter, 'end'));
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const piece = Buffer.alloc(256 * 1024);
  for (let sent = 0; sent < bytes; sent += piece.length)
    if (!socket.write(piece)) await once(socket, 'drain');
  socket.end();
  await arrived;
  server.close();
  await once(server, 'close');
}
