import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Log } from '../core/ports/log.ts';
import { policyFilesIn } from '../policies/load.ts';
import type { Doubt } from '../settings/doubts.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { warnAbout, warnOf } from '../settings/warnings.ts';
import { type CertificateDoubt, certificateDoubts } from './certificate.ts';

/** What is doubtful about the certificate that the settings name; nothing of one that cannot be read, which stops the start. */
export function doubtsOfTls(
  { tls, publicUrl, callbackUrl, trustedProxies }: ProxySettings,
  now: number,
): readonly CertificateDoubt[] {
  if (tls === undefined) return [];
  const origins = [publicUrl, callbackUrl].filter((origin) => origin !== undefined);
  return certificateDoubts(readFileSync(tls.certFile, 'utf8'), {
    origins,
    behindProxy: trustedProxies.length > 0,
    now,
  });
}

/** A directory without policies is probably not the one that was meant. */
export function doubtsOfPolicies({ policyDir }: Pick<ProxySettings, 'policyDir'>): readonly Doubt[] {
  if (policyDir === undefined || policyFilesIn(policyDir).length > 0) return [];
  return [
    {
      setting: 'TALLYLIGHT_POLICY_DIR',
      text: `names ${resolve(policyDir)}, which holds no policy (*.yaml, *.yml or *.json), so the strictest rules apply to everybody`,
      cure: 'Name the directory with the policies, or unset it',
    },
  ];
}

/** Says once, at the start, what `tallylight check` would object to and does not keep the proxy from starting. */
export function warnAtStart(settings: ProxySettings, log: Log): void {
  warnAbout(settings, log);
  let found: readonly Doubt[] = [];
  try {
    found = [...doubtsOfTls(settings, Date.now()), ...doubtsOfPolicies(settings)];
  } catch {
    // What cannot be read stops the start.
  }
  warnOf(found, log);
}
