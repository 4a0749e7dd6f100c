import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { reasons } from '../../../src/core/reasons.ts';

/** Whatever else a media write can be answered with, the product's and a handler's own. */
export const otherStatuses = [400, 404, 408, 413, 417, 426, 500, 501, 504] as const;
export type OtherStatus = (typeof otherStatuses)[number];

/** Answers every request as the product refuses, with the status that ends its path. */
export async function startRefusals(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((req, res) => {
    const status = Number(/(\d+)(?:\?.*)?$/.exec(req.url ?? '')?.[1]);
    const [code = 'Refused'] = Object.entries(reasons).find(([, [of]]) => of === status) ?? [];
    req.resume().once('end', () => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { code, message: 'Refused.' } }));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
