#!/usr/bin/env node
import { get } from 'node:http';
import { loadSettings } from '../settings/settings.ts';

/** For container health checks: whether this instance can carry signalling. */
const { host, adminPort } = loadSettings(process.env);
const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;

get({ host: address, port: adminPort, path: '/readyz', agent: false, timeout: 2000 }, (res) => {
  res.resume();
  process.exitCode = res.statusCode === 200 ? 0 : 1;
}).on('error', () => {
  process.exitCode = 1;
});
