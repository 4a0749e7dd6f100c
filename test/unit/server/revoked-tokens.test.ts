import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { tokenFacts } from '../../../src/core/http/revoked-tokens.ts';
import type { Log } from '../../../src/core/ports/log.ts';
import { watchRevocations, type WatchedRevocations } from '../../../src/server/revoked-tokens.ts';
import { eventually } from '../../support/eventually.ts';

const who = {
  issuer: 'https://issuer.example',
  tenant: '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f',
  app: 'c4d5e6f7-1a2b-4c3d-9e8f-0a1b2c3d4e5f',
};
const token = (jti: string) => tokenFacts('a.b.c', { jti }, who);

let directory: string;
let file: string;
let logged: string[];
/** What the metrics are told. */
let reports: string[];
let watched: WatchedRevocations | undefined;
const note = (facts: unknown, text: string): void => void logged.push(`${text} ${JSON.stringify(facts)}`);
const log: Log = { debug: note, info: note, warn: note, error: note };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'revoked-'));
  file = join(directory, 'revoked.yaml');
  logged = [];
  reports = [];
});
afterEach(() => {
  watched?.close();
  rmSync(directory, { recursive: true });
});

/** Reads what is given, one after the other, and the last again and again. */
function reading(...contents: readonly (string | Error)[]): { looks: () => number } {
  let looks = 0;
  watched = watchRevocations(file, log, {
    meter: {
      loaded: (what) => void reports.push(what),
      revocationListReload: (ok) => void reports.push(ok ? 'taken' : 'failed'),
    },
    everyMs: 1,
    read: () => {
      const next = contents[Math.min(looks, contents.length - 1)] ?? '';
      looks += 1;
      return typeof next === 'string' ? Promise.resolve(next) : Promise.reject(next);
    },
  });
  return { looks: () => looks };
}

const full = '- jti: one\n- jti: two\n';
const changes = (): number => logged.filter((line) => line.includes('has changed')).length;

test('a list that is being written is not taken for a shorter one', async () => {
  writeFileSync(file, full);
  const { looks } = reading(full, '- jti: one\n', `${full}- jti: three\n`);
  let wasLet = false;
  watched?.onChange(() => {
    wasLet ||= watched?.isRevoked(token('two')) === false;
  });
  await eventually(() => watched?.isRevoked(token('three')));
  await eventually(() => looks() > 10);
  expect([wasLet, changes()]).toEqual([false, 1]);
  expect(watched?.isRevoked(token('two'))).toBe(true);
});

test.each<[string, string | Error, string]>([
  ['is broken', '- token: x\n', 'is not known here'],
  ['is empty', '', 'must have a list'],
  ['is gone', new Error('ENOENT: no such file'), 'ENOENT'],
])('a list that %s leaves the previous one in force, and is logged once', async (_, next, what) => {
  writeFileSync(file, full);
  const { looks } = reading(full, next);
  await eventually(() => logged.length > 0);
  await eventually(() => looks() > 10);
  expect(logged).toEqual([expect.stringContaining('the previous list stays in force')]);
  expect(logged[0]).toContain(what);
  // For as long as it lasts, so that an alert does not end before it does.
  expect(reports.filter((report) => report === 'failed').length).toBeGreaterThan(5);
  expect(reports).not.toContain('taken');
  expect(watched?.isRevoked(token('one'))).toBe(true);
});

test('a list may be emptied, and whoever listens learns of it', async () => {
  writeFileSync(file, full);
  reading('[]\n');
  let told = 0;
  const stop = watched?.onChange(() => (told += 1));
  await eventually(() => watched?.isRevoked(token('one')) === false);
  expect(told).toBe(1);
  expect(reports).toEqual(['revokedTokens', 'taken']);
  stop?.();
});

test('the file itself is read again', async () => {
  writeFileSync(file, '[]');
  watched = watchRevocations(file, log, { everyMs: 1 });
  expect(watched.isRevoked(token('one'))).toBe(false);
  writeFileSync(file, full);
  await eventually(() => watched?.isRevoked(token('one')));
});

test('there is no start without it', () => {
  let fault: unknown;
  try {
    watchRevocations(file, log);
  } catch (error) {
    fault = error;
  }
  expect(fault).toBeFault('ConfigurationInvalid');
  expect(String(fault)).toContain('cannot be read (ENOENT)');
});
