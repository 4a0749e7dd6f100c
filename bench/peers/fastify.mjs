// The same check and the same job on Fastify.
import Fastify from 'fastify';
import httpProxy from '@fastify/http-proxy';
import { Redis } from 'ioredis';

process.once('disconnect', () => process.exit(0));
const { SINK_PORT, GRAPH_URL, REDIS_PORT } = process.env;
const redis = new Redis(Number(REDIS_PORT), '127.0.0.1');

const app = Fastify({ bodyLimit: 1024 ** 3 });
app.register(httpProxy, {
  upstream: `http://127.0.0.1:${SINK_PORT}`,
  prefix: '/media',
  rewritePrefix: '/media',
  async preHandler(request, reply) {
    const call = request.url.split('/', 3)[2];
    const state = await redis.hget(`call:${call}`, 'state');
    if (state !== 'recording') return reply.code(403).send();
  },
});
app.register(httpProxy, { upstream: GRAPH_URL, prefix: '/v1.0', rewritePrefix: '/v1.0' });
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
process.send({ port: app.server.address().port });
