import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { startNotifiedBot } from '../../support/notified-bot.ts';

const main = fileURLToPath(new URL('../../../dist/src/cli/main.js', import.meta.url));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallylight-cli-'));
});
afterAll(() => rm(directory, { recursive: true }));

interface Started {
  readonly text: { out: string; err: string };
  readonly exited: Promise<number | null>;
  readonly stop: () => void;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    cwd: directory,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()));
  return {
    text,
    exited: once(child, 'close').then(([code]) => code as number | null),
    stop: () => void child.kill('SIGTERM'),
  };
}

const anyPort = { TALLYLIGHT_PORT: '0', TALLYLIGHT_ADMIN_PORT: '0', TALLYLIGHT_LOG_LEVEL: 'error' };

describe('tallylight', () => {
  test.each([
    [['sandbx'], 'unknown argument sandbx'],
    [['sandbox', 'more'], 'unknown argument more'],
    [['--port', '80'], '--port'],
    [['sandbox', '--help=yes'], '--help'],
  ])('%j is refused, with where to look', async (args, reason) => {
    const { text, exited } = start(args);
    expect(await exited).toBe(2);
    expect(text.err).toContain(reason);
    expect(text.err).toMatch(/^tallylight: .*; see tallylight --help\n$/);
    expect(text.out).toBe('');
  });

  test.each([
    ['nothing', {}, []],
    ['what is asked for', { TALLYLIGHT_LOG_LEVEL: 'info' }, ['policies are in force']],
  ])('sandbox prints its guide alone, and logs %s to standard error', async (_, level, logged) => {
    const { text, exited, stop } = start(['sandbox'], {
      TALLYLIGHT_PORT: '0',
      TALLYLIGHT_ADMIN_PORT: '0',
      ...level,
    });
    await eventually(() => text.out.includes('Try these commands'));
    stop();
    expect(await exited).toBe(0);
    expect(text.out).toMatch(/^Tallylight sandbox: /);
    expect(text.out).not.toContain('"level":');
    const lines = text.err.split('\n').filter(Boolean);
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    // The invitation of the first call may arrive after the signal.
    expect(messages.filter((message) => !message.endsWith('shutting down'))).toEqual(
      logged.length === 0 ? [] : expect.arrayContaining(logged),
    );
  });

  test('sandbox is refused where settings are those of a proxy, whatever else they lack', async () => {
    const { text, exited } = start(['sandbox'], { TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com' });
    expect(await exited).toBe(3);
    expect(text.err).toMatch(/^tallylight: TALLYLIGHT_GRAPH_URL is set, .* unset it to start the sandbox/);
    expect(text.err.trim().split('\n')).toHaveLength(1);
  });

  test.each([[[]], [['sandbox']]])('%j starts the sandbox, in which Graph and a bot talk', async (args) => {
    const { text, exited, stop } = start(args, anyPort);
    await eventually(() => text.out.includes('Try these commands'));
    const urlOf = (peer: string): string =>
      new RegExp(`^ +${peer} +(http://\\S+)`, 'm').exec(text.out)?.[1] ?? '';
    const [graph, bot] = [urlOf('fake Graph'), urlOf('bot')];
    const made = await fetch(`${graph}/sandbox/calls`, { method: 'POST', body: '{}' });
    const { callId } = (await made.json()) as { callId: string };
    await eventually(async () => {
      const { answered } = (await (await fetch(`${bot}/sandbox/received`)).json()) as { answered: object[] };
      return answered.some((call) => JSON.stringify(call) === JSON.stringify({ call: callId, status: 202 }));
    });
    await fetch(`${graph}/sandbox/calls/${callId}`, { method: 'DELETE' });
    const told = await eventually(async () => {
      const { deliveries } = (await (await fetch(`${graph}/sandbox/notifications`)).json()) as {
        deliveries: { call: string; what: string; status: unknown }[];
      };
      const own = deliveries.filter(({ call }) => call === callId);
      const last = own.at(-1);
      return last?.what === 'deleted terminated' && last.status !== null ? own : undefined;
    });
    expect(told.map(({ what, status }) => [what, status])).toEqual([
      ['created incoming', 202],
      ['updated establishing', 202],
      ['updated established', 202],
      ['updated terminating', 202],
      ['deleted terminated', 202],
    ]);
    stop();
    expect(await exited).toBe(0);
  });

  test.each(['', '/pod-1'])(
    'sandbox notifies a bot of one’s own, also at its callbackUri with "%s"',
    async (below) => {
      const bot = await startNotifiedBot();
      const own = { ...anyPort, TALLYLIGHT_SANDBOX_BOT: `${bot.url}/api/calling` };
      const { text, exited, stop } = start(['sandbox'], own);
      try {
        await eventually(() => text.out.includes('Try these commands'));
        const urlOf = (peer: string): string =>
          new RegExp(`^ +${peer} +(http://\\S+)`, 'm').exec(text.out)?.[1] ?? '';
        const [proxy, graph, mint] = [urlOf('proxy'), urlOf('fake Graph'), urlOf('token mint')];
        const made = await fetch(`${graph}/sandbox/calls`, { method: 'POST', body: '{}' });
        const { callId } = (await made.json()) as { callId: string };
        const told = (): [unknown, unknown][] =>
          bot.received
            .filter(({ body }) => body.includes(callId))
            .map(({ path, body }) => {
              const { value } = JSON.parse(body.toString()) as {
                value: { resourceData: { state: string } }[];
              };
              return [path, value[0]?.resourceData.state];
            });
        await eventually(() => told().length === 1);
        const answered = await fetch(`${proxy}/v1.0/communications/calls/${callId}/answer`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${await (await fetch(`${mint}/token`)).text()}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ callbackUri: `${proxy}/api/calling${below}` }),
        });
        expect(answered.status).toBe(202);
        await eventually(() => told().length === 3);
        expect(told()).toEqual([
          ['/api/calling', 'incoming'],
          [`/api/calling${below}`, 'establishing'],
          [`/api/calling${below}`, 'established'],
        ]);
      } finally {
        stop();
        await bot.goDown();
      }
      expect(await exited).toBe(0);
    },
  );
});
