import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { callbackPath } from '../../../src/sandbox/peers.ts';
import { loadSettings } from '../../../src/settings/settings.ts';

interface Service {
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly env_file?: string;
  readonly command?: readonly string[];
  readonly healthcheck?: unknown;
  readonly image?: string;
}

const file = readFileSync(new URL('../../../docker-compose.yml', import.meta.url), 'utf8');
const { services } = parse(file, { merge: true }) as { services: Record<string, Service> };

/** The lines of the file that the services name by default. */
const sandboxEnv = Object.fromEntries(
  readFileSync(new URL('../../../deploy/sandbox.env', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', value = ''] = /^(\w+)='?(.*?)'?$/.exec(line) ?? [];
      return [name, value];
    }),
);

describe('docker-compose.yml', () => {
  test.each(['proxy-a', 'proxy-b'])('gives %s settings that it starts with', (name) => {
    const service = services[name];
    expect(service?.env_file).toBe('${TALLYLIGHT_ENV_FILE:-deploy/sandbox.env}');
    const own = Object.entries(service?.environment ?? {}).map(([key, value]) => [key, String(value)]);
    const env = { ...sandboxEnv, ...(Object.fromEntries(own) as Record<string, string>) };
    expect(loadSettings(env)).toMatchObject({
      mode: 'proxy',
      controlAuth: 'jwt',
      redisUrl: 'redis://redis:6379',
      callbackUrl: 'http://127.0.0.1:8080',
      callbacks: [{ path: callbackPath }],
    });
  });

  test('keeps a Redis that neither evicts nor forgets', () => {
    expect(services.redis?.command?.join(' ')).toMatch(
      /--appendonly yes --appendfsync always --maxmemory-policy noeviction/,
    );
  });

  test('checks the health of every service', () => {
    // The proxies' check is in the image.
    const unchecked = Object.entries(services).filter(([, service]) => service.healthcheck === undefined);
    expect(unchecked.map(([name]) => name)).toEqual(['proxy-a', 'proxy-b']);
    expect(readFileSync(new URL('../../../Dockerfile', import.meta.url), 'utf8')).toMatch(/^HEALTHCHECK /m);
  });
});
