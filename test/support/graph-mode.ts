import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { parseCallKey } from '../../src/core/call/key.ts';
import { Bot, type Reply } from '../../src/sandbox/bot/bot.ts';
import { sandboxApp, sandboxTenant } from '../../src/sandbox/token-mint.ts';
import type { ProxySettings } from '../../src/settings/settings.ts';
import { eventually } from './eventually.ts';
import { recordsIn } from './notified-bot.ts';
import { UnsteadyGraph, type Mood } from './unsteady-graph.ts';
import { startWorld, type World } from './world.ts';

export interface Recording {
  readonly bot: Bot;
  readonly uploader: Bot;
  /** An upload that goes on. */
  readonly stream: ReturnType<Bot['slowUpload']>;
}

export const stops: readonly (readonly [string, (bot: Bot) => Promise<Reply>, string])[] = [
  ['notRecording', (bot) => bot.report('notRecording'), 'notRecording'],
  ['failed', (bot) => bot.report('failed'), 'failed'],
  ['a hang-up', (bot) => bot.hangUp(), 'hangUp'],
];

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A proxy in `graph` mode, and before its Graph one that does as it is told. */
export class GraphModeTestBed {
  readonly graph = new UnsteadyGraph();
  #world: World | undefined;

  async open(settings: Partial<ProxySettings>): Promise<void> {
    await this.graph.open();
    this.#world = await startWorld({
      settings: (peers) => {
        this.graph.target = peers.graph.url;
        return { controlAuth: 'graph', graphUrl: this.graph.url, ...settings };
      },
    });
  }

  /** The evidence it leaves has to fit. */
  async close(): Promise<void> {
    expect(await this.world.closeAndVerify()).toMatchObject({ misfit: null });
    await this.world.close();
    await this.graph.close();
  }

  get world(): World {
    if (this.#world === undefined) throw new Error('the test bed is not open');
    return this.#world;
  }

  /** What befalls requests about this call, all of them or those of one action. */
  befalls(bot: Bot, mood: Mood, action?: string): void {
    this.graph.mood = ({ url = '', method }) => {
      const [, id, rest = ''] = /\/calls\/([^/]+)\/?(.*)$/.exec(url) ?? [];
      if (id !== bot.call) return undefined;
      const asked = rest === '' && method === 'GET' ? 'getCall' : rest;
      return action === undefined || action === asked ? mood : undefined;
    };
  }

  async recording(claims: Record<string, unknown> = {}): Promise<Recording> {
    const { graph, proxy, mint, sink } = this.world;
    const call = graph.incomingCall({ answered: true });
    const bot = new Bot(proxy.url, await mint.mintGraphToken(claims), call);
    const uploader = new Bot(proxy.url, await mint.mint(), call);
    expect((await bot.report('recording')).headers['tallylight-gate']).toBe('open');
    const stream = uploader.slowUpload('long');
    stream.send(640);
    await eventually(() => sink.received.some(({ callId, bytes }) => callId === call && bytes > 0));
    return { bot, uploader, stream };
  }

  /** The same bot with a token that Graph has not seen. */
  async renewed({ call }: Bot): Promise<Bot> {
    const { proxy, mint } = this.world;
    return new Bot(proxy.url, await mint.mintGraphToken({ jti: randomUUID() }), call);
  }

  /** The right names, and no signature that Graph would take. */
  forged({ call }: Bot): Bot {
    const claims = base64url({ tid: sandboxTenant, appid: sandboxApp });
    const token = `${base64url({ alg: 'RS256', name: 'x' })}.${claims}.${'x'.repeat(64)}`;
    return new Bot(this.world.proxy.url, token, call);
  }

  /** What Graph itself was asked about the call. */
  asked({ call }: Bot): string[] {
    return this.world.graph.log
      .filter((entry) => entry.call === call)
      .map(({ action, asked: status }) => String(status ?? action));
  }

  async events({ call }: Bot): Promise<string[]> {
    return (await recordsIn(this.world.directory))
      .filter((record) => record.call === parseCallKey(call))
      .map(({ event }) => event);
  }
}
