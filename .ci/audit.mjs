// Runs `npm audit`. A finding fails unless audit-answers.json says, by the id of its advisory, why it does not matter.
// A registry without an audit endpoint cannot be asked: that is said aloud, and with --required it fails.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { judgeAudit } from './audit-rules.mjs';

const answers = JSON.parse(readFileSync(new URL('audit-answers.json', import.meta.url), 'utf8'));
const { npm_execpath: npm } = process.env;
const [command, ...before] = npm === undefined ? ['npm'] : [process.execPath, npm];
const { stdout } = spawnSync(command, [...before, 'audit', '--json'], {
  cwd: new URL('..', import.meta.url),
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
});
const { asked, lines } = judgeAudit(JSON.parse(stdout || '{}'), answers);
for (const line of lines) console.error(line);
if (lines.length > 0 && (asked || process.argv.includes('--required'))) process.exitCode = 1;
