import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { sha256, canonicalJson } from '../../../src/core/call/evidence.ts';
import { verifyJournal } from '../../../src/evidence/verify/verify.ts';

const page = fileURLToPath(new URL('../../../docs/evidence/format.md', import.meta.url));

test('the example on the page verifies, by the verifier and by the formula', async () => {
  const [, text = ''] = /```jsonl\n(.*?)```/s.exec(await readFile(page, 'utf8')) ?? [];
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-example-'));
  try {
    const file = join(directory, 'evidence-2026-01-31.jsonl');
    await writeFile(file, text);
    expect(await verifyJournal([file])).toMatchObject({
      ok: true,
      lines: 3,
      records: 2,
      steps: 1,
      refusedWrites: 3,
    });
  } finally {
    await rm(directory, { recursive: true });
  }
  for (const line of text.split('\n').slice(0, -1)) {
    const { hash, ...unsealed } = JSON.parse(line) as { readonly hash: string };
    expect(sha256(canonicalJson(unsealed))).toBe(hash);
  }
});
