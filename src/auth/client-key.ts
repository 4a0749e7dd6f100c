import { createHash, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { importPKCS8 } from 'jose';
import { modifyAssertion, PrivateKeyJwt, type ClientAuth } from 'oauth4webapi';
import { Fault } from '../core/errors.ts';

/** A private key that proves who we are to a token endpoint (RFC 7523). */
export interface ClientKeyConfig {
  /** PKCS #8. */
  readonly pem: string;
  /** Default PS256. */
  readonly algorithm?: 'RS256' | 'PS256' | 'ES256';
  readonly keyId?: string;
  /** The certificate registered with Entra, which finds it by its thumbprints. */
  readonly certificatePem?: string;
}

/** Checks the key and its certificate at once; throws `ConfigurationInvalid`, which never shows the key. */
export function clientKey(config: ClientKeyConfig): () => Promise<ClientAuth> {
  const { algorithm = 'PS256', keyId } = config;
  const key = readKey(config.pem);
  if (!fits(key, algorithm))
    throw new Fault(
      'ConfigurationInvalid',
      `the private key of a Graph credential cannot be used with ${algorithm}`,
    );
  const thumbprints = config.certificatePem === undefined ? {} : thumbprintsOf(config.certificatePem, key);
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return async () =>
    PrivateKeyJwt(
      { key: await importPKCS8(pem, algorithm), ...(keyId === undefined ? {} : { kid: keyId }) },
      { [modifyAssertion]: (header) => void Object.assign(header, { typ: 'JWT' }, thumbprints) },
    );
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The reason may quote the key.
    throw new Fault('ConfigurationInvalid', 'the private key of a Graph credential cannot be read');
  }
}

function fits(key: KeyObject, algorithm: 'RS256' | 'PS256' | 'ES256'): boolean {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  return algorithm === 'ES256'
    ? key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1'
    : key.asymmetricKeyType === 'rsa' && modulusLength >= 2048;
}

function thumbprintsOf(pem: string, key: KeyObject): { x5t: string; 'x5t#S256': string } {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw new Fault('ConfigurationInvalid', 'the certificate of a Graph credential cannot be read');
  }
  if (!certificate.checkPrivateKey(key))
    throw new Fault(
      'ConfigurationInvalid',
      'the certificate of a Graph credential does not belong to its private key',
    );
  const thumbprint = (hash: string): string => createHash(hash).update(certificate.raw).digest('base64url');
  return { x5t: thumbprint('sha1'), 'x5t#S256': thumbprint('sha256') };
}
