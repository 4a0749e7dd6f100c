#!/usr/bin/env node
import { get } from 'node:http';
import { messageOf } from '../core/errors.ts';
import { loadSettings } from '../settings/settings.ts';

const timeoutMs = 2000;

/** For container health checks, which know 0 and 1 only: whether this instance can carry signalling, and if not, why. */
function unhealthy(why: string): void {
  process.stderr.write(`tallylight: not healthy: ${why.replace(/\s*\n\s*/g, ' ')}\n`);
  process.exitCode = 1;
}

function checkHealth(): void {
  const { host, adminPort } = loadSettings(process.env);
  const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const place = { host: address, port: adminPort, path: '/readyz' };
  const req = get({ ...place, agent: false, timeout: timeoutMs }, (res) => {
    res.resume();
    if (res.statusCode !== 200) unhealthy(`/readyz answers ${res.statusCode ?? 'nothing'}`);
  });
  req.on('timeout', () => req.destroy(new Error(`/readyz does not answer within ${timeoutMs} ms`)));
  req.on('error', (error) => unhealthy(messageOf(error)));
}

try {
  checkHealth();
} catch (error) {
  unhealthy(messageOf(error));
}
