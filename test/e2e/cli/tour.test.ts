import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const tour = fileURLToPath(new URL('../../../dist/src/cli/tour.js', import.meta.url));

test('the tour passes every law', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [tour]);
  const lines = stdout.trim().split('\n');
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.filter((line) => !line.startsWith('passed  '))).toEqual([]);
});
