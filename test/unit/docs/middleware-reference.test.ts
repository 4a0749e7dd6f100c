import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { format, resolveConfig } from 'prettier';
import { root } from './documents.ts';

const document = join(root, 'docs/reference/middleware.md');

const preamble = `# Middleware

The public API of \`tallylight/middleware\`, generated from its TypeScript declarations (\`npm run docs\`).
[Tallylight as middleware](../../middleware/README.md) explains how to use it.
`;

/** The reference as TypeDoc writes it; fails for what is exported without a description. */
async function generate(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-typedoc-'));
  try {
    await promisify(execFile)(
      process.execPath,
      [join(root, 'node_modules/typedoc/bin/typedoc'), '--options', 'typedoc.json', '--out', directory],
      { cwd: root },
    );
    const written = await readFile(join(directory, 'middleware.md'), 'utf8');
    return await format(
      written
        .replace(/^# .*\n/, preamble)
        // Members are found by the heading of their interface.
        .replaceAll(/<a id="[^"]*"><\/a> ?/g, '')
        .replaceAll(/\n\*\*\*\n/g, '\n'),
      { ...(await resolveConfig(document)), parser: 'markdown' },
    );
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('the reference of the middleware is that of its declarations', async () => {
  const generated = await generate();
  if (process.env.TALLYLIGHT_WRITE_DOCS === '1') await writeFile(document, generated);
  else expect(await readFile(document, 'utf8')).toBe(generated);
});
