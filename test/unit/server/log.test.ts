import { expect, test } from '@jest/globals';
import { createLog } from '../../../src/server/log.ts';

test('the log holds no token, join token or body, at the top or one level down', () => {
  const lines: string[] = [];
  const log = createLog('debug', { write: (line) => void lines.push(line) });
  const secrets = {
    authorization: 'canary-1',
    token: 'canary-2',
    joinToken: 'canary-3',
    recordingAccessToken: 'canary-4',
    clientSecret: 'canary-5',
    body: 'canary-6',
    metadata: 'canary-7',
  };
  log.info({ ...secrets, call: 'shown' }, 'top');
  log.error({ headers: secrets, call: 'shown' }, 'below');
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toContain('canary');
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ call: 'shown' });
});

test('every line of a worker names it, and no line does where there is none', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  createLog('info', destination, 3).info({ call: 'x' }, 'of a worker');
  createLog('info', destination).info({ call: 'x' }, 'alone');
  expect(lines.map((line) => (JSON.parse(line) as { worker?: number }).worker)).toEqual([3, undefined]);
});
