import http from 'node:http';
import type { Socket } from 'node:net';
import express from 'express';
import { statusOf } from '../core/reasons.ts';
import { repeatedHeader } from '../http/repeated-header.ts';
import { ignoringUpgrades } from './ignored-upgrade.ts';
import { connectionErrors } from './connection-errors.ts';
import type { Readiness } from './readiness.ts';

export interface AdminDeps {
  readonly readiness: () => Promise<Readiness>;
  /** undefined: there are none yet. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string } | undefined>;
}

/**
 * Health and numbers, on a port of their own. `/readyz` is about signalling alone: a proxy without its store still
 * has to carry calls. `/readyz/gates` says whether gates may open, and if not, why.
 */
export function createAdmin({ readiness, metrics }: AdminDeps): http.Server {
  const app = express();
  app.disable('x-powered-by');
  app.use((req, res, next) => {
    const refusal = repeatedHeader(req);
    if (refusal === undefined) next();
    else res.status(statusOf(refusal.reason)).json({ error: refusal.reason });
  });
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
  const server = http.createServer();
  const serveWithoutUpgrade = ignoringUpgrades(server);
  const { unanswered } = connectionErrors(server);
  server.on('upgrade', (req, socket: Socket, head) =>
    serveWithoutUpgrade(req, socket, head, unanswered(socket)),
  );
  server.on('request', app);
  return server;
}
