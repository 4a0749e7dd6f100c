import { isFault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import { checkAdapters } from '../server/adapters.ts';
import { doubtsOf } from '../settings/doubts.ts';
import { loadSettings, type ProxySettings, type Settings } from '../settings/settings.ts';
import { sharedCredentials } from '../settings/warnings.ts';
import { outboundFetch } from '../upstream/pool.ts';
import { checkCredentialCertificates, checkEvidence, checkPolicies, checkTls } from './files.ts';
import { doubtful, type Finding, ofDoubt, right, wrong } from './finding.ts';
import { checkCredentials, checkKeys } from './identity.ts';
import { checkGraph, checkNames, checkUpstreams } from './peers.ts';
import { checkPorts, sandboxFinding } from './ports.ts';
import { checkRedis } from './redis.ts';

/** The settings, or what is wrong with them. */
export function readSettings(
  env: NodeJS.ProcessEnv,
): { readonly settings: Settings } | { readonly findings: readonly Finding[] } {
  try {
    return { settings: loadSettings(env) };
  } catch (error) {
    if (!isFault(error, 'ConfigurationInvalid')) throw error;
    return { findings: error.lines.map(ofLine) };
  }
}

/** A line begins with the setting, or with the place in a file. */
function ofLine(line: string): Finding {
  const setting =
    /\bTALLYLIGHT_\w+(?:\[\d+\]|\.\w+)*/.exec(line)?.[0] ?? /^\S+/.exec(line)?.[0] ?? 'settings';
  const text = line.startsWith(`${setting} `) ? line.slice(setting.length + 1) : line;
  return wrong(
    'configuration',
    setting,
    text,
    'Correct it; tallylight help settings describes every setting',
  );
}

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Everything that can be told of a configuration without starting with it. */
export async function checkConfiguration(env: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const read = readSettings(env);
  if ('findings' in read) return read.findings;
  const { settings } = read;
  if (settings.mode === 'sandbox') return [sandboxFinding(), ...(await checkPorts(settings))];
  const unusable = await checkUse(settings);
  const outbound = outboundFetch();
  try {
    const asked = await Promise.all([
      checkPorts(settings),
      checkEvidence(settings),
      checkRedis(settings, outbound.fetch),
      ...(unusable.length > 0
        ? []
        : [checkKeys(settings, outbound.fetch), checkCredentials(settings, outbound.fetch)]),
      checkGraph(settings, outbound.fetch),
      checkUpstreams(settings),
      checkNames(settings),
    ]);
    return [
      right('settings', 'every setting is valid'),
      ...doubtsOf(settings).map(ofDoubt),
      ...shared(settings),
      ...unusable,
      ...checkTls(settings),
      ...(unusable.length === 0 ? checkCredentialCertificates(settings) : []),
      ...checkPolicies(settings),
      ...asked.flat(),
    ];
  } finally {
    await outbound.close();
  }
}

/** Keys and issuers that no adapter takes. */
async function checkUse(settings: ProxySettings): Promise<readonly Finding[]> {
  try {
    await checkAdapters(settings, silent);
    return [];
  } catch (error) {
    if (!isFault(error, 'ConfigurationInvalid')) throw error;
    const [setting = 'settings', ...rest] = messageOf(error).split(': ');
    return [
      wrong(
        'configuration',
        setting,
        rest.join(': '),
        'Name the private key (PKCS #8, PEM) of the bot and the certificate that belongs to it',
      ),
    ];
  }
}

const shared = (settings: ProxySettings): readonly Finding[] =>
  sharedCredentials(settings).map(({ setting }) =>
    doubtful(
      setting,
      'is shared by several applications without "apps": Graph cannot distinguish them, so each can act on calls of the others until the call is bound',
      'Set "apps" to the application that the credential is for',
    ),
  );
