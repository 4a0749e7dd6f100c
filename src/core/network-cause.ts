import { isRecord } from './json.ts';

/** Why a server could not be asked, as people say it, and what to do. */
export interface NetworkCause {
  /** Of the error, such as `ECONNREFUSED`. */
  readonly code: string;
  readonly why: string;
  readonly cure: string;
}

type Row = readonly [why: string, cure: string];

const otherSpeech =
  'Compare the scheme of the URL (with or without TLS) and the port with what the server speaks, and see its log';
const notReached =
  'Open the network from this machine to the server: a firewall or a proxy may be in the way';
const noTls: Row = [
  'the host does not speak TLS at this port, or not a version that is accepted',
  otherSpeech,
];
const untrusted =
  'Name the certificate of that authority in NODE_EXTRA_CA_CERTS, or have the server send its whole chain';

/** By the code of the error. The only place that says what such a code means: logs, findings and messages show it. */
export const networkCauses: Readonly<Record<string, Row>> = {
  ECONNREFUSED: [
    'the connection was refused: nothing listens at this address and port',
    'Correct host and port, or start the server',
  ],
  ECONNRESET: ['the connection was reset by the other side', otherSpeech],
  EPIPE: ['the connection was closed by the other side', otherSpeech],
  UND_ERR_SOCKET: ['the connection was closed by the other side', otherSpeech],
  EHOSTUNREACH: ['there is no route to the host', notReached],
  ENETUNREACH: ['there is no route to the network', notReached],
  ETIMEDOUT: ['the host did not answer in time', notReached],
  UND_ERR_CONNECT_TIMEOUT: ['the host did not accept a connection in time', notReached],
  ENOTFOUND: ['DNS does not know the host name', 'Correct the host name, or its DNS record'],
  EAI_AGAIN: ['DNS does not answer', 'Correct the host name, or the DNS of this machine'],
  HPE_INVALID_CONSTANT: ['what the host answers is not HTTP', otherSpeech],
  CERT_HAS_EXPIRED: [
    'the certificate of the host has expired',
    'Have it renewed, and check the clock of this machine',
  ],
  CERT_NOT_YET_VALID: [
    'the certificate of the host is not valid yet',
    'Check the clock of this machine, or have the host use the certificate that is valid now',
  ],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['the certificate of the host is self-signed', untrusted],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'the certificate of the host is from an authority that is not trusted',
    untrusted,
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'the certificate chain of the host is incomplete, or its authority is not trusted',
    untrusted,
  ],
  UNABLE_TO_GET_ISSUER_CERT: ['the authority of the certificate of the host is not trusted', untrusted],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'the authority of the certificate of the host is not trusted',
    untrusted,
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'the certificate of the host is for another name',
    'Correct the host name, or use a certificate that names the host',
  ],
  EPROTO: noTls,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
};

const isCode = (value: unknown): value is string =>
  typeof value === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(value);

/** `fetch`, connections that try several addresses and clients of a cluster hide it. */
const insideOf = (error: Record<string, unknown>): readonly unknown[] => [
  error.cause,
  error.lastNodeError,
  ...(Array.isArray(error.errors) ? (error.errors as unknown[]) : []),
];

/** The outermost first. */
function* codesIn(error: unknown, depth = 4): Iterable<string> {
  if (!isRecord(error) || depth === 0) return;
  if (isCode(error.code)) yield error.code;
  if (error.name === 'TimeoutError') yield 'ETIMEDOUT';
  for (const one of insideOf(error)) yield* codesIn(one, depth - 1);
}

/** The code of an error, or of what caused it: one that is explained here, if there is any. */
export function codeOf(error: unknown): string | undefined {
  const codes = [...codesIn(error)];
  return codes.find((code) => Object.hasOwn(networkCauses, code)) ?? codes.at(-1);
}

const causeOfCode = (code: string | undefined): NetworkCause | undefined => {
  if (code === undefined || !Object.hasOwn(networkCauses, code)) return undefined;
  const [why, cure] = networkCauses[code] as Row;
  return { code, why, cure };
};

/** undefined: it is none that is known. */
export const networkCauseOf = (error: unknown): NetworkCause | undefined => causeOfCode(codeOf(error));

/** The cause that a text names by its code, as messages and answers of adapters do. */
export const networkCauseIn = (text: string): NetworkCause | undefined =>
  (text.match(/\b[A-Z][A-Z0-9_]{2,60}\b/g) ?? []).map(causeOfCode).find((cause) => cause !== undefined);

/** For logs and messages: `ECONNREFUSED: why. What to do`; undefined: it is none that is known. */
export function networkCause(error: unknown): string | undefined {
  const cause = networkCauseOf(error);
  return cause === undefined ? undefined : `${cause.code}: ${cause.why}. ${cause.cure}`;
}
