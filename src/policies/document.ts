import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';

/** Something wrong in a file; `line` and `column` count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  /** Absent: what is wrong is the whole of what begins in that line. */
  readonly column?: number;
  readonly text: string;
}

/** `file:line:column: text`, as editors and terminals link it. */
export const formatProblem = ({ file, line, column, text }: Problem): string =>
  `${[file, line, ...(column === undefined ? [] : [column])].join(':')}: ${text}`;

/** A parsed YAML or JSON file that still knows its lines. */
export interface SourceDocument {
  readonly value: unknown;
  /** The line of the key or list entry at a path; of the nearest above it, if there is none. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** Where in a value something is wrong, and what is allowed. Never quotes the value: it may be a secret. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

export type Checked<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly issues: readonly Issue[] };

/** Parses YAML 1.2, and so JSON; a key that is there twice is an error. */
export function readDocument(
  file: string,
  text: string,
): { readonly document: SourceDocument } | { readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  // Its own warnings quote the text, which may hold a secret.
  const parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const faults = [...parsed.errors, ...parsed.warnings];
  if (faults.length > 0) {
    return {
      problems: faults
        // One mistake can be two errors in one place.
        .filter(({ pos }, index) => faults.findIndex((other) => other.pos[0] === pos[0]) === index)
        .map(({ code, pos }) => {
          const { line, col: column } = lines.linePos(pos[0]);
          const text = `this is not valid YAML or JSON (${code.toLowerCase().replaceAll('_', ' ')})`;
          return { file, line, column, text };
        }),
    };
  }
  try {
    const value: unknown = parsed.toJS();
    const lineOf = (path: readonly PropertyKey[]): number =>
      lines.linePos(offsetOf(parsed.contents, path)).line;
    return { document: { value, lineOf } };
  } catch {
    return { problems: [{ file, line: 1, text: 'it has an alias that cannot be resolved' }] };
  }
}

function offsetOf(root: unknown, path: readonly PropertyKey[]): number {
  let node: unknown = root;
  let offset = rangeOf(root) ?? 0;
  for (const step of path) {
    let place: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      place = pair?.key;
      node = pair?.value;
    } else {
      place = node = isSeq(node) ? node.items[Number(step)] : undefined;
    }
    const next = rangeOf(place);
    if (next === undefined) break;
    offset = next;
  }
  return offset;
}

const rangeOf = (node: unknown): number | undefined =>
  (node as { range?: readonly number[] | null } | null | undefined)?.range?.[0];

/** An object that takes no other keys, and says which there are. */
export const strictObject = <Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> =>
  z.strictObject(shape, {
    error: ({ code }) =>
      code === 'unrecognized_keys'
        ? `is not known here; allowed: ${Object.keys(shape).join(', ')}`
        : undefined,
  });

/** Checks a value; reports all that is wrong, not only the first. */
export function check<T>(schema: z.ZodType<T>, value: unknown): Checked<T> {
  const result = schema.safeParse(value, { error: whatIsAllowed });
  if (result.success) return { ok: true, value: result.data };
  const issues = result.error.issues.flatMap((issue): Issue[] =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key], text: issue.message }))
      : [{ path: issue.path, text: issue.message }],
  );
  return { ok: false, issues };
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'a whole number',
  number: 'a whole number',
  array: 'a list',
  object: 'an object with named fields',
};

/** Plain words for what zod found; other codes have their words at the schema. */
function whatIsAllowed(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type')
    return issue.input === undefined ? 'is missing' : `must be ${kinds[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value')
    return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
  if (issue.code === 'too_big') return `must be at most ${Number(issue.maximum)}`;
  if (issue.code === 'too_small')
    return issue.origin === 'number' ? `must be at least ${Number(issue.minimum)}` : 'must not be empty';
  return undefined;
}

/** `match.tenants[0]`. A key that does not look like a name is not shown: it may be a secret that lost its colon. */
export function formatFieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((step) =>
      typeof step === 'number'
        ? `[${step}]`
        : `.${/^[$A-Za-z_-]{1,40}$/.test(String(step)) ? String(step) : '(not shown)'}`,
    )
    .join('')
    .replace(/^\./, '');
}
