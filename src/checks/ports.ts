import { createServer } from 'node:net';
import { isFault, messageOf } from '../core/errors.ts';
import { cannotListen, hostSettingOf } from '../server/cannot-listen.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { doubtful, type Finding, right, wrong } from './finding.ts';

type Place = Pick<ProxySettings, 'host' | 'port' | 'adminPort' | 'console'>;

/** Whether the ports can be listened on: takes each for a moment. */
export async function checkPorts({
  host: given,
  port,
  adminPort,
  console: consoleAt,
}: Place): Promise<readonly Finding[]> {
  const own = await isRunning({ host: given, adminPort });
  const check = async (setting: string, number: number, host = given): Promise<Finding> => {
    const error = await listenBriefly(host, number);
    if (error === undefined)
      return right(setting, number === 0 ? 'any free port' : `port ${number} of ${host} is free`);
    if (error.code === 'EADDRINUSE' && own)
      return right(setting, `port ${number} of ${host} is in use by a running instance of Tallylight`);
    const fault = cannotListen(setting, { host, port: number }, error);
    const said = messageOf(fault).replace(new RegExp(`^${setting}: `), '');
    const [text = said, cure] = said.split('; ', 2);
    const hostSetting = hostSettingOf(setting);
    const at = isFault(fault) && fault.message.startsWith(hostSetting) ? hostSetting : setting;
    return wrong(
      'cannotStart',
      at,
      text.replace(new RegExp(`^${hostSetting}: `), ''),
      capitalised(cure ?? 'Choose another port'),
    );
  };
  const [first, second] = [
    await check('TALLYLIGHT_PORT', port),
    await check('TALLYLIGHT_ADMIN_PORT', adminPort),
  ];
  const third =
    consoleAt === undefined ? [] : [await check('TALLYLIGHT_CONSOLE_PORT', consoleAt.port, consoleAt.host)];
  // A wrong host is one mistake.
  return first.setting === second.setting ? [first, ...third] : [first, second, ...third];
}

const capitalised = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

const listenBriefly = (host: string, port: number): Promise<NodeJS.ErrnoException | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });

/** The address at which an instance that listens on `host` is reached from this machine. */
export const localAddress = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;

/** Whether an instance answers on the admin port. */
export async function isRunning({ host, adminPort }: Pick<Place, 'host' | 'adminPort'>): Promise<boolean> {
  if (adminPort === 0) return false;
  try {
    const signal = AbortSignal.timeout(2000);
    const answer = await fetch(`http://${localAddress(host)}:${adminPort}/livez`, { signal });
    return answer.ok && ((await answer.json()) as { live?: unknown }).live === true;
  } catch {
    return false;
  }
}

/** What is not a proxy for real calls. */
export const sandboxFinding = (): Finding =>
  doubtful(
    'TALLYLIGHT_GRAPH_URL',
    'is not set, so the sandbox would start: a simulated Graph that records no real call',
    'Set it to https://graph.microsoft.com to start the proxy',
  );
