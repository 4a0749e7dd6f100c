import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { canonicalJson } from '../../../src/core/call/evidence.ts';
import type { Spelled } from '../../fixtures/clients/read.ts';

interface Raw {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

const guid = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/gi;

const operation = new RegExp(`operations/${guid.source}`, 'i');

/** What a client sent about this call, each spelling once, in the order of the connections. */
export function spellingsOf(
  connections: readonly (readonly Buffer[])[],
  call: string,
  origin: string,
): Spelled[] {
  const spelled = connections
    .flatMap((chunks) => requestsIn(Buffer.concat(chunks)))
    .filter(({ target }) => !target.startsWith('/callbacks/') && target.includes(call))
    .map((raw) => spell(raw, call, origin));
  const known = new Map(spelled.map((one) => [canonicalJson(one), one]));
  return [...known.values()];
}

function spell({ method, target, headers, body }: Raw, call: string, origin: string): Spelled {
  const general = (text: string): string =>
    text
      .replaceAll(origin, '{proxy}')
      .replaceAll(new URL(origin).host, '{host}')
      .replaceAll(call, '{call}')
      .replace(operation, 'operations/{operation}')
      .replace(guid, '{guid}');
  const isMedia = target.startsWith('/media/');
  return {
    method,
    target: general(target),
    headers: Object.fromEntries(headers.map(([name, value]) => [name, generalHeader(name, general(value))])),
    body: isMedia ? { bytes: body.length } : general(body.toString()),
  };
}

/** What depends on the machine, not on the client, is left out. */
function generalHeader(name: string, value: string): string {
  if (/^authorization$/i.test(name)) return 'Bearer {token}';
  if (/^content-length$/i.test(name)) return '{length}';
  return value
    .replace(/hostOS=[^;)]*/, 'hostOS={os}')
    .replace(/hostArch=[^;)]*/, 'hostArch={arch}')
    .replace(/runtimeEnvironment=[^;)]*/, 'runtimeEnvironment={runtime}');
}

/** The whole requests on a connection; a client of these does not send one before the answer to the last. */
function requestsIn(bytes: Buffer): Raw[] {
  const found: Raw[] = [];
  for (let rest = bytes; ;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return found;
    const [requestLine = '', ...lines] = rest.toString('latin1', 0, end).split('\r\n');
    const [method = '', target = ''] = requestLine.split(' ');
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const value = (wanted: string): string | undefined =>
      headers.find(([name]) => name.toLowerCase() === wanted)?.[1];
    const isChunked = value('transfer-encoding') === 'chunked';
    const taken = (isChunked ? takeChunks : takeLength)(
      rest.subarray(end + 4),
      Number(value('content-length') ?? 0),
    );
    if (taken === undefined) return found;
    found.push({ method, target, headers, body: taken.body });
    rest = taken.rest;
  }
}

/** undefined: it is not whole. */
type Taken = { readonly body: Buffer; readonly rest: Buffer } | undefined;

const takeLength = (bytes: Buffer, length: number): Taken =>
  bytes.length < length ? undefined : { body: bytes.subarray(0, length), rest: bytes.subarray(length) };

function takeChunks(bytes: Buffer): Taken {
  const chunks: Buffer[] = [];
  for (let rest = bytes; ;) {
    const end = rest.indexOf('\r\n');
    const size = parseInt(rest.toString('latin1', 0, Math.max(end, 0)), 16);
    const next = end + 2 + size + 2;
    if (end < 0 || rest.length < next) return undefined;
    if (size === 0) return { body: Buffer.concat(chunks), rest: rest.subarray(next) };
    chunks.push(rest.subarray(end + 2, next - 2));
    rest = rest.subarray(next);
  }
}

/** On which connection a client sends what, and so their order, is a matter of chance. */
const inAnyOrder = (requests: readonly Spelled[]): readonly Spelled[] =>
  requests
    .map((request) => ({ request, text: canonicalJson(request) }))
    .sort((one, other) => (one.text < other.text ? -1 : 1))
    .map(({ request }) => request);

/** Compares with what is kept of the client; TALLYLIGHT_WRITE_FIXTURES=1 keeps what it sends now. */
export async function expectKept(client: string, requests: readonly Spelled[]): Promise<void> {
  const file = fileURLToPath(new URL(`../../fixtures/clients/${client}.json`, import.meta.url));
  if (process.env.TALLYLIGHT_WRITE_FIXTURES === '1')
    await writeFile(file, `${JSON.stringify({ client, requests }, null, 2)}\n`);
  const kept = JSON.parse(await readFile(file, 'utf8')) as { readonly requests: readonly Spelled[] };
  expect(inAnyOrder(requests)).toEqual(inAnyOrder(kept.requests));
}
