import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate of its own for `localhost`, for one run. It is valid from yesterday on, for clocks that are behind. */
export function makeCertificate(directory: string, name = 'localhost'): Certificate {
  const [certFile, keyFile] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  execFileSync(
    'faketime',
    [
      ...['-f', '-1d', 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', keyFile, '-out', certFile],
    ],
    { stdio: 'pipe' },
  );
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}
