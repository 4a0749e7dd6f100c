import { lookup } from 'node:dns/promises';
import { BlockList, connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { isDueForRenewal } from '../../server/certificate.ts';
import { isLoopback } from '../../settings/shapes.ts';
import { doubtful, type Finding, right, wrong } from '../finding.ts';
import { networkTrouble } from '../network.ts';
import { patienceMs } from './ask.ts';
import type { Place } from './places.ts';

export interface OriginFindings {
  readonly findings: readonly Finding[];
  /** Whether requests can be sent there. */
  readonly usable: boolean;
}

const unusable = (...findings: readonly Finding[]): OriginFindings => ({ findings, usable: false });

interface Expectations {
  /** Graph sends notifications there, and is not on this machine. */
  readonly forGraph: boolean;
}

/** DNS, connection and certificate of an origin, as a client sees them. Nothing is sent. */
export async function checkOrigin(
  { setting, url }: Place,
  { forGraph }: Expectations,
): Promise<OriginFindings> {
  const { hostname, protocol, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  let addresses: readonly string[];
  try {
    addresses = (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    const { why, cure } = networkTrouble(error);
    return unusable(wrong('notReady', setting, `${host} cannot be resolved: ${why}`, cure));
  }
  const inside = forGraph ? hidden(setting, host, addresses) : [];
  const secure = protocol === 'https:';
  const at = { host, port: Number(port || (secure ? 443 : 80)) };
  let found: OriginFindings;
  try {
    found = secure ? await withTls(setting, url, at) : await withoutTls(setting, url, at, forGraph);
  } catch (error) {
    const { why, cure } = networkTrouble(error);
    const where = `${at.port} of ${host} (${addresses.join(', ')})`;
    found = unusable(wrong('notReady', setting, `no connection to port ${where}: ${why}`, cure));
  }
  return { ...found, findings: [...inside, ...found.findings] };
}

interface Target {
  readonly host: string;
  readonly port: number;
}

const dayMs = 86_400_000;

async function withTls(setting: string, url: string, at: Target): Promise<OriginFindings> {
  const servername = isIP(at.host) === 0 ? { servername: at.host } : {};
  // Looked at even if it is not accepted, so that the finding can say whose it is.
  const socket = connectTls({ ...at, ...servername, rejectUnauthorized: false });
  return during(socket, 'secureConnect', () => judge(setting, url, socket));
}

function judge(setting: string, url: string, socket: TLSSocket): OriginFindings {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined)
    return unusable(
      wrong('notReady', setting, `${url} presents no certificate`, 'Configure one where TLS is terminated'),
    );
  const names = (certificate.subjectAltName ?? certificate.subject).slice(0, 200);
  const until = `until ${new Date(certificate.validTo).toISOString().slice(0, 10)}`;
  const where = `${url} (${socket.remoteAddress ?? 'address unknown'})`;
  if (!socket.authorized) {
    // Node gives the code; its types say that this is an error.
    const code = String(socket.authorizationError);
    const { why, cure } = networkTrouble(Object.assign(new Error(code), { code }));
    return unusable(
      wrong(
        'notReady',
        setting,
        `the certificate of ${where}, for ${names}, ${until}, is not accepted: ${why}`,
        cure,
      ),
    );
  }
  const days = Math.floor((Date.parse(certificate.validTo) - Date.now()) / dayMs);
  const text = `${where} has a certificate that is accepted, for ${names}, ${until} (${days} days)`;
  return {
    usable: true,
    findings: [
      isDueForRenewal(certificate, Date.now())
        ? doubtful(setting, text, 'Renew the certificate where TLS is terminated')
        : right(setting, text),
    ],
  };
}

async function withoutTls(
  setting: string,
  url: string,
  at: Target,
  forGraph: boolean,
): Promise<OriginFindings> {
  const socket = connectPlain(at);
  const where = await during(socket, 'connect', () => `${url} (${socket.remoteAddress ?? ''})`);
  const cure =
    'Terminate TLS in front of the proxy or in it (docs/operate/tls.md), and write the https origin';
  if (isLoopback(new URL(url).hostname))
    return { usable: true, findings: [right(setting, `${where} accepts connections on this machine`)] };
  const text = `${where} accepts connections without TLS`;
  return {
    usable: true,
    findings: [
      forGraph
        ? wrong('notReady', setting, `${text}, but Graph sends notifications to https only`, cure)
        : doubtful(setting, `${text}, so bots send their tokens unencrypted`, cure),
    ],
  };
}

/** What is found once the connection is made; rejects with an error of the network. */
const during = <T>(socket: Socket, event: 'connect' | 'secureConnect', look: () => T): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    const fail = (code: string) => (): void => reject(Object.assign(new Error('no connection'), { code }));
    socket.setTimeout(patienceMs, fail('ETIMEDOUT'));
    socket.once('error', reject);
    socket.once('close', fail('ECONNRESET'));
    socket.once(event, () => resolve(look()));
  }).finally(() => socket.destroy());

/** Networks that nobody reaches from the internet. */
const inner = new BlockList();
for (const [network, bits] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  inner.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  inner.addSubnet(network, bits, 'ipv6');

const isInner = (address: string): boolean => inner.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

const hidden = (setting: string, host: string, addresses: readonly string[]): readonly Finding[] =>
  addresses.every(isInner)
    ? [
        doubtful(
          setting,
          `${host} resolves to ${addresses.join(', ')} on this machine, which Graph cannot reach`,
          'Make sure that public DNS has the public address of the edge, to which Graph sends notifications',
        ),
      ]
    : [];
