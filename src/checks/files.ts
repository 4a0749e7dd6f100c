import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isFault, messageOf } from '../core/errors.ts';
import { policiesOf } from '../policies/load.ts';
import { certificatesIn } from '../server/certificate.ts';
import { usableTls } from '../server/tls.ts';
import { doubtsOfPolicies, doubtsOfTls } from '../server/warn-at-start.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { doubtful, type Finding, ofDoubt, right, wrong } from './finding.ts';

/** The certificate of the listener. */
export function checkTls(settings: ProxySettings): readonly Finding[] {
  const { tls } = settings;
  const setting = 'TALLYLIGHT_TLS_CERT_FILE';
  if (tls === undefined) return [];
  try {
    usableTls(tls);
  } catch (error) {
    return [
      wrong(
        'configuration',
        setting,
        messageOf(error),
        'Name a PEM certificate chain and the private key that belongs to its first certificate',
      ),
    ];
  }
  const found = doubtsOfTls(settings, Date.now()).map(({ fails, setting: at, text, cure }) =>
    fails ? wrong('notReady', at, text, cure) : doubtful(at, text, cure),
  );
  const [leaf] = certificatesIn(readFileSync(tls.certFile, 'utf8'));
  const names = leaf.subjectAltName ?? leaf.subject;
  return [
    right(setting, `fits its private key; it is for ${names.slice(0, 200)}, until ${leaf.validTo}`),
    ...found,
    ...readableByAll('TALLYLIGHT_TLS_KEY_FILE', tls.keyFile),
  ];
}

function readableByAll(setting: string, path: string): readonly Finding[] {
  return (statSync(path).mode & 0o004) === 0
    ? []
    : [
        doubtful(
          setting,
          'names a file that every user of this machine may read',
          'Remove that right: chmod o-r',
        ),
      ];
}

/** Certificates that Graph credentials are proved with. Those that cannot be read have stopped the check before. */
export function checkCredentialCertificates({ graphCredentials }: ProxySettings): readonly Finding[] {
  return graphCredentials.flatMap(({ privateKey }, index) => {
    if (privateKey?.certificatePem === undefined) return [];
    const certificate = new X509Certificate(privateKey.certificatePem);
    const setting = `TALLYLIGHT_GRAPH_CREDENTIAL[${index}].certificateFile`;
    const thumbprint = createHash('sha1').update(certificate.raw).digest('hex').toUpperCase();
    return Date.parse(certificate.validTo) < Date.now()
      ? [
          wrong(
            'notReady',
            setting,
            `holds a certificate that expired on ${certificate.validTo}, so Entra refuses it`,
            'Upload a new certificate to the app registration, and name it and its key here',
          ),
        ]
      : [
          right(
            setting,
            `fits its private key; its thumbprint in Entra must be ${thumbprint}; it is valid until ${certificate.validTo}`,
          ),
        ];
  });
}

/** The policies, with the position of each mistake. */
export function checkPolicies({ policyDir }: Pick<ProxySettings, 'policyDir'>): readonly Finding[] {
  const setting = 'TALLYLIGHT_POLICY_DIR';
  try {
    const policies = policiesOf(policyDir);
    const doubts = doubtsOfPolicies({ policyDir });
    if (doubts.length > 0) return doubts.map(ofDoubt);
    return [right(setting, `policies: ${policies.map(({ name }) => name).join(', ')}`)];
  } catch (error) {
    const lines = isFault(error) ? error.lines : [messageOf(error)];
    return lines.map((line) =>
      wrong(
        'configuration',
        setting,
        line,
        'Correct the file at that position; docs/reference/policies.md lists every field',
      ),
    );
  }
}
