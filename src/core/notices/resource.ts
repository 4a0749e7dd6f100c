import { parseCallKey, toGuid, type CallKey } from '../call/key.ts';
import { foldCase } from './values.ts';
import { parseRequestTarget } from '../http/request-target.ts';

/** What a notification is about. Ids of operations and participants are hyphenated lower-case GUIDs. */
export type NoticeResource =
  | { readonly kind: 'call'; readonly call: CallKey }
  | { readonly kind: 'operation'; readonly call: CallKey; readonly id: string }
  /** null: all of them. */
  | { readonly kind: 'participants'; readonly call: CallKey; readonly id: string | null };

/**
 * Reads the name of a resource, as in `resourceUrl`, `resource` and `@odata.id`: relative or with an origin, with or
 * without a version, under `communications` or `app`, ids as segments or as `('{id}')`, in any letter case.
 * `undefined`: it names something else, or has an id that is no GUID.
 */
export function parseNoticeResource(name: string): NoticeResource | undefined {
  const relative = name.replace(/^https?:\/\/[A-Za-z0-9.:[\]-]+(?=\/)/i, '');
  const target = parseRequestTarget(relative.startsWith('/') ? relative : `/${relative}`);
  if (!target.ok) return undefined;
  const path = target.value.segments.flatMap(splitKey);
  if (/^(?:v1\.0|beta)$/i.test(path[0] ?? '')) path.shift();
  const [root = '', calls = '', callId = '', part, id, ...more] = path;
  if (!/^(?:communications|app)$/i.test(root) || !/^calls$/i.test(calls) || more.length > 0) return undefined;
  const call = parseCallKey(callId);
  if (call === undefined) return undefined;
  if (part === undefined) return { kind: 'call', call };
  return parsePart(call, foldCase(part), id);
}

function parsePart(call: CallKey, part: string, id: string | undefined): NoticeResource | undefined {
  if (part === 'participants' && id === undefined) return { kind: 'participants', call, id: null };
  const key = parseCallKey(id ?? '');
  if (key === undefined) return undefined;
  if (part === 'operations') return { kind: 'operation', call, id: toGuid(key) };
  return part === 'participants' ? { kind: 'participants', call, id: toGuid(key) } : undefined;
}

/** `calls('x')` is `calls/x`; what stands in the brackets can only be an id. */
function splitKey(segment: string): string[] {
  const [, name, key] = /^(calls|operations|participants)\('([^']*)'\)$/i.exec(segment) ?? [];
  return name === undefined || key === undefined ? [segment] : [name, key];
}

export const sameResource = (one: NoticeResource, other: NoticeResource): boolean =>
  one.kind === other.kind && one.call === other.call && idOf(one) === idOf(other);

const idOf = (resource: NoticeResource): string | null => (resource.kind === 'call' ? null : resource.id);
