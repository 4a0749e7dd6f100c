import { isRecord } from './json.ts';

/** Why a connection failed, by the code of the error: as people say it. */
const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused: nothing listens at this address and port',
  ECONNRESET: 'the connection was reset by the other side',
  EPIPE: 'the connection was closed by the other side',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  ETIMEDOUT: 'the host did not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'the host did not accept a connection in time',
  UND_ERR_SOCKET: 'the connection was closed by the other side',
  ENOTFOUND: 'DNS does not know the host name',
  EAI_AGAIN: 'DNS does not answer',
  CERT_HAS_EXPIRED: 'the certificate of the host has expired',
  CERT_NOT_YET_VALID: 'the certificate of the host is not valid yet: compare the clocks',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'the certificate of the host is self-signed: name its authority in NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN:
    'the certificate of the host is from an authority that is not trusted: name it in NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the certificate chain of the host is incomplete, or its authority is not trusted: name it in NODE_EXTRA_CA_CERTS',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'the authority of the certificate of the host is not trusted: name it in NODE_EXTRA_CA_CERTS',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate of the host is for another name',
  EPROTO: 'the host does not speak TLS at this port, or not a version that is accepted',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the host does not speak TLS at this port',
};

const isCode = (value: unknown): value is string =>
  typeof value === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(value);

/** The code of an error, or of what caused it; `fetch` and connections that try several addresses hide it. */
export function codeOf(error: unknown, depth = 4): string | undefined {
  if (!isRecord(error) || depth === 0) return undefined;
  if (isCode(error.code) && error.code in causes) return error.code;
  const inner = [error.cause, ...(Array.isArray(error.errors) ? (error.errors as unknown[]) : [])];
  for (const one of inner) {
    const code = codeOf(one, depth - 1);
    if (code !== undefined) return code;
  }
  return isCode(error.code) ? error.code : undefined;
}

/** A cause with its code, such as `ECONNREFUSED: …`; undefined: it is none that is known. */
export function networkCause(error: unknown): string | undefined {
  const code = codeOf(error);
  const text = code === undefined ? undefined : causes[code];
  return code === undefined || text === undefined ? undefined : `${code}: ${text}`;
}
