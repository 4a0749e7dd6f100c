import { X509Certificate } from 'node:crypto';
import { readFileSync, watch } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import { basename, dirname } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Fault, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import type { Meter } from '../core/ports/meter.ts';
import type { ProxySettings, TlsPaths } from '../settings/settings.ts';

export const readTls = ({ certFile, keyFile }: TlsPaths): { cert: string; key: string } => ({
  cert: readFileSync(certFile, 'utf8'),
  key: readFileSync(keyFile, 'utf8'),
});

/** The same, if they are a certificate and its key; throws `ConfigurationInvalid`, which shows nothing of them. */
export function usableTls(paths: TlsPaths): { cert: string; key: string } {
  try {
    const files = readTls(paths);
    createSecureContext(files);
    return files;
  } catch (error) {
    throw new Fault(
      'ConfigurationInvalid',
      `TALLYLIGHT_TLS_CERT_FILE and TALLYLIGHT_TLS_KEY_FILE are not a matching certificate and private key: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** When a certificate expires, ms since the epoch; of a chain, that of its first, the server's own. */
const expiryOf = (pem: string): number => Date.parse(new X509Certificate(pem).validTo);

/** Reports to the metrics when the configured certificates expire. */
export function reportCertificates(
  settings: Pick<ProxySettings, 'tls' | 'controlAuth' | 'graphCredentials'>,
  meter: Pick<Meter, 'certificate' | 'loaded'>,
): void {
  const { tls } = settings;
  if (tls !== undefined) {
    meter.certificate('server', expiryOf(readTls(tls).cert));
    meter.loaded('certificate');
  }
  reportClientCertificates(settings, meter);
}

/** The same of the Graph credentials alone. */
export function reportClientCertificates(
  { controlAuth, graphCredentials }: Pick<ProxySettings, 'controlAuth' | 'graphCredentials'>,
  meter: Pick<Meter, 'certificate'>,
): void {
  const ofClients = graphCredentials.flatMap(({ privateKey }) => privateKey?.certificatePem ?? []);
  const isUsed = controlAuth === 'jwt' && ofClients.length > 0;
  meter.certificate('graphCredential', isUsed ? Math.min(...ofClients.map(expiryOf)) : undefined);
}

/** A renewal writes two files; both must be there before they are taken. */
const settleMs = 200;

/**
 * Takes a renewed certificate without a restart. The folders are watched, since renewals replace files and links;
 * a pair that does not fit is not taken, and the old one stays. Returns the way to stop.
 */
export function watchTls(
  server: http.Server,
  paths: TlsPaths,
  { log, meter }: { readonly log: Log; readonly meter: Pick<Meter, 'certificate' | 'certificateReload'> },
): () => void {
  if (!(server instanceof https.Server)) return () => undefined;
  let timer: NodeJS.Timeout | undefined;
  let current = JSON.stringify(readTls(paths));
  const reload = (): void => {
    try {
      const files = readTls(paths);
      if (JSON.stringify(files) === current) return;
      createSecureContext(files);
      server.setSecureContext(files);
      current = JSON.stringify(files);
      meter.certificate('server', expiryOf(files.cert));
      meter.certificateReload(true);
      log.info({ certFile: paths.certFile }, 'the TLS certificate was reloaded');
    } catch (error) {
      meter.certificateReload(false);
      log.error(
        { certFile: paths.certFile, error: messageOf(error) },
        'the TLS files could not be reloaded; the previous certificate stays in use',
      );
    }
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(reload, settleMs);
  };
  const watchers = [...new Set([dirname(paths.certFile), dirname(paths.keyFile)])].map((folder) =>
    // Kubernetes swaps a link called ..data; other names in the folder are not ours.
    watch(folder, (_event, name) => {
      if (
        name === null ||
        name === '..data' ||
        [paths.certFile, paths.keyFile].some((file) => basename(file) === name)
      )
        later();
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
