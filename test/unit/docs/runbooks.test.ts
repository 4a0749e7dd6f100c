import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { alerts } from '../../support/prometheus-rules.ts';
import { root } from './documents.ts';

const folder = 'docs/operate/runbooks';
const pages = readdirSync(join(root, folder)).filter((name) => name !== 'README.md');
const names = [...new Set(alerts.map(({ alert }) => alert))];

test('each alert has its runbook, and each runbook its alert', () => {
  expect(pages.sort()).toEqual(names.map((name) => `${name}.md`).sort());
});

test('each alert leads to its own', () => {
  const { homepage } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { homepage: string };
  const base = homepage.replace('#readme', '/blob/main');
  for (const { alert, annotations } of alerts)
    expect(annotations.runbook_url).toBe(`${base}/${folder}/${alert}.md`);
});

test.each(pages)('%s answers the same four questions', (page) => {
  const text = readFileSync(join(root, folder, page), 'utf8');
  const headings = [...text.matchAll(/^#+ .+$/gm)].map(([line]) => line);
  expect(headings).toEqual([
    `# ${page.replace('.md', '')}`,
    '## What it means',
    '## What is true of the calls',
    '## What to look at',
    '## What to do',
  ]);
  const answers = text.split(/^#+ .+$/m).slice(2);
  expect(answers.filter((answer) => answer.trim() === '')).toEqual([]);
});
