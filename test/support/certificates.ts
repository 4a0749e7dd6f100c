import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificateOptions {
  /** What it is for; default localhost. */
  readonly host?: string;
  /** It was made so many days ago; default today. */
  readonly daysAgo?: number;
  /** For how long it is valid; default two days. */
  readonly days?: number;
  /** Who issues it; default: itself. */
  readonly by?: CertificateFiles;
}

/** As openssl writes times: 20260131235959Z. */
const atDay = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '');

/** Only `openssl ca` lets one choose both dates. */
const authority = (home: string, host: string): string => `
[ca]
default_ca = own
[own]
database = ${home}/index
new_certs_dir = ${home}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = made
unique_subject = no
[any]
commonName = supplied
[made]
basicConstraints = CA:TRUE
subjectAltName = ${/^[\d.]+$/.test(host) ? 'IP' : 'DNS'}:${host}
`;

/** Makes a key and a certificate with openssl, as `name.key` and `name.pem`. */
export async function makeCertificate(
  directory: string,
  name: string,
  { host = 'localhost', daysAgo = 0, days = 2, by }: CertificateOptions = {},
): Promise<CertificateFiles> {
  const files = { certFile: join(directory, `${name}.pem`), keyFile: join(directory, `${name}.key`) };
  const home = await mkdtemp(join(directory, 'authority-'));
  const [config, request] = [join(home, 'config'), join(home, 'request')];
  await Promise.all([writeFile(config, authority(home, host)), writeFile(join(home, 'index'), '')]);
  await run('openssl', [
    ...['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`],
    ...['-keyout', files.keyFile, '-out', request],
  ]);
  await run('openssl', [
    ...['ca', '-batch', '-notext', '-config', config, '-in', request, '-out', files.certFile],
    ...['-startdate', atDay(-daysAgo), '-enddate', atDay(days - daysAgo)],
    ...(by === undefined
      ? ['-selfsign', '-keyfile', files.keyFile]
      : ['-cert', by.certFile, '-keyfile', by.keyFile]),
  ]);
  return files;
}
