import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { parseTree } from 'jsonc-parser';
import { grant, refuse, type Decision, type Refusal } from '../core/decision.ts';
import { Fault } from '../core/errors.ts';
import { ambiguity, isAnnotation } from '../core/json-keys.ts';
import { isRecord } from '../core/json.ts';

export interface JsonBody {
  readonly value: Record<string, unknown>;
  /** The bytes as they came: what is judged is what is sent on. */
  readonly raw: Buffer;
}

export interface BodyLimit {
  readonly maxBytes: number;
  /** How long the body may take, ms. */
  readonly withinMs: number;
}

/** Reads a body that must be inspected: one JSON object without duplicate keys. */
export async function readJson(req: IncomingMessage, limit: BodyLimit): Promise<Decision<JsonBody>> {
  const unfit = notJsonContent(req);
  if (unfit !== undefined) return unfit;
  const raw = await readBody(req, limit);
  if (!raw.ok) return raw;
  const value = parseJson(raw.value);
  return value.ok ? grant({ value: value.value, raw: raw.value }) : value;
}

/** The reason why the header of a request shows that its body is not JSON that can be inspected; undefined: none. */
export function notJsonContent({ headers }: IncomingMessage): Refusal | undefined {
  if (!isUtf8Json(headers['content-type'] ?? '')) return refuse('ContentTypeUnsupported');
  if (!['', 'identity'].includes(headers['content-encoding'] ?? ''))
    return refuse('ContentEncodingUnsupported');
  return undefined;
}

/** Reads a whole body within its limit; `begin` runs before, unless the head already says that it is too large. */
export function readBody(
  req: IncomingMessage,
  limit: BodyLimit,
  begin: () => void = () => undefined,
): Promise<Decision<Buffer>> {
  if (Number(req.headers['content-length'] ?? 0) > limit.maxBytes)
    return Promise.resolve(tooLarge(limit.maxBytes));
  begin();
  return readAll(req, limit, () => tooLarge(limit.maxBytes));
}

/** Reads a body within its limit; a larger body is returned as a stream that includes the bytes read so far. */
export function readOrStream(
  req: IncomingMessage,
  limit: BodyLimit,
  begin: () => void,
): Promise<Decision<Buffer | Readable>> {
  begin();
  if (Number(req.headers['content-length'] ?? 0) > limit.maxBytes) return Promise.resolve(grant(req));
  return readAll<Readable>(req, limit, (chunks) => {
    req.pause();
    return grant(Readable.from(resumed(chunks, req)));
  });
}

/** The connection outlives the stream: it is needed for the answer. */
async function* resumed(chunks: Buffer[], req: IncomingMessage): AsyncGenerator<Buffer> {
  for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk;
  yield* req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

export const tooLarge = (maxBytes: number): Refusal =>
  refuse('BodyTooLarge', { detail: `the limit is ${maxBytes / 1024} KiB` });

/** Attacker-controlled: in another charset the same bytes can be another status. */
function isUtf8Json(contentType: string): boolean {
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  return (
    type === 'application/json' &&
    parameters.every((parameter) => !/^charset\b/.test(parameter) || /^charset="?utf-?8"?$/.test(parameter))
  );
}

function readAll<T>(
  req: IncomingMessage,
  { maxBytes, withinMs }: BodyLimit,
  tooMuch: (chunks: Buffer[]) => Decision<T>,
): Promise<Decision<Buffer | T>> {
  // It was cut while earlier stages were under way: no event will follow.
  if (req.destroyed) return Promise.resolve(refuse('BodyIncomplete'));
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (decision: Decision<Buffer | T>): void => {
      clearTimeout(timer);
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      resolve(decision);
    };
    const timer = setTimeout(() => finish(refuse('BodyTimeout')), withinMs);
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBytes) return;
      finish(tooMuch(chunks));
    };
    const onEnd = (): void => finish(grant(Buffer.concat(chunks)));
    const onClose = (): void => finish(refuse('BodyIncomplete'));
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/** `Status` and `status` count as one, since some readers ignore case. */
const propertyName = (key: string): string | undefined => (isAnnotation(key) ? undefined : key.toLowerCase());

/** Attacker-controlled: two parsers that disagree about a duplicate key would disagree about the status. */
export function parseJson(raw: Uint8Array): Decision<Record<string, unknown>> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
    const value = JSON.parse(text) as unknown;
    if (!isRecord(value)) return refuse('BodyInvalid', { detail: 'not a JSON object' });
    const detail = ambiguity(text, propertyName);
    return detail === undefined ? grant(value) : refuse('BodyInvalid', { detail });
  } catch {
    return refuse('BodyInvalid', { detail: 'not JSON' });
  }
}

/** The same JSON object with another text in one of its own properties; every other byte stays as it is. */
export function replaceText(raw: Uint8Array, key: string, value: string): Buffer {
  const text = new TextDecoder().decode(raw);
  const property = parseTree(text)?.children?.find(({ children }) => children?.[0]?.value === key);
  const old = property?.children?.[1];
  if (old === undefined) throw new Fault('Internal', `the property "${key}" is missing`);
  return Buffer.from(text.slice(0, old.offset) + JSON.stringify(value) + text.slice(old.offset + old.length));
}
