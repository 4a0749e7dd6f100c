import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Decision } from '../../../../src/core/decision.ts';
import { identifyAction, type GraphAction } from '../../../../src/core/graph/identify-action.ts';
import { actions, type ActionRow } from '../../../../src/core/graph/action-table.ts';
import { parseRequestTarget } from '../../../../src/core/http/request-target.ts';

const guid = '57dab8b1-894c-409a-b240-bd8beae78896';
const undashed = '57DAB8B1894C409AB240BD8BEAE78896';
const call = `/v1.0/communications/calls/${guid}`;

function identify(method: string, target: string): Decision<GraphAction> {
  const parsed = parseRequestTarget(target);
  return parsed.ok ? identifyAction(method, parsed.value) : parsed;
}

function granted(method: string, target: string): GraphAction {
  const action = identify(method, target);
  if (!action.ok) throw new Error(`${method} ${target}: ${action.reason} ${action.detail ?? ''}`);
  return action.value;
}

/** The same letters with some in the other case, and some percent-encoded. */
const respelled = (text: string): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom('same', 'same', 'other', 'encoded'), {
      minLength: text.length,
      maxLength: text.length,
    })
    .map((how) =>
      Array.from(text)
        .map((letter, index) => {
          if (how[index] === 'encoded') return `%${letter.charCodeAt(0).toString(16)}`;
          if (how[index] === 'same') return letter;
          return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
        })
        .join(''),
    );

const ids: Record<string, fc.Arbitrary<string>> = {
  call: fc.uuid().chain((id) => fc.constantFrom(id, id.toUpperCase(), id.replaceAll('-', ''))),
};
const anyId = fc.stringMatching(/^[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,40}$/);
const dates = fc.constantFrom('2026-01-01', '2026-01-01T10:00:00Z', '2026-01-01T10:00:00.5+01:00');

/** A target that must be recognised as this row. */
function spellings(row: ActionRow): fc.Arbitrary<string> {
  const parts = row.template.split('/');
  return fc
    .record({
      version: fc
        .constantFrom(...(row.version === undefined ? ['v1.0', 'beta'] : [row.version]))
        .chain(respelled),
      parts: fc.tuple(
        ...parts.map((part, index) => {
          const name = /^\{(\w+)\}$/.exec(part)?.[1];
          if (name !== undefined) return (ids[name] ?? anyId).map((id) => ({ text: id, id: true }));
          const literal = part === 'communications' ? fc.constantFrom(part, 'app') : fc.constant(part);
          const bound = index === parts.length - 1 && row.namespace !== undefined;
          return fc
            .tuple(literal, fc.boolean(), fc.boolean(), dates, dates)
            .chain(([text, long, swap, from, to]) => {
              const args = [`fromDateTime=${from}`, `toDateTime=${to}`];
              const called = text.replace(/\(.*/, `(${(swap ? args.reverse() : args).join(',')})`);
              // Dates keep their capitals; nothing else has to.
              const [head = '', tail] = (bound && long ? `${row.namespace ?? ''}.${called}` : called).split(
                '(',
              );
              return respelled(head).map((spelled) => ({
                text: tail === undefined ? spelled : `${spelled}(${tail}`,
                id: false,
              }));
            });
        }),
      ),
      keys: fc.boolean(),
      slash: fc.constantFrom('/', '//', '/./', '/%2e/'),
      end: fc.constantFrom('', '/', '?', '?a=b', '/?$filter=x'),
    })
    .map(({ version, parts: spelled, keys, slash, end }) => {
      const path = spelled.reduce(
        (before, { text, id }) =>
          before + (id && keys && /[A-Za-z]$/.test(before) ? `('${text}')` : slash + text),
        slash + version,
      );
      return path + end;
    });
}

describe.each(actions.map((row) => [`${row.method} ${row.template}`, row] as const))(
  'the row %s',
  (_name, row) => {
    test('is reached by every spelling, and what is sent upstream reaches it again, unchanged', () => {
      fc.assert(
        fc.property(spellings(row), (target) => {
          const decision = identify(row.method, target);
          if (row.effect === 'refuse') {
            expect(decision).toEqual({ ok: false, reason: row.reason ?? 'ActionRefused', detail: row.why });
            return;
          }
          const action = granted(row.method, target);
          expect(action.row).toEqual(row);
          expect('call' in action).toBe(row.template.includes('{call}'));
          const again = granted(row.method, action.path);
          expect(again).toEqual(action);
          expect(action.path).not.toMatch(/%|\/\/|\/\.|\('/);
        }),
      );
    });
  },
);

/** What a path says, read in another way than the source does: lower case, keys as segments, one root. */
function saidBy(target: string): string {
  const segments = (target.split('?')[0] ?? '').split('/').map((raw) => decodeURIComponent(raw));
  return segments
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/')
    .replace(/\('([^']*)'\)/g, '/$1')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/^(v1\.0|beta)\/app(?=\/)/, '$1/communications');
}

function saidByRow(row: ActionRow): RegExp {
  const namespace = row.namespace?.toLowerCase().replaceAll('.', '\\.') ?? '';
  const path = row.template
    .toLowerCase()
    .replaceAll('$', '\\$')
    .replace(/\(.*/, '\\([^/()]*\\)')
    .replace(/\{\w+\}/g, '[^/]+');
  const at = path.lastIndexOf('/') + 1;
  const bound = row.namespace === undefined ? '' : `(?:${namespace}\\.)?`;
  return new RegExp(`^(?:v1\\.0|beta)/${path.slice(0, at)}${bound}${path.slice(at)}$`);
}

const piece = fc.oneof(
  fc.constantFrom('v1.0', 'beta', 'communications', 'app', 'calls', guid, `calls('${guid}')`, undashed, 'x'),
  fc.constantFrom(
    'operations',
    "operations('..')",
    "participants('.')",
    'participants',
    '$count',
    '$batch',
    '..',
  ),
  fc.constantFrom(
    'updateRecordingStatus',
    'microsoft.graph.',
    '%E2%84%AAeepAlive',
    'callRecords',
    "('",
    "')",
    '(',
  ),
  fc.constantFrom(...actions.flatMap((row) => row.template.split('/'))),
  fc.string({ maxLength: 5 }),
);

describe('whatever the target', () => {
  test('recognising never throws, and never gives a row for a path that says something else', () => {
    const prefixes = fc.constantFrom('', '/v1.0', '/beta/communications/calls', call, `${call}/operations`);
    const target = fc
      .tuple(prefixes, fc.array(fc.tuple(fc.constantFrom('/', '/', '', '?', '%2F'), piece), { maxLength: 5 }))
      .map(([prefix, pieces]) => prefix + pieces.flat().join(''));
    fc.assert(
      fc.property(fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE', 'PUT'), target, (method, text) => {
        const decision = identify(method, text);
        if (!decision.ok) return;
        const { row, path } = decision.value;
        expect(saidBy(text)).toMatch(saidByRow(row));
        expect(saidBy(path)).toMatch(saidByRow(row));
        expect(row.method).toBe(method);
        expect(granted(method, path)).toEqual(decision.value);
      }),
      { numRuns: 5000 },
    );
  });
});
