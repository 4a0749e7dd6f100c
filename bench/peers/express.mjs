// What many would write: Express, a look at Redis for every upload, http-proxy-middleware.
import { Agent } from 'node:http';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { Redis } from 'ioredis';

process.once('disconnect', () => process.exit(0));
const { SINK_PORT, GRAPH_URL, REDIS_PORT } = process.env;
const redis = new Redis(Number(REDIS_PORT), '127.0.0.1');
const agent = new Agent({ keepAlive: true });

const app = express();
app.use('/media/:call', async (req, res, next) => {
  const state = await redis.hget(`call:${req.params.call}`, 'state');
  if (state === 'recording') next();
  else res.sendStatus(403);
});
app.use(
  createProxyMiddleware({ target: `http://127.0.0.1:${SINK_PORT}`, pathFilter: '/media', agent }),
  createProxyMiddleware({ target: GRAPH_URL, pathFilter: '/v1.0', agent }),
);
const server = app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  process.send({ port: server.address().port }),
);
