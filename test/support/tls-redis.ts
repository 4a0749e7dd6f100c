import { makeCertificate } from './certificates.ts';
import { freePort } from './free-port.ts';
import { startRedis, type TestRedis } from './redis.ts';

export interface TlsRedis extends TestRedis {
  /** With TLS; `url` is without. */
  readonly tlsUrl: string;
  readonly tlsPort: number;
  /** The certificate of the server, which is its own authority. */
  readonly certFile: string;
}

/** A Redis that speaks TLS on a port of its own, with a certificate in `directory`. */
export async function startTlsRedis(directory: string): Promise<TlsRedis> {
  const { certFile, keyFile } = await makeCertificate(directory, 'redis');
  const tlsPort = await freePort();
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
  const settings = ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files];
  const redis = await startRedis({ appendOnly: true, settings });
  return { ...redis, tlsPort, tlsUrl: `rediss://localhost:${tlsPort}`, certFile };
}
