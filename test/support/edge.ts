import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';
import type { CertificateFiles } from './certificates.ts';

/** What an edge does besides forwarding. */
export interface EdgeManner {
  /** Forwards a request once its body is complete. */
  readonly buffers?: boolean;
  /** Forwards a body with this transfer once it is complete: nginx does so unless HTTP/1.1 is set. */
  readonly buffersChunked?: boolean;
  /** Changes the header fields of requests. */
  readonly onRequest?: (headers: OutgoingHttpHeaders) => void;
  /** Changes the header fields of responses. */
  readonly onResponse?: (headers: OutgoingHttpHeaders) => void;
  /** Answers paths that begin so with a page of its own. */
  readonly keeps?: string;
  readonly tls?: CertificateFiles;
}

export interface TestEdge {
  readonly port: number;
  close(): Promise<void>;
}

/** A reverse proxy as small as it can be, which does what real ones do only with the wrong configuration. */
export async function startTestEdge(origin: string, manner: EdgeManner = {}): Promise<TestEdge> {
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    // A client that goes away, and an answer that comes before the body has ended, are not this edge's to judge.
    forward(origin, manner, req, res).catch(() => res.destroy());
  };
  const { tls } = manner;
  const server =
    tls === undefined
      ? http.createServer(serve)
      : https.createServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) }, serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function forward(
  origin: string,
  { buffers = false, buffersChunked = false, onRequest, onResponse, keeps }: EdgeManner,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (keeps !== undefined && req.url?.startsWith(keeps) === true) {
    res.writeHead(404, { 'content-type': 'text/html', server: 'a-test-edge' }).end('<h1>not here</h1>');
    return;
  }
  const headers: OutgoingHttpHeaders = { ...req.headers };
  onRequest?.(headers);
  const isKept = buffers || (buffersChunked && req.headers['transfer-encoding'] !== undefined);
  const body = isKept ? await buffer(req) : undefined;
  const { method } = req;
  const out = http.request(origin + (req.url ?? ''), { agent: false, headers, ...(method && { method }) });
  out.on('response', (answer) => {
    const answered: OutgoingHttpHeaders = { ...answer.headers };
    onResponse?.(answered);
    res.writeHead(answer.statusCode ?? 502, answered);
    pipeline(answer, res).catch(() => res.destroy());
  });
  out.on('error', () => res.destroy());
  if (body === undefined) req.pipe(out);
  else out.end(body);
}
