import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { existsSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { settingsTable } from '../../../src/settings/settings.ts';
import { documents, root } from './documents.ts';
import { anchorsOf, blocksOf, linksOf, proseOf } from './markdown.ts';

const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** The path from the root that a relative link of a document leads to, and the anchor on it. */
function resolved(document: string, link: string): { readonly path: string; readonly anchor: string } {
  const [path = '', anchor = ''] = link.split('#');
  return {
    path: path === '' ? document : posix.join(posix.dirname(document), decodeURI(path)),
    anchor,
  };
}

const relativeLinks = (document: string): string[] =>
  linksOf(read(document)).filter((link) => !/^[a-z]+:/i.test(link));

/** Links of a document that lead nowhere. */
function brokenLinks(document: string): string[] {
  return relativeLinks(document).filter((link) => {
    const { path, anchor } = resolved(document, link);
    if (!existsSync(join(root, path))) return true;
    return anchor !== '' && !(path.endsWith('.md') && anchorsOf(read(path)).has(anchor));
  });
}

/** Names that look like settings and are none: what reads them. */
const otherNames: Readonly<Record<string, string>> = {
  TALLYLIGHT_ENV_FILE: 'docker-compose.yml',
  TALLYLIGHT_WRITE_FIXTURES: 'test/interop',
};

describe('every document', () => {
  test.each(documents)('%s has links that lead somewhere', (name) => {
    expect(brokenLinks(name)).toEqual([]);
  });

  test.each(documents)('%s has JSON that can be read', (name) => {
    for (const { text } of blocksOf(read(name)).filter(({ language }) => language === 'json'))
      expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  test.each(documents)('%s names only settings that exist', (name) => {
    const known = new Set([...settingsTable.map((row) => row.name), ...Object.keys(otherNames)]);
    const named = read(name).match(/\bTALLYLIGHT_[A-Z0-9_]*[A-Z0-9]/g) ?? [];
    expect(named.filter((each) => !known.has(each))).toEqual([]);
  });
});

test('every page below docs/ can be reached from docs/README.md', () => {
  const reached = new Set<string>();
  const next = ['docs/README.md'];
  for (let page = next.pop(); page !== undefined; page = next.pop()) {
    if (reached.has(page)) continue;
    reached.add(page);
    for (const link of relativeLinks(page)) {
      const { path } = resolved(page, link);
      if (path.startsWith('docs/') && path.endsWith('.md')) next.push(path);
    }
  }
  expect(documents.filter((name) => name.startsWith('docs/') && !reached.has(name))).toEqual([]);
});

test('README.md has at most 200 lines', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(200);
});

describe('the reader of Markdown', () => {
  test('gives headings the anchors that GitHub gives them', () => {
    const text =
      '# A `jwt` mode, or: two_words & more\n## Twice\n## Twice\n```\n# no heading\n```\n## [Linked](x.md) **now**';
    expect([...anchorsOf(text)]).toEqual([
      'a-jwt-mode-or-two_words--more',
      'twice',
      'twice-1',
      'linked-now',
    ]);
  });

  test('finds links and pictures outside of code', () => {
    const text =
      '[a](b.md#c) ![d](e.svg "title") `[not](this)`\n```\n[nor](that)\n```\n<img src="f.svg">\n\n[g]: h.md\n';
    expect(linksOf(text)).toEqual(['b.md#c', 'e.svg', 'f.svg', 'h.md']);
  });

  test('sees links over the end of a line and with code in their text', () => {
    expect(linksOf('[of a\nlong `name`](x.md)')).toEqual(['x.md']);
    expect(proseOf('a `b` c')).toBe('a   c');
  });
});
