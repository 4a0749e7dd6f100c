import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { messageOf } from '../core/errors.ts';
import type { Doubt } from '../settings/doubts.ts';

/** A certificate that is not right: `fails` where no client that checks it connects. */
export interface CertificateDoubt extends Doubt {
  readonly fails: boolean;
}

const setting = 'TALLYLIGHT_TLS_CERT_FILE';
const dayMs = 86_400_000;
/** Renewals of 90-day certificates begin 30 days before the end; one that is later than this has failed. */
const renewedBeforeMs = 14 * dayMs;

const pem = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates of a file, the server's own first; throws if it has none. */
export const certificatesIn = (text: string): readonly [X509Certificate, ...X509Certificate[]] => {
  const [first, ...more] = (text.match(pem) ?? []).map((each) => new X509Certificate(each));
  if (first === undefined) throw new Error('it holds no certificate');
  return [first, ...more];
};

interface Expectations {
  /** Origins under which the listener is reached. */
  readonly origins: readonly string[];
  /** A proxy in front may know the listener by another name. */
  readonly behindProxy: boolean;
  readonly now: number;
}

/** What clients would object to in a certificate file; it may be meant where only an edge connects. */
export function certificateDoubts(text: string, expected: Expectations): readonly CertificateDoubt[] {
  try {
    const chain = certificatesIn(text);
    return [...times(chain[0], expected.now), ...names(chain[0], expected), ...chainDoubts(chain)];
  } catch (error) {
    return [
      {
        setting,
        fails: true,
        text: `cannot be read: ${messageOf(error)}`,
        cure: 'Name a PEM file with the certificate chain',
      },
    ];
  }
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Whether it ends soon, for one of its length. */
export function isDueForRenewal(
  { validFrom, validTo }: Pick<X509Certificate, 'validFrom' | 'validTo'>,
  now: number,
): boolean {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return to - now < renewedBeforeMs && to - from > 2 * renewedBeforeMs;
}

function* times({ validFrom, validTo }: X509Certificate, now: number): Iterable<CertificateDoubt> {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  const cure = 'Renew the certificate; the listener takes the new files without a restart';
  if (now > to) yield { setting, fails: true, text: `holds a certificate that expired on ${day(to)}`, cure };
  else if (now < from)
    yield {
      setting,
      fails: true,
      text: `holds a certificate that is valid from ${day(from)} on only`,
      cure: 'Check the clock of this machine, or use the certificate that is valid now',
    };
  else if (isDueForRenewal({ validFrom, validTo }, now))
    yield { setting, fails: false, text: `holds a certificate that expires on ${day(to)}`, cure };
}

export const coversHost = (certificate: X509Certificate, host: string): boolean =>
  (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined;

function* names(
  certificate: X509Certificate,
  { origins, behindProxy }: Expectations,
): Iterable<CertificateDoubt> {
  for (const origin of new Set(origins)) {
    const host = new URL(origin).hostname.replace(/^\[|\]$/g, '');
    if (!coversHost(certificate, host))
      yield {
        setting,
        fails: !behindProxy,
        text: `holds a certificate that is not for ${host}, the host of ${origin}`,
        cure: `Use a certificate for ${host}, or correct the URL`,
      };
  }
}

function* chainDoubts(chain: readonly [X509Certificate, ...X509Certificate[]]): Iterable<CertificateDoubt> {
  for (const [index, each] of chain.entries()) {
    const next = chain[index + 1];
    if (next !== undefined && !each.checkIssued(next)) {
      yield {
        setting,
        fails: false,
        text: `holds certificates in the wrong order: number ${index + 1} was not issued by number ${index + 2}`,
        cure: 'Write the certificate of the server first, then each issuer after what it has issued',
      };
      return;
    }
  }
  const last = chain.at(-1) ?? chain[0];
  if (isSelfSigned(last) || isKnownRoot(last)) {
    if (chain.length === 1 && isSelfSigned(last))
      yield {
        setting,
        fails: false,
        text: 'holds a self-signed certificate, which Graph does not accept for notifications, and bots only if they are told to',
        cure: 'Use a certificate of a certification authority that bots and Graph trust',
      };
    return;
  }
  yield {
    setting,
    fails: false,
    text: 'lacks the certificate of the authority that issued the last one, and that authority is not a public root: clients may not be able to verify it',
    cure: 'Append the intermediate certificates to the file (fullchain.pem)',
  };
}

const isSelfSigned = (certificate: X509Certificate): boolean =>
  certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);

/** Whether a public root has issued it. */
const isKnownRoot = (certificate: X509Certificate): boolean =>
  rootCertificates.some((text) => {
    const root = new X509Certificate(text);
    return certificate.checkIssued(root) && certificate.verify(root.publicKey);
  });
