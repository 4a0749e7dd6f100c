import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { format, resolveConfig } from 'prettier';
import { actions } from '../../../src/core/graph/action-table.ts';
import { actionName } from '../../../src/core/graph/identify-action.ts';
import { documents, root } from './documents.ts';
import { sections } from './sections.ts';

const mark = /(<!-- generated: (\w+) -->\n).*?(<!-- end -->)/gs;
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** Documents with parts that are generated. */
const generated = documents.filter((name) => read(name).includes('<!-- generated: '));

describe('the documents', () => {
  test.each(generated)('%s repeats the tables of the code', async (name) => {
    const file = join(root, name);
    const before = read(name);
    const after = await format(
      before.replace(mark, (_, begin: string, part: string, end: string) => {
        const section = sections[part];
        if (section === undefined) throw new Error(`there is no table "${part}"`);
        return `${begin}\n${section}\n\n${end}`;
      }),
      { ...(await resolveConfig(file)), parser: 'markdown' },
    );
    if (process.env.TALLYLIGHT_WRITE_DOCS === '1') writeFileSync(file, after);
    else expect(before).toBe(after);
  });

  test('show every table once', () => {
    const shown = generated.flatMap((name) => [...read(name).matchAll(mark)].map(([, , part]) => part));
    expect(shown.sort()).toEqual(Object.keys(sections).sort());
  });

  test('names every action by a short name of its own per method and path', () => {
    expect(new Set(actions.map(({ method, template }) => `${method} ${template}`)).size).toBe(actions.length);
    expect(actions.map(actionName).every((name) => name.length > 0)).toBe(true);
  });
});
