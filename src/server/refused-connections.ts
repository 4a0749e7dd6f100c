import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import { limitedLines } from '../http/limited-lines.ts';

/** Why a connection was refused, and with which setting that has to do. */
interface Cause {
  readonly cause: string;
  readonly setting?: string;
}

const tls = 'TALLYLIGHT_TLS_CERT_FILE';

/** By the codes of Node's HTTP parser and of OpenSSL. */
const causes: Readonly<Partial<Record<string, Cause>>> = {
  TooManyConnections: {
    cause: 'as many connections are open as are allowed',
    setting: 'TALLYLIGHT_MAX_CONNECTIONS',
  },
  HPE_HEADER_OVERFLOW: {
    cause: 'the head of the request is larger than allowed',
    setting: 'TALLYLIGHT_MAX_HEADER_BYTES',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    cause: 'the head of the request was not complete in time',
    setting: 'TALLYLIGHT_HEADERS_TIMEOUT_MS',
  },
  ERR_SSL_HTTP_REQUEST: { cause: 'the client speaks plain HTTP, and this port expects TLS', setting: tls },
  ERR_SSL_NO_SHARED_CIPHER: { cause: 'client and server support no common TLS cipher', setting: tls },
  ERR_SSL_UNSUPPORTED_PROTOCOL: {
    cause: 'the client supports no TLS version that is accepted',
    setting: tls,
  },
  ERR_TLS_HANDSHAKE_TIMEOUT: { cause: 'the TLS handshake was not complete in time' },
};

/** The client went away, before its request was whole: nobody was refused. */
const departures = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'HPE_INVALID_EOF_STATE']);

/** What a client sends first that speaks TLS (RFC 8446, section 5.1): a record of a handshake. */
const isTlsRecord = (bytes: unknown): boolean =>
  Buffer.isBuffer(bytes) && bytes.length > 2 && bytes[0] === 0x16 && bytes[1] === 0x03;

/** As Node reports it. */
export interface ConnectionError {
  readonly code?: string;
  /** What could not be parsed. */
  readonly rawPacket?: unknown;
}

function causeOf({ code = 'unknown', rawPacket }: ConnectionError): Cause {
  const known = causes[code];
  if (known !== undefined) return known;
  if (isTlsRecord(rawPacket))
    return { cause: 'the client speaks TLS, and this port expects plain HTTP', setting: tls };
  if (code.startsWith('HPE_')) return { cause: `the request is not valid HTTP/1.1 (${code})` };
  // What the client says of the certificate is in the code, such as ERR_SSL_TLSV1_ALERT_UNKNOWN_CA.
  if (/^(?:ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code))
    return { cause: `the TLS handshake failed (${code})`, setting: tls };
  return { cause: `the request could not be read (${code})` };
}

/** The log lines of connections that are refused before there is a request. */
export interface RefusedConnections {
  readonly refused: (socket: Duplex, error: ConnectionError) => void;
  /** Tells how many were left out so far. */
  readonly close: () => void;
}

export function refusedConnections({
  log,
  clock,
}: {
  readonly log: Log;
  readonly clock: Clock;
}): RefusedConnections {
  const lines = limitedLines<string>(clock, (facts) =>
    log.info(facts, 'further connections were refused for the same reason'),
  );
  return {
    refused(socket, error) {
      if (departures.has(error.code ?? '')) return;
      const cause = causeOf(error);
      const client = socket instanceof Socket ? (socket.remoteAddress ?? 'unknown') : 'unknown';
      if (lines.admit(cause.cause, { ...cause }, client))
        log.info({ ...cause, client }, 'a connection was refused before there was a request');
    },
    close: () => lines.close(),
  };
}
