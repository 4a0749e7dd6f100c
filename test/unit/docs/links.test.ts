import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { settingsTable } from '../../../src/settings/settings.ts';
import { documents, root } from './documents.ts';
import { anchorsOf, blocksOf, linksOf } from './markdown.ts';

const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** The path from the root that a relative link of a document leads to, and the anchor there. */
function resolved(document: string, link: string): { readonly path: string; readonly anchor: string } {
  const [path = '', anchor = ''] = link.split('#');
  return { path: path === '' ? document : posix.join(posix.dirname(document), decodeURI(path)), anchor };
}

const relativeLinks = (document: string): string[] =>
  linksOf(read(document)).filter((link) => !/^[a-z]+:/i.test(link));

function isBroken(document: string, link: string): boolean {
  const { path, anchor } = resolved(document, link);
  if (!existsSync(join(root, path))) return true;
  return anchor !== '' && !(path.endsWith('.md') && anchorsOf(read(path)).has(anchor));
}

/** Names that look like settings of the program and are none, and where they are read. */
const otherNames: Readonly<Record<string, string>> = {
  TALLYLIGHT_ENV_FILE: 'docker-compose.yml',
  TALLYLIGHT_WRITE_FIXTURES: 'test/interop',
};
const knownNames = new Set([...settingsTable.map(({ name }) => name), ...Object.keys(otherNames)]);

const blocksIn = (document: string, language: string): string[] =>
  blocksOf(read(document)).flatMap((block) => (block.language === language ? [block.text] : []));

describe.each(documents)('%s', (name) => {
  test('has links that lead somewhere', () => {
    expect(relativeLinks(name).filter((link) => isBroken(name, link))).toEqual([]);
  });

  test('names only files of the repository that exist', () => {
    const named = [...read(name).matchAll(/`((?:deploy|src|test)\/[\w./-]+\.\w+)`/g)].map(
      ([, path = '']) => path,
    );
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('names only settings that exist', () => {
    const named = read(name).match(/\bTALLYLIGHT_[A-Z0-9_]*[A-Z0-9]/g) ?? [];
    expect(named.filter((each) => !knownNames.has(each))).toEqual([]);
  });

  test('has examples of JSON, YAML and structured settings that can be read', () => {
    const values = blocksIn(name, 'sh').flatMap((text) =>
      [...text.matchAll(/\bTALLYLIGHT_\w+='([[{].*?)'/gs)].map(([, value = '']) => value),
    );
    for (const text of [...blocksIn(name, 'json'), ...values])
      expect(() => JSON.parse(text) as unknown).not.toThrow();
    for (const text of blocksIn(name, 'yaml')) expect(() => parse(text) as unknown).not.toThrow();
  });
});

test('every page below docs/ can be reached from docs/README.md', () => {
  const reached = new Set<string>();
  const next = ['docs/README.md'];
  for (let page = next.pop(); page !== undefined; page = next.pop()) {
    if (reached.has(page)) continue;
    reached.add(page);
    const paths = relativeLinks(page).map((link) => resolved(page, link).path);
    next.push(...paths.filter((path) => path.startsWith('docs/') && path.endsWith('.md')));
  }
  expect(documents.filter((name) => name.startsWith('docs/') && !reached.has(name))).toEqual([]);
});

test('README.md has at most 200 lines', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(200);
});

test('every page that the code cites exists', () => {
  const cited = ['src', 'middleware', 'deploy'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.md'))
      .flatMap(
        (entry) =>
          readFileSync(join(entry.parentPath, entry.name), 'utf8').match(/\bdocs\/[\w/-]+\.md/g) ?? [],
      ),
  );
  expect(cited.length).toBeGreaterThan(0);
  expect(cited.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

describe('the reader of Markdown', () => {
  test('gives headings the anchors that GitHub gives them', () => {
    const text = [
      '# A `jwt` mode, or: two_words & more',
      '## Twice',
      '## Twice',
      '```',
      '# no heading',
      '```',
      '## [Linked](x.md) **now**',
    ].join('\n');
    expect([...anchorsOf(text)]).toEqual(['a-jwt-mode-or-two_words--more', 'twice', 'twice-1', 'linked-now']);
  });

  test('finds links and pictures outside of code, also over the end of a line', () => {
    const text = [
      '[a](b.md#c) ![d](e.svg "title") `[not](this)` [of a',
      'long `name`](f.md)',
      '```',
      '[nor](that)',
      '```',
      '<img src="g.svg">',
      '[h]: i.md',
    ].join('\n');
    expect(linksOf(text)).toEqual(['b.md#c', 'e.svg', 'f.md', 'g.svg', 'i.md']);
  });
});
