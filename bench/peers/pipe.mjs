// A raw TCP pipe: the least that a proxy in Node can cost.
import { connect, createServer } from 'node:net';

process.once('disconnect', () => process.exit(0));
const { SINK_PORT } = process.env;

const server = createServer((client) => {
  const upstream = connect({ port: Number(SINK_PORT), host: '127.0.0.1' });
  client.setNoDelay();
  upstream.setNoDelay();
  client.pipe(upstream);
  upstream.pipe(client);
  const end = () => {
    client.destroy();
    upstream.destroy();
  };
  for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  process.send({ port: server.address().port }),
);
