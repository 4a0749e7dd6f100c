import type { IncomingMessage } from 'node:http';
import { visit } from 'jsonc-parser';
import { grant, refuse, type Decision } from '../core/decision.ts';
import { isRecord } from '../core/json.ts';

export interface JsonBody {
  readonly value: Record<string, unknown>;
  /** The bytes as they came: what is judged is what is sent on. */
  readonly raw: Buffer;
}

/** The small JSON that must be judged. */
export const maxJsonBytes = 64 * 1024;
const withinMs = 10_000;

/** Reads a body that must be judged: one JSON object without duplicate keys, at most 64 KiB, within 10 s. */
export async function readJson(req: IncomingMessage): Promise<Decision<JsonBody>> {
  const type = (req.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') return refuse('ContentTypeUnsupported');
  if (!['', 'identity'].includes(req.headers['content-encoding'] ?? ''))
    return refuse('ContentEncodingUnsupported');
  if (Number(req.headers['content-length'] ?? 0) > maxJsonBytes) return refuse('BodyTooLarge');
  const raw = await readAll(req);
  if (!raw.ok) return raw;
  const value = parseJson(raw.value);
  return value.ok ? grant({ value: value.value, raw: raw.value }) : value;
}

function readAll(req: IncomingMessage): Promise<Decision<Buffer>> {
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
      if (size > maxJsonBytes) finish(refuse('BodyTooLarge'));
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
    const duplicate = duplicateKey(text);
    if (duplicate === undefined) return grant(value);
    return refuse('BodyInvalid', { detail: `the key "${duplicate.slice(0, 64)}" is there twice` });
  } catch {
    return refuse('BodyInvalid', { detail: 'not JSON' });
  }
}

/** The first key that an object holds twice; `Status` and `status` count as one, since some readers ignore case. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let found: string | undefined;
  visit(text, {
    onObjectBegin: () => {
      open.push(new Set());
    },
    onObjectProperty: (name) => {
      const keys = open.at(-1);
      const folded = name.toLowerCase();
      if (keys?.has(folded) === true) found ??= name;
      keys?.add(folded);
    },
    onObjectEnd: () => {
      open.pop();
    },
  });
  return found;
}
