import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

interface CertificateOptions {
  /** What it is for; default localhost. */
  readonly host?: string;
  /** It was made so many days ago, for two days. */
  readonly daysAgo?: number;
  /** Who issues it; default: itself. */
  readonly by?: CertificateFiles;
}

/** Makes a key and a certificate with openssl, as `name.key` and `name.pem`. */
export async function makeCertificate(
  directory: string,
  name: string,
  { host = 'localhost', daysAgo = 0, by }: CertificateOptions = {},
): Promise<CertificateFiles> {
  const files = { certFile: join(directory, `${name}.pem`), keyFile: join(directory, `${name}.key`) };
  await run('faketime', [
    ...['-f', `-${daysAgo}d`, 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${host}`],
    ...(by === undefined ? [] : ['-CA', by.certFile, '-CAkey', by.keyFile]),
    ...['-keyout', files.keyFile, '-out', files.certFile],
  ]);
  return files;
}
