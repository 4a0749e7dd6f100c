import http from 'node:http';
import express from 'express';
import type { Readiness } from './readiness.ts';

export interface AdminDeps {
  readonly readiness: () => Promise<Readiness>;
  /** undefined: there are none yet. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string } | undefined>;
}

/**
 * Health and numbers, on a port of their own. `/readyz` is about signalling alone: a proxy without its store still
 * has to carry calls. `/readyz/gates` tells whether gates may open, and if not, why.
 */
export function createAdmin({ readiness, metrics }: AdminDeps): http.Server {
  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', (_req, res) => {
    res.json({ live: true });
  });
  app.get('/readyz', async (_req, res) => {
    const ready = await readiness();
    res.status(ready.signalling ? 200 : 503).json(ready);
  });
  app.get('/readyz/gates', async (_req, res) => {
    const ready = await readiness();
    res.status(ready.gates === true ? 200 : 503).json(ready);
  });
  app.get('/metrics', async (_req, res) => {
    const numbers = await metrics();
    if (numbers === undefined) {
      res.status(503).end();
      return;
    }
    res.setHeader('Content-Type', numbers.contentType);
    res.end(numbers.text);
  });
  return http.createServer(app);
}
