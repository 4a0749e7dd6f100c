import { randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Peers } from '../../../src/sandbox/peers.ts';
import type { CertificateFiles, CertificateOptions } from '../../support/certificates.ts';
import type { EdgeManner } from '../../support/edge.ts';
import type { Env } from './mistake.ts';

/** What the tests share; what it starts is closed after each. */
export interface TestBed {
  readonly directory: string;
  readonly peers: Peers;
  /** An edge before the proxy, as the settings that name it. */
  edge(manner?: EdgeManner): Promise<Env>;
  certificate(options?: CertificateOptions): Promise<CertificateFiles>;
  /** A file with a token of a bot with these claims. */
  tokenWith(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** A Graph that says one thing only, as the setting that names it. */
  graphSaying(status: number, code: string): Promise<Env>;
}

/** Assigned to nobody, and no test is given it by chance, as a port that was just closed would be. */
export const closedPort = 28;

export interface Ill {
  readonly what: string;
  readonly how: (testBed: TestBed) => Env | Promise<Env>;
  readonly token?: (testBed: TestBed) => Promise<string>;
  readonly names: string;
  readonly says: RegExp;
  readonly cure: RegExp;
  /** 0: it is doubtful. */
  readonly code: 0 | 3 | 4 | 5;
}

const asItIs = (): Env => ({});
const ahead = (ms: number) => (headers: Record<string, unknown>) => {
  headers.date = new Date(Date.now() + ms).toUTCString();
};

export const origins: readonly Ill[] = [
  {
    what: 'a name that DNS does not know',
    how: () => ({ TALLYLIGHT_PUBLIC_URL: 'https://tally.invalid' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /tally\.invalid cannot be resolved: (?:ENOTFOUND|EAI_AGAIN)/,
    cure: /DNS/,
    code: 5,
  },
  {
    what: 'an origin where nobody listens',
    how: () => ({ TALLYLIGHT_PUBLIC_URL: `http://127.0.0.1:${closedPort}` }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /no connection to port 28 of 127\.0\.0\.1 .*ECONNREFUSED: .*nothing listens/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'a certificate of an authority that is not trusted',
    how: async (testBed) => ({
      ...(await testBed.edge({ tls: await testBed.certificate() })),
      NODE_EXTRA_CA_CERTS: '',
    }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /is not accepted: DEPTH_ZERO_SELF_SIGNED_CERT/,
    cure: /NODE_EXTRA_CA_CERTS/,
    code: 5,
  },
  {
    what: 'an expired certificate',
    how: async (testBed) => testBed.edge({ tls: await testBed.certificate({ daysAgo: 100 }) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /is not accepted: CERT_HAS_EXPIRED/,
    cure: /renewed/,
    code: 5,
  },
  {
    what: 'a certificate of another name',
    how: async (testBed) => testBed.edge({ tls: await testBed.certificate({ host: 'other.example' }) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /for DNS:other\.example, .*is not accepted: ERR_TLS_CERT_ALTNAME_INVALID/,
    cure: /a certificate that names the host/,
    code: 5,
  },
  {
    what: 'a certificate that ends soon',
    how: async (testBed) => testBed.edge({ tls: await testBed.certificate({ daysAgo: 80 }) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /\(9 days\)/,
    cure: /Renew/,
    code: 0,
  },
  {
    what: 'http where https is expected',
    how: async (testBed) => ({
      TALLYLIGHT_PUBLIC_URL: ((await testBed.edge()).TALLYLIGHT_PUBLIC_URL ?? '').replace('http:', 'https:'),
    }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /(?:ERR_SSL_WRONG_VERSION_NUMBER|EPROTO|ECONNRESET|ERR_SSL_PACKET_LENGTH_TOO_LONG)/,
    cure: /scheme/,
    code: 5,
  },
  {
    what: 'https where http is expected',
    how: async (testBed) => ({
      TALLYLIGHT_PUBLIC_URL: (
        (await testBed.edge({ tls: await testBed.certificate() })).TALLYLIGHT_PUBLIC_URL ?? ''
      ).replace('https:', 'http:'),
    }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /does not answer: ECONNRESET/,
    cure: /scheme/,
    code: 5,
  },
  {
    what: 'an origin that is not known',
    how: () => ({ TALLYLIGHT_PORT: '0' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /is not set and TALLYLIGHT_PORT is 0/,
    cure: /Set the origin/,
    code: 0,
  },
];

export const edges: readonly Ill[] = [
  {
    what: 'an edge that answers itself',
    how: (testBed) => testBed.edge({ keeps: '/' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /answers 404 \(text\/html, server a-test-edge\) without Tallylight-Reason, so it is not the proxy/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'an edge that buffers',
    how: (testBed) => testBed.edge({ buffers: true }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /forwards a request only when its body is complete/,
    cure: /docs\/operate\/edges\.md/,
    code: 5,
  },
  {
    what: 'an edge that buffers bodies of unknown length',
    how: (testBed) => testBed.edge({ buffersChunked: true }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /forwards a request only when its body is complete/,
    cure: /docs\/operate\/edges\.md/,
    code: 5,
  },
  {
    what: 'an edge that answers uploads itself',
    how: (testBed) => testBed.edge({ keeps: '/media' }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /an upload to .* is answered with 404 \(text\/html/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'an edge that removes Authorization',
    how: (testBed) => testBed.edge({ onRequest: (headers) => delete headers.authorization }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /removes or replaces the header field Authorization/,
    cure: /forward Authorization unchanged/,
    code: 5,
  },
  {
    what: 'an edge that removes Tallylight-Reason',
    how: (testBed) => testBed.edge({ onResponse: (headers) => delete headers['tallylight-reason'] }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /removes the header field Tallylight-Reason/,
    cure: /forward all header fields/,
    code: 0,
  },
  {
    what: 'an edge that keeps the callback path',
    how: (testBed) => testBed.edge({ keeps: '/callbacks' }),
    names: 'TALLYLIGHT_CALLBACKS[0].path',
    says: /answered with 404 \(text\/html.*does not reach the proxy/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'another origin for Graph that keeps the callback path',
    how: async (testBed) => ({
      TALLYLIGHT_CALLBACK_URL: (await testBed.edge({ keeps: '/callbacks' })).TALLYLIGHT_PUBLIC_URL ?? '',
    }),
    names: 'TALLYLIGHT_CALLBACKS[0].path',
    says: /answered with 404 \(text\/html.*does not reach the proxy/,
    cure: /Route this origin to the proxy/,
    code: 5,
  },
  {
    what: 'a clock that is ahead',
    how: (testBed) => testBed.edge({ onResponse: ahead(10_000) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /the clock of what answers at .* is at least \d+ ms ahead of the clock of this machine$/,
    cure: /NTP/,
    code: 0,
  },
  {
    what: 'a clock that is far behind',
    how: (testBed) => testBed.edge({ onResponse: ahead(-90_000) }),
    names: 'TALLYLIGHT_PUBLIC_URL',
    says: /behind the clock of this machine: beyond 30 s good tokens are refused/,
    cure: /NTP/,
    code: 5,
  },
];

export const tokens: readonly Ill[] = [
  {
    what: 'a token file that is not there',
    how: asItIs,
    token: () => Promise.resolve('/nowhere/token'),
    names: '--token-file',
    says: /cannot be read \(ENOENT\)/,
    cure: /Name a file/,
    code: 3,
  },
  {
    what: 'a file that holds no token',
    how: asItIs,
    token: async (testBed) => {
      const path = join(testBed.directory, 'no-token');
      await writeFile(path, 'Bearer hunter2 hunter3');
      return path;
    },
    names: '--token-file',
    says: /does not contain one access token/,
    cure: /without "Bearer"/,
    code: 3,
  },
  {
    what: 'an expired token',
    how: asItIs,
    token: (testBed) => testBed.tokenWith({ exp: Math.floor(Date.now() / 1000) - 600 }),
    names: '--token-file',
    says: /would be refused with TokenExpired/,
    cure: /new token/,
    code: 5,
  },
  {
    what: 'a token for somebody else',
    how: asItIs,
    token: (testBed) => testBed.tokenWith({ aud: 'api://other' }),
    names: 'TALLYLIGHT_ISSUERS',
    says: /would be refused with TokenInvalid: .*aud/,
    cure: /issuer and audience/,
    code: 5,
  },
  {
    what: 'a token without its role',
    how: asItIs,
    token: (testBed) => testBed.tokenWith({ roles: ['User.Read.All'] }),
    names: 'TALLYLIGHT_ISSUERS',
    says: /would be refused with TokenNotAllowed: .*role/,
    cure: /Grant the application role/,
    code: 5,
  },
];

export const surroundings: readonly Ill[] = [
  {
    what: 'an application without consent, as Graph sees it',
    how: (testBed) => testBed.graphSaying(403, 'Forbidden'),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL[0]',
    says: /answered by Graph with 403 Forbidden: the application lacks a permission, or consent/,
    cure: /admin consent/,
    code: 5,
  },
  {
    what: 'an application without consent, through the proxy',
    how: (testBed) => {
      // The proxy asks whether the call is there before it is asked for the status change.
      testBed.peers.graph.script({
        action: 'getCall',
        answer: { error: { status: 403, code: 'Forbidden' } },
      });
      return {};
    },
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL',
    says: /answered by Graph with 403 Forbidden: the application lacks a permission, or consent/,
    cure: /admin consent/,
    code: 5,
  },
  {
    what: 'a Graph token that Graph does not accept',
    how: (testBed) => testBed.graphSaying(401, 'InvalidAuthenticationToken'),
    names: 'TALLYLIGHT_GRAPH_CREDENTIAL[0]',
    says: /answered by Graph with 401 InvalidAuthenticationToken: Graph does not accept the token/,
    cure: /scope/,
    code: 5,
  },
  {
    what: 'a Graph that is not there',
    how: () => ({ TALLYLIGHT_GRAPH_URL: `http://127.0.0.1:${closedPort}` }),
    names: 'TALLYLIGHT_GRAPH_URL',
    says: /is not answered by Graph: ECONNREFUSED/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'a key server that is not there',
    how: (testBed) => ({
      TALLYLIGHT_ISSUERS: JSON.stringify([
        {
          issuer: testBed.peers.mint.issuer,
          audience: testBed.peers.mint.audience,
          jwksUri: `http://127.0.0.1:${closedPort}/keys`,
        },
      ]),
    }),
    names: 'TALLYLIGHT_ISSUERS[0].jwksUri',
    says: /no signing keys from .*: ECONNREFUSED/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'a Redis that is not there',
    how: () => ({ TALLYLIGHT_REDIS_URL: `redis://127.0.0.1:${closedPort}` }),
    names: 'TALLYLIGHT_REDIS_URL',
    says: /ECONNREFUSED/,
    cure: /start the server/,
    code: 5,
  },
  {
    what: 'times that those of the instances do not allow',
    how: () => ({ TALLYLIGHT_SESSION_TTL_MS: '30000' }),
    names: 'TALLYLIGHT_SESSION_TTL_MS',
    says: /could not join the others: .*30000 on this instance.*at most 1500/,
    cure: /same times/,
    code: 5,
  },
  {
    what: 'another directory of evidence',
    how: async (testBed) => {
      const other = await mkdtemp(join(testBed.directory, 'other-'));
      await writeFile(join(other, 'sink-id'), randomUUID());
      return { TALLYLIGHT_EVIDENCE_DIR: other };
    },
    names: 'TALLYLIGHT_EVIDENCE_DIR',
    says: /the evidence of this store is written to another directory/,
    cure: /TALLYLIGHT_EVIDENCE_MOVED_FROM/,
    code: 5,
  },
  {
    what: 'a directory of evidence that is not there',
    how: (testBed) => ({ TALLYLIGHT_EVIDENCE_DIR: join(testBed.directory, 'nowhere') }),
    names: 'TALLYLIGHT_EVIDENCE_DIR',
    says: /does not exist, though an instance creates it/,
    cure: /Name a directory/,
    code: 4,
  },
  {
    what: 'an admin port on which nobody listens',
    how: () => ({ TALLYLIGHT_ADMIN_PORT: String(closedPort) }),
    names: 'TALLYLIGHT_ADMIN_PORT',
    says: /no instance answers at .*ECONNREFUSED/,
    cure: /machine of the proxy/,
    code: 0,
  },
  {
    what: 'an admin port that is another server’s',
    how: (testBed) => ({ TALLYLIGHT_ADMIN_PORT: new URL(testBed.peers.mint.url).port }),
    names: 'TALLYLIGHT_ADMIN_PORT',
    says: /what answers on it, with 404 .*is not Tallylight/,
    cure: /machine of the proxy/,
    code: 0,
  },
  {
    what: 'an admin port that is not known',
    how: () => ({ TALLYLIGHT_ADMIN_PORT: '0' }),
    names: 'TALLYLIGHT_ADMIN_PORT',
    says: /is 0/,
    cure: /Set a port/,
    code: 0,
  },
  {
    what: 'settings that are not valid',
    how: () => ({ TALLYLIGHT_DRAIN_MS: '5s' }),
    names: 'TALLYLIGHT_DRAIN_MS',
    says: /without a unit/,
    cure: /Correct it/,
    code: 3,
  },
];
