import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { format, resolveConfig } from 'prettier';
import { parseCallKey } from '../../../src/core/call/key.ts';
import { transitions, unknownCall } from '../../../src/core/call/state.ts';
import { chain, sha256, canonicalJson } from '../../../src/core/call/evidence.ts';
import { lineKinds } from '../../../src/core/call/evidence-lines.ts';
import { emptyHead, encodeLine } from '../../../src/evidence/journal/journal.ts';
import { verifyJournal } from '../../../src/evidence/verify/verify.ts';
import { refusedWrites, start, who } from '../../support/evidence/history.ts';

const page = fileURLToPath(new URL('../../../docs/evidence/format.md', import.meta.url));

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** A refused start, whose answer came when the clock had been set back, and writes of a call that nobody knows. */
function example(): string {
  const common = { call: parseCallKey('57dab8b1894c409ab240bd8beae78896')!, policy: null, by: who };
  const asked = chain(
    unknownCall,
    { ...unknownCall, state: 'starting', epoch: start },
    { ...common, at: start, event: 'startRequested', instance: 'session-1', detail: {} },
  );
  const refused = chain(
    asked.state,
    { ...asked.state, state: 'idle' },
    {
      ...common,
      at: start + 250 - 3_600_000,
      event: 'startRefused',
      instance: 'session-1',
      detail: { outcome: 'refused', code: '8506' },
    },
  );
  const first = encodeLine(emptyHead, { record: asked.record });
  const second = encodeLine(first.head, { record: refused.record });
  const third = encodeLine(second.head, { refusedWrites: refusedWrites() });
  return `\`\`\`jsonl\n${first.text}${second.text}${third.text}\`\`\``;
}

const sections: Readonly<Record<string, string>> = {
  lineKinds: table(
    ['kind', 'version', 'what it holds'],
    Object.entries(lineKinds).map(([kind, { version, holds }]) => [`\`${kind}\``, String(version), holds]),
  ),
  transitions: table(
    ['event', 'from', 'to'],
    Object.entries(transitions).flatMap(([event, targets]) =>
      Object.entries(targets).map(([from, to]) => [`\`${event}\``, `\`${from}\``, `\`${to}\``]),
    ),
  ),
  example: example(),
};

test('the page about the format repeats the tables and the example of the code', async () => {
  const before = await readFile(page, 'utf8');
  const after = await format(
    before.replace(
      /(<!-- generated: (\w+) -->\n).*?(<!-- end -->)/gs,
      (_, begin: string, name: string, end: string) => `${begin}\n${sections[name] ?? ''}\n\n${end}`,
    ),
    { ...(await resolveConfig(page)), parser: 'markdown' },
  );
  if (process.env.TALLYLIGHT_WRITE_DOCS === '1') await writeFile(page, after);
  else expect(before).toBe(after);
});

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
