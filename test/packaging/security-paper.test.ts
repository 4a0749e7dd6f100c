import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const paper = readFileSync(join(root, 'SECURITY.md'), 'utf8').replace(/\s+/g, ' ');

/** What SECURITY.md links to: words of the name of a test, and its file. */
const links = [...paper.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)].map(([, words = '', file = '']) => ({
  words,
  file,
}));

test('SECURITY.md names a test for every attacker', () => {
  const attackers = paper.split(/(?=\*\*[A-Z])/).slice(2);
  expect(attackers.length).toBeGreaterThanOrEqual(8);
  expect(attackers.filter((part) => !/\]\(test\//.test(part))).toEqual([]);
});

test.each(links)('the test “$words” is in $file', ({ words, file }) => {
  expect(existsSync(join(root, file))).toBe(true);
  const titles = readFileSync(join(root, file), 'utf8').match(/(?:'[^'\n]*'|`[^`\n]*`)/g) ?? [];
  expect(titles.filter((title) => title.includes(words))).not.toEqual([]);
});
