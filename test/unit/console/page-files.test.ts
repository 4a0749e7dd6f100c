import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readPageFiles } from '../../../src/console/page-files.ts';

/** As it is built. */
const dist = new URL('../../../dist/src/', import.meta.url);
const mainOf = (index: Buffer): string => /src="\/([^"]+main\.js)"/.exec(index.toString())?.[1] ?? '';

describe('what browsers load', () => {
  test('every module that is imported is served, by relative paths alone', () => {
    const page = readPageFiles(dist);
    const waiting = [mainOf(page.index)];
    const seen = new Set<string>();
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const file = page.find(path);
      expect([path, file?.type]).toEqual([path, 'text/javascript; charset=utf-8']);
      const imports =
        file?.bytes.toString().matchAll(/\bfrom ['"]([^'"\n]+)['"];$|\bimport\(['"]([^'"\n]+)['"]\)/gm) ?? [];
      for (const [, fixed, lazy] of imports) {
        const specifier = fixed ?? lazy ?? '';
        expect(specifier).toMatch(/^\.\.?\//);
        waiting.push(posix.join(posix.dirname(path), specifier));
      }
    }
    expect(seen.size).toBeGreaterThan(20);
    expect([...seen].some((path) => path.endsWith('core/reasons.js'))).toBe(true);
  });

  test('whatever the document names is there', () => {
    const page = readPageFiles(dist);
    const named = [...page.index.toString().matchAll(/(?:href|src)="\/([^"]+)"/g)].map(
      ([, path = '']) => path,
    );
    expect(named.length).toBeGreaterThan(3);
    for (const path of named) expect([path, page.find(path) !== undefined]).toEqual([path, true]);
  });

  test('nothing else is', () => {
    const page = readPageFiles(dist);
    const root = mainOf(page.index).replace('console/page/main.js', '');
    for (const path of [
      'console/console.js',
      'console/page/main.js.map',
      'console/page/../console.js',
      '../package.json',
    ])
      expect(page.find(root + path)).toBeUndefined();
    expect(page.find('console/page/main.js')).toBeUndefined();
  });
});

describe('the path of the files', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tallylight-page-'));
    mkdirSync(join(directory, 'console/page'), { recursive: true });
    writeFileSync(join(directory, 'console/page/index.html'), '<script src="{{page}}main.js"></script>');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('changes with what is in them, and with nothing else', () => {
    const pathWith = (text: string): string => {
      writeFileSync(join(directory, 'console/page/main.js'), text);
      return mainOf(readPageFiles(pathToFileURL(`${directory}/`)).index);
    };
    const [one, other, again] = [pathWith('1'), pathWith('2'), pathWith('1')];
    expect(one).not.toBe(other);
    expect(again).toBe(one);
  });
});
