import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { type Refusal, refuse } from '../../core/decision.ts';
import { messageOf } from '../../core/errors.ts';
import type { PageFiles } from '../page-files.ts';
import { close, hold, release } from './acts.ts';
import { onUnreadBody, readBody } from './body.ts';
import { type ApiDeps, operatorFacts, type Route } from './context.ts';
import { refusalOfPlace } from './guard.ts';
import { sendRefusal } from './problem.ts';
import { call, calls, events, holds, session } from './reads.ts';
import { lacksRole } from './rights.ts';

/** Everything that the API offers to whoever has proven who it is. */
export const routes: readonly Route[] = [
  { method: 'get', path: '/api/session', role: undefined, handle: session },
  { method: 'get', path: '/api/calls', role: 'Tallylight.View', handle: calls },
  { method: 'get', path: '/api/calls/:id', role: 'Tallylight.View', handle: call },
  { method: 'post', path: '/api/calls/:id/close', role: 'Tallylight.Operate', handle: close },
  { method: 'get', path: '/api/events', role: 'Tallylight.View', handle: events },
  { method: 'get', path: '/api/holds', role: 'Tallylight.View', handle: holds },
  { method: 'post', path: '/api/hold', role: 'Tallylight.Operate', handle: hold },
  { method: 'delete', path: '/api/hold/:id', role: 'Tallylight.Operate', handle: release },
  { method: 'post', path: '/api/hold/:id/release', role: 'Tallylight.Operate', handle: release },
];

/** Nothing but our own files may run or be asked, whatever a text from outside says. */
const securityHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', false);
  app.use((req, res, next) => {
    res.set(securityHeaders);
    const acts = !['GET', 'HEAD'].includes(req.method);
    const refusal = deps.unfit(req) ?? refusalOfPlace(req, deps.place, acts);
    if (refusal === undefined) next();
    else sendRefusal(res, refusal);
  });
  app.use('/api', (_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });
  app.post('/api/session', (req, res) => answer(deps, res, () => beginSession(deps, req, res)));
  app.delete('/api/session', (req, res) => {
    res.setHeader('Set-Cookie', deps.sessions.end(req));
    res.status(204).end();
  });
  for (const route of routes)
    app[route.method](route.path, readBody, (req: Request, res: Response) =>
      answer(deps, res, () => serve(deps, route, req, res)),
    );
  for (const [path, methods] of allowedMethods())
    app.all(path, (_req, res) => {
      res.setHeader('Allow', methods.join(', '));
      sendRefusal(res, refuse('MethodNotAllowed', { detail: `allowed: ${methods.join(', ')}` }));
    });
  servePage(app, deps.page);
  app.use((_req, res) => sendRefusal(res, refuse('PathUnknown')));
  app.use(onUnreadBody);
  app.use(onError(deps));
  return app;
}

/** The document is asked for anew each time; everything that it names has a path that changes with its contents. */
function servePage(app: Express, page: PageFiles): void {
  app.get('/', (_req, res) => {
    res.set('Cache-Control', 'no-cache').type('html').send(page.index);
  });
  app.get('/page/*path', (req, res, next) => {
    const file = page.find(req.path.slice(1));
    if (file === undefined) next();
    else res.set('Cache-Control', 'public, max-age=31536000, immutable').type(file.type).send(file.bytes);
  });
}

async function serve(
  deps: ApiDeps,
  { role, handle }: Route,
  req: Request,
  res: Response,
): Promise<Refusal | undefined> {
  const who = await deps.sessions.identify(req);
  if (!who.ok) return who;
  const refusal = role && lacksRole(who.value, role);
  if (refusal === undefined) return handle(deps, { req, res, who: who.value });
  const facts = { ...operatorFacts(who.value), method: req.method, path: req.path };
  deps.log.warn(facts, 'a request to the console was refused: the role is missing');
  return refusal;
}

async function beginSession(deps: ApiDeps, req: Request, res: Response): Promise<Refusal | undefined> {
  const cookie = await deps.sessions.begin(req);
  if (!cookie.ok) return cookie;
  res.setHeader('Set-Cookie', cookie.value);
  res.status(204).end();
  return undefined;
}

async function answer(
  { log }: ApiDeps,
  res: Response,
  handle: () => Promise<Refusal | undefined>,
): Promise<void> {
  try {
    const refusal = await handle();
    if (refusal !== undefined) sendRefusal(res, refusal);
  } catch (error) {
    log.error({ error: messageOf(error) }, 'a request to the console failed with an internal error');
    if (res.headersSent) res.destroy();
    else sendRefusal(res, refuse('InternalFault'));
  }
}

function allowedMethods(): ReadonlyMap<string, readonly string[]> {
  const allowed = new Map<string, string[]>([['/api/session', ['POST', 'DELETE']]]);
  for (const { path, method } of routes)
    allowed.set(path, [...(allowed.get(path) ?? []), method.toUpperCase()]);
  return allowed;
}

const onError =
  ({ log }: ApiDeps): ErrorRequestHandler =>
  (error: unknown, _req, res, _next) => {
    log.debug({ error: messageOf(error) }, 'a request to the console could not be read');
    if (res.headersSent) res.destroy();
    else sendRefusal(res, refuse('TargetInvalid'));
  };
