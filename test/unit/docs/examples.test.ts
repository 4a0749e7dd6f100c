import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { loadSettings } from '../../../src/settings/settings.ts';
import { root } from './documents.ts';
import { blocksOf } from './markdown.ts';

const ids: Readonly<Record<string, string>> = {
  '<tenant>': '11111111-2222-4333-8444-555555555555',
  '<client id of the bot>': '22222222-3333-4444-8555-666666666666',
  '<client id of the proxy>': '66666666-7777-4888-9999-000000000000',
};

const blocks = (page: string, language: string): string[] =>
  blocksOf(readFileSync(join(root, page), 'utf8')).flatMap((block) =>
    block.language === language
      ? [Object.entries(ids).reduce((text, [name, id]) => text.replaceAll(name, id), block.text)]
      : [],
  );

/** The settings that the lines for a shell give. */
const settingsIn = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/\b(TALLYLIGHT_\w+)=(?:'([^']*)'|(\S+))/g)].map(([, name = '', quoted, plain]) => [
      name,
      quoted ?? plain ?? '',
    ]),
  );

const readFile = (): string => 'the content of a file';
const load = (env: Record<string, string>): unknown => loadSettings(env, readFile);

const [proxy = ''] = blocks('README.md', 'sh').filter((text) => text.includes('TALLYLIGHT_GRAPH_URL'));
const base = settingsIn(proxy);

describe('the program starts with the settings of', () => {
  test('the README', () => {
    expect(Object.keys(base).length).toBeGreaterThan(8);
    expect(load(base)).toMatchObject({ mode: 'proxy', controlAuth: 'jwt', host: '0.0.0.0' });
  });

  test('the page about running, in the environment and in a file', () => {
    const [sh = '', ...more] = blocks('docs/operate/running.md', 'sh');
    expect(more).toEqual([]);
    expect(settingsIn(sh)).toEqual(base);
    const [yaml = ''] = blocks('docs/operate/running.md', 'yaml');
    const inFile = Object.keys(parse(yaml) as object);
    const others = Object.fromEntries(Object.entries(base).filter(([name]) => !inFile.includes(name)));
    const config = (path: string): string => (path === 'settings.yaml' ? yaml : readFile());
    expect(inFile).toContain('TALLYLIGHT_MEDIA_ROUTES');
    expect(() => loadSettings({ ...others, TALLYLIGHT_CONFIG: 'settings.yaml' }, config)).not.toThrow();
  });

  test('the page about notifications', () => {
    const [sh = ''] = blocks('docs/bots/notifications.md', 'sh');
    expect(load({ ...base, ...settingsIn(sh) })).toMatchObject({ callbacks: [{ path: '/api/calling/*' }] });
  });

  test.each([0, 1])('the page about TLS, way %i', (way) => {
    const sh = blocks('docs/operate/tls.md', 'sh')[way] ?? '';
    expect(load({ ...base, ...settingsIn(sh) })).toMatchObject({ publicUrl: 'https://tallylight.example' });
  });

  test('the page about edges', () => {
    const [sh = ''] = blocks('docs/operate/edges.md', 'sh').filter((text) => text.includes('TALLYLIGHT_'));
    expect(load({ ...base, ...settingsIn(sh) })).toMatchObject({
      requestStart: { header: 'X-Request-Start' },
    });
  });

  test('the page about Entra', () => {
    const [issuers = '', credential = '', both = ''] = blocks('docs/operate/entra.md', 'json');
    for (const list of [issuers, both])
      expect(() =>
        load({ ...base, TALLYLIGHT_ISSUERS: list, TALLYLIGHT_GRAPH_CREDENTIAL: credential }),
      ).not.toThrow();
  });
});
