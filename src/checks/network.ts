/** Why a server could not be asked, and what to do. */
export interface NetworkTrouble {
  readonly why: string;
  readonly cure: string;
}

const causes: readonly (readonly [pattern: RegExp, why: string, cure: string])[] = [
  [/ENOTFOUND|EAI_AGAIN/, 'its host cannot be resolved', 'Correct the host name, or the DNS of this machine'],
  [/ECONNREFUSED/, 'nobody listens there', 'Correct host and port, or start the server'],
  [
    /ETIMEDOUT|CONNECT_TIMEOUT|aborted due to timeout|EHOSTUNREACH|ENETUNREACH/,
    'it does not answer',
    'Let this machine reach it: a firewall or a proxy may be in the way',
  ],
  [/CERT_HAS_EXPIRED/, 'its certificate has expired', 'Have it renewed, and check the clock of this machine'],
  [
    /ALTNAME|HOSTNAME_MISMATCH/,
    'its certificate is for another name',
    'Correct the host name, or the certificate of the server',
  ],
  [
    /SELF_SIGNED|UNABLE_TO_|ISSUER|CERT_|certificate/i,
    'its certificate is of an authority that this process does not trust',
    'Name the certificate of that authority in NODE_EXTRA_CA_CERTS, or have the server send its whole chain',
  ],
  [
    /ERR_SSL|EPROTO|wrong version|before secure TLS/i,
    'it does not speak TLS as expected',
    'Check the scheme (http or https) and the port',
  ],
  [
    /ECONNRESET|UND_ERR_SOCKET|other side closed/,
    'it closes the connection',
    'Check the scheme and the port',
  ],
];

/** Reads the message of a failed request. */
export function networkTrouble(message: string): NetworkTrouble {
  const [, why, cure] = causes.find(([pattern]) => pattern.test(message)) ?? [
    undefined,
    'it cannot be used',
    'Check the address, and what answers there',
  ];
  return { why: `${why} (${message.replace(/^fetch failed: /, '')})`, cure };
}

/** Everything that an error and its causes tell. */
export function causesOf(error: unknown): string {
  const told: string[] = [];
  for (let at: unknown = error; at instanceof Error && told.length < 4; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    told.push([at.message, code].filter((part) => part !== undefined && part !== '').join(' '));
  }
  return told.filter((text) => text !== 'fetch failed').join(': ') || String(error);
}
