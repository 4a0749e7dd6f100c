import type { IncomingMessage } from 'node:http';
import { parseTree, visit } from 'jsonc-parser';
import { grant, refuse, type Decision, type Refusal } from '../core/decision.ts';
import { Fault } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';

export interface JsonBody {
  readonly value: Record<string, unknown>;
  /** The bytes as they came: what is judged is what is sent on. */
  readonly raw: Buffer;
}

const maxDepth = 64;

export interface BodyLimit {
  readonly maxBytes: number;
  /** How long the body may take, ms. */
  readonly withinMs: number;
}

/** Reads a body that must be judged: one JSON object without duplicate keys. */
export async function readJson(req: IncomingMessage, limit: BodyLimit): Promise<Decision<JsonBody>> {
  const unfit = unfitForJson(req);
  if (unfit !== undefined) return unfit;
  const raw = await readBody(req, limit);
  if (!raw.ok) return raw;
  const value = parseJson(raw.value);
  return value.ok ? grant({ value: value.value, raw: raw.value }) : value;
}

/** Why the head of a request says that its body is no JSON that can be judged here. */
export function unfitForJson({ headers }: IncomingMessage): Refusal | undefined {
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
  return readAll(req, limit);
}

const tooLarge = (maxBytes: number): Refusal =>
  refuse('BodyTooLarge', { detail: `the limit is ${maxBytes / 1024} KiB` });

/** Attacker-controlled: in another charset the same bytes can be another status. */
function isUtf8Json(contentType: string): boolean {
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  return (
    type === 'application/json' &&
    parameters.every((parameter) => !/^charset\b/.test(parameter) || /^charset="?utf-?8"?$/.test(parameter))
  );
}

function readAll(req: IncomingMessage, { maxBytes, withinMs }: BodyLimit): Promise<Decision<Buffer>> {
  // It was cut while the stages before were under way: nothing will tell of it any more.
  if (req.destroyed) return Promise.resolve(refuse('BodyIncomplete'));
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (decision: Decision<Buffer>): void => {
      clearTimeout(timer);
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      resolve(decision);
    };
    const timer = setTimeout(() => finish(refuse('BodyTimeout')), withinMs);
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) finish(tooLarge(maxBytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish(grant(Buffer.concat(chunks)));
    const onClose = (): void => finish(refuse('BodyIncomplete'));
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/** Attacker-controlled: two parsers that disagree about a duplicate key would disagree about the status. */
export function parseJson(raw: Uint8Array): Decision<Record<string, unknown>> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
    const value = JSON.parse(text) as unknown;
    if (!isRecord(value)) return refuse('BodyInvalid', { detail: 'not a JSON object' });
    const detail = objection(text);
    return detail === undefined ? grant(value) : refuse('BodyInvalid', { detail });
  } catch {
    return refuse('BodyInvalid', { detail: 'not JSON' });
  }
}

/**
 * The first key that an object holds twice (`Status` and `status` count as one, since some readers ignore case),
 * or that the nesting is deeper than what is read later can follow.
 */
function objection(text: string): string | undefined {
  const open: Set<string>[] = [];
  let depth = 0;
  let found: string | undefined;
  const enter = (): void => {
    depth += 1;
    if (depth > maxDepth) found ??= `it is nested deeper than ${maxDepth} levels`;
  };
  const leave = (): void => {
    depth -= 1;
  };
  visit(text, {
    onObjectBegin: () => {
      open.push(new Set());
      enter();
    },
    onObjectProperty: (name) => {
      const keys = open.at(-1);
      const folded = name.toLowerCase();
      if (keys?.has(folded) === true) found ??= `the key "${name.slice(0, 64)}" is there twice`;
      keys?.add(folded);
    },
    onObjectEnd: () => {
      open.pop();
      leave();
    },
    onArrayBegin: enter,
    onArrayEnd: leave,
  });
  return found;
}

/** The same JSON object with another text in one of its own properties; every other byte stays as it is. */
export function replaceText(raw: Uint8Array, key: string, value: string): Buffer {
  const text = new TextDecoder().decode(raw);
  const property = parseTree(text)?.children?.find(({ children }) => children?.[0]?.value === key);
  const old = property?.children?.[1];
  if (old === undefined) throw new Fault('Internal', `the property "${key}" is not there`);
  return Buffer.from(text.slice(0, old.offset) + JSON.stringify(value) + text.slice(old.offset + old.length));
}
