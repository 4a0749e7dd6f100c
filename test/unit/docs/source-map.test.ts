import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const source = fileURLToPath(new URL('../../../src/', import.meta.url));
const page = readFileSync(`${source}README.md`, 'utf8');
const named = [...page.matchAll(/`([a-z-]+(?:\/[a-z0-9.-]+)*\/?)`/g)].map(([, path = '']) => path);

const folders = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name !== 'README.md')
  .map(({ parentPath }) => `${parentPath}/`.replace(/\/+$/, '/').slice(source.length))
  .filter((folder) => folder !== '');

test('names every folder that holds files', () => {
  expect([...new Set(folders)].filter((folder) => !named.includes(folder))).toEqual([]);
});

test('names nothing that is not there', () => {
  const paths = named.filter((path) => path.includes('/'));
  expect(paths.length).toBeGreaterThan(40);
  expect(paths.filter((path) => !existsSync(source + path))).toEqual([]);
});
