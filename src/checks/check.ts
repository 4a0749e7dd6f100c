import { doubtsOf } from '../settings/doubts.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { sharedCredentials } from '../settings/warnings.ts';
import { outboundFetch } from '../upstream/pool.ts';
import { checkUse, readSettings } from './configuration.ts';
import { checkEvidence } from './evidence.ts';
import { checkCredentialCertificates, checkPolicies, checkTls } from './files.ts';
import { doubtful, type Finding, ofDoubt, right } from './finding.ts';
import { checkCredentials, checkKeys } from './identity.ts';
import { checkGraph, checkNames, checkUpstreams } from './peers.ts';
import { checkPorts, sandboxFinding } from './ports.ts';
import { checkRedis } from './redis.ts';

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

const shared = (settings: ProxySettings): readonly Finding[] =>
  sharedCredentials(settings).map(({ setting }) =>
    doubtful(
      setting,
      'is shared by several applications without "apps": Graph cannot distinguish them, so each can act on calls of the others until the call is bound',
      'Set "apps" to the application that the credential is for',
    ),
  );
