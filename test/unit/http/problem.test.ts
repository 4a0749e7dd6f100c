import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { refuse } from '../../../src/core/decision.ts';
import { answerRefusal } from '../../../src/http/problem.ts';

test('a connection that is kept alive may see any number of refusals, and keeps nothing of them', async () => {
  const sockets = new Map<Socket, number>();
  const server = createServer((req, res) => {
    if (!sockets.has(req.socket)) sockets.set(req.socket, req.socket.listenerCount('close'));
    answerRefusal(req, res, refuse('RecordingNotActive'), 'id');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      const { port } = server.address() as AddressInfo;
      const req = request({ port, host: '127.0.0.1', method: 'POST', agent });
      // The refusal comes before the body is there.
      req.write('a');
      const [res] = (await once(req, 'response')) as [IncomingMessage];
      req.end('b');
      await once(res.resume(), 'end');
      expect(res.statusCode).toBe(403);
    }
    const [[socket, before] = []] = sockets;
    expect(sockets.size).toBe(1);
    expect(socket?.listenerCount('close')).toBe(before);
  } finally {
    agent.destroy();
    server.close();
  }
});
