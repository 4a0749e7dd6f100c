import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IncomingCall } from '../../../src/sandbox/graph/control.ts';
import { callbackPath } from '../../../src/sandbox/peers.ts';
import { sandboxApp, sandboxSecret, sandboxTenant, type TokenMint } from '../../../src/sandbox/token-mint.ts';
import type { ProxySettings } from '../../../src/settings/settings.ts';
import { startWorld, type World } from '../../support/world.ts';
import { makeCertificate, type Certificate } from './certificate.ts';
import { startProgram, type Program } from './program.ts';
import { startTlsFront, type TlsFront } from './tls-front.ts';
import { freePort } from '../../support/free-port.ts';

export type ControlAuth = ProxySettings['controlAuth'];

/** A bot on one of Microsoft's SDKs, and a proxy behind TLS with everything else it stands between. */
export interface TestBed {
  readonly bot: Program;
  readonly world: World;
  readonly front: TlsFront;
  readonly certificate: Certificate;
  /** What the bot's client is built with. */
  readonly client: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The bot's calling webhook, at the proxy. */
const webhookPath = '/callbacks/calls';

/** What a bot's client is built with, for a proxy at this URL. */
export const clientOf = (
  mint: TokenMint,
  controlAuth: ControlAuth,
  proxy: string,
): Readonly<Record<string, string>> => ({
  app: sandboxApp,
  secret: sandboxSecret,
  tenant: sandboxTenant,
  mint: mint.url,
  scope: `${controlAuth === 'jwt' ? mint.audience : mint.graphAudience}/.default`,
  mediaScope: `${mint.audience}/.default`,
  issuer: mint.notifications.issuer,
  jwksUri: mint.notifications.jwksUri,
  serviceBaseUrl: `${proxy}/v1.0`,
  notificationUrl: proxy + webhookPath,
});

interface TestBedOptions {
  /** A project of this folder; default: the bot on the stateful SDK. */
  readonly program?: string;
  /** Of the bot's process. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startTestBed(
  controlAuth: ControlAuth,
  { program = 'communications-bot', env = {} }: TestBedOptions = {},
): Promise<TestBed> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-dotnet-'));
  const certificate = makeCertificate(directory);
  const bot = await startProgram(program, { SSL_CERT_FILE: certificate.certFile, ...env });
  const { url } = (await bot.told('listening')).facts;
  const front = await startTlsFront(certificate);
  const port = await freePort();
  const world = await startWorld({
    settings: {
      port,
      controlAuth,
      publicUrl: front.url,
      ...(typeof url === 'string' ? { callbacks: [{ path: callbackPath, upstream: url }] } : {}),
    },
  });
  front.target = `http://127.0.0.1:${port}`;
  world.graph.connect({ webhook: front.url + webhookPath, ca: certificate.cert });
  return {
    bot,
    world,
    front,
    certificate,
    client: clientOf(world.mint, controlAuth, front.url),
    async close() {
      await bot.close();
      await world.close();
      await front.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** A call that the bot has answered, and knows to be established. */
export async function answeredCall(
  { bot, world }: { readonly bot: Program; readonly world: Pick<World, 'graph'> },
  facts: IncomingCall = {},
): Promise<string> {
  const call = world.graph.incomingCall(facts);
  await bot.told('incoming', { call, state: 'Incoming' });
  await bot.ask('answer', { call, blob: '<media session>' });
  await bot.told('updated', { call, state: 'Established' });
  return call;
}
