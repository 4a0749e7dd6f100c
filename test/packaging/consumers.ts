/** An application like a customer's: an Express app, an issuer and a Graph of its own. Prints what it was answered. */
const body = `
const serve = async (handler) => {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: 'http://127.0.0.1:' + server.address().port, server };
};
const json = (res, value) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function main() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' };
  const issuer = await serve((_req, res) => json(res, { keys: [key] }));
  const asked = [];
  const graph = await serve((req, res) => {
    asked.push(req.method + ' ' + req.url + ' ' + req.headers.authorization);
    req.resume().on('end', () => json(res, { id: 'operation', status: 'completed' }));
  });
  const claims = {
    iss: issuer.url,
    aud: 'api://host',
    tid: '11111111-1111-4111-8111-111111111111',
    azp: '22222222-2222-4222-8222-222222222222',
    roles: ['Calls.AccessMedia.All'],
    exp: Math.floor(Date.now() / 1000) + 600,
  };
  const signed = part({ alg: 'RS256', kid: 'one', typ: 'JWT' }) + '.' + part(claims);
  const token = signed + '.' + sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url');

  const gate = await createGate({
    store: memoryStore({ livedMs: Infinity }),
    issuers: [{ issuer: issuer.url, audience: 'api://host', jwksUri: issuer.url + '/keys' }],
    evidence: { directory: process.argv[2] },
  });
  const app = express();
  app.post('/media/:callId', requireRecording(gate), async (req, res) => {
    let bytes = 0;
    for await (const chunk of req) bytes += chunk.length;
    res.status(201).json({ bytes, call: req.recording.callId });
  });
  const authorization = async () => 'Bearer graph-token';
  app.post('/calls/:callId/recording', updateRecordingStatus(gate, { graphUrl: graph.url, authorization }));
  app.delete('/calls/:callId', hangUp(gate, { graphUrl: graph.url, authorization }));
  const host = await serve(app);
  admitFirst(host.server);

  const call = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
  const send = async (method, path, type, content) => {
    const headers = { authorization: 'Bearer ' + token, 'content-type': type };
    const answer = await fetch(host.url + path, { method, headers, body: content });
    return [answer.status, answer.headers.get('tallylight-reason'), await answer.text()];
  };
  const write = () => send('POST', '/media/' + call, 'audio/wav', 'x'.repeat(1000));
  const status = (value) =>
    send('POST', '/calls/' + call + '/recording', 'application/json', JSON.stringify({ status: value }));
  const answers = [];
  for (const step of [write, () => status('recording'), write, () => status('notRecording'), write])
    answers.push(await step());

  await gate.close();
  for (const { server } of [host, graph, issuer]) {
    server.close();
    server.closeAllConnections();
  }
  console.log(JSON.stringify({ answers: answers.map(([code, reason]) => [code, reason]), stored: answers[2][2], asked }));
}
main();
`;

const names = '{ admitFirst, createGate, hangUp, memoryStore, requireRecording, updateRecordingStatus }';

export const esmApp = `
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import ${names} from 'tallylight/middleware';
${body}`;

export const cjsApp = `
const { generateKeyPairSync, sign } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const express = require('express');
const ${names} = require('tallylight/middleware');
${body}`;

/** Prints the public names of every entry, and what an entry that does not exist is answered with. */
export const namesApp = `
const list = async (entry) => Object.keys(await import(entry)).sort();
console.log(JSON.stringify({
  main: await list('tallylight'),
  middleware: await list('tallylight/middleware'),
  redis: await list('tallylight/redis'),
  inside: await import('tallylight/dist/src/gate/gate.js').catch((error) => error.code),
}));
`;

/**
 * Loads the middleware and nothing else; notes what came with it, what it read of the environment, what it left open.
 * Into a file, since a pipe may be full.
 */
export const importApp = `
import { createRequire, register } from 'node:module';
import { appendFileSync } from 'node:fs';
const note = (line) => appendFileSync('import.log', line + '\\n');
const hooks = "import { appendFileSync } from 'node:fs';" +
  "export async function load(url, context, next) { appendFileSync('import.log', 'loaded ' + url + '\\\\n'); return next(url, context); }";
register('data:text/javascript,' + encodeURIComponent(hooks));
process.env = new Proxy(process.env, {
  get: (env, name) => {
    note('read ' + String(name));
    return env[name];
  },
});
const before = process.getActiveResourcesInfo();
await import('tallylight/middleware');
for (const file of Object.keys(createRequire(import.meta.url).cache)) note('loaded ' + file);
const left = process.getActiveResourcesInfo().filter((kind) => !before.includes(kind));
note('left ' + JSON.stringify(left));
`;

/** Type-checked: what compiles, and what must not. */
export const typedApp = `
import express from 'express';
import {
  createGate, hangUp, memoryStore, requireRecording, updateRecordingStatus,
  type GateOptions, type Recording, type RecordingGate,
} from 'tallylight/middleware';
import { redisStore, type RedisStore } from 'tallylight/redis';
import { loadSettings, startProxy, createLog, memoryStore as sameStore, type RunningProxy } from 'tallylight';

const store: RedisStore = redisStore('redis://127.0.0.1:6379', { prefix: 'host' });
const options: GateOptions = {
  store,
  issuers: [{ issuer: 'https://issuer.example', audience: 'api://host', jwksUri: 'https://issuer.example/keys' }],
  policies: [{ name: 'bank', match: { tenants: ['3f2504e0-4f89-41d3-9a0c-0305e82c3301'] }, drainMs: 500 }],
  evidence: { directory: 'evidence' },
};
// @ts-expect-error -- an option that does not exist
const wrong: GateOptions = { ...options, drain: 5 };
const gate: RecordingGate = await createGate(options);
const app = express();

app.post('/media/:callId', requireRecording(gate), async (req, res) => {
  const recording: Recording = req.recording;
  const spelled: string = req.params.callId;
  const stored: number = await req.recording.hold(Promise.resolve(recording.epoch));
  const { callId, signal, hold } = recording;
  signal.throwIfAborted();
  hold(Promise.resolve());
  // @ts-expect-error -- there is no such fact
  req.recording.callID;
  // @ts-expect-error -- there is no such property of a request
  req.recordings;
  // @ts-expect-error -- facts are read, not written
  req.recording.epoch = 1;
  // @ts-expect-error -- only what can be waited for can be held
  hold(5);
  res.json({ callId, spelled, stored });
});
app.put('/media', requireRecording(gate, { callId: (req) => req.get('x-call-id') }), (_req, res) => void res.end());
app.post('/calls/:callId/recording', updateRecordingStatus(gate, {
  graphUrl: 'https://graph.microsoft.com',
  version: 'beta',
  authorization: async (req, who) => 'Bearer ' + who.tenant + who.app + req.ip,
}));
// @ts-expect-error -- without a credential for Graph nothing can be sent
app.delete('/calls/:callId', hangUp(gate, { graphUrl: 'https://graph.microsoft.com' }));

export async function proxy(): Promise<RunningProxy> {
  const settings = loadSettings(process.env);
  if (settings.mode !== 'proxy') throw new Error('not here');
  return startProxy(settings, { log: createLog(settings.logLevel), openStore: () => sameStore() });
}
export { memoryStore, wrong };
`;
