import { expect } from '@jest/globals';
import { messageOf } from '../../src/core/errors.ts';
import { loadSettings, type ProxySettings } from '../../src/settings/settings.ts';

export const tenant = '6f1d2c3a-58b4-4f0e-9c27-1a2b3c4d5e6f';
export const issuer = {
  issuer: 'https://login.example',
  audience: 'api://tallylight',
  jwksUri: 'https://login.example/keys',
};
export const client = { tenant, clientId: 'client', clientSecret: 'hunter2!' };
export const route = { path: '/media/{callId}/*', upstream: 'http://store:9000' };
export const base = {
  TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com',
  TALLYLIGHT_CONTROL_AUTH: 'jwt',
  TALLYLIGHT_EVIDENCE_DIR: 'evidence',
  TALLYLIGHT_ISSUERS: JSON.stringify([issuer]),
  TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify(client),
};

const files: Readonly<Record<string, string>> = {
  secret: 'from a file\n',
  key: 'the key',
  cert: 'the certificate',
  empty: '\n',
  'wide secret': 'hunter2!\n\n',
};

export function load(changes: Readonly<Record<string, unknown>>): ProxySettings {
  const written = Object.entries(changes).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  const settings = loadSettings({ ...base, ...Object.fromEntries(written) } as NodeJS.ProcessEnv, (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return text;
  });
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  return settings;
}

export function complaint(changes: Readonly<Record<string, unknown>>): string {
  try {
    load(changes);
  } catch (error) {
    expect(error).toBeFault('ConfigurationInvalid');
    return messageOf(error);
  }
  throw new Error('the settings were accepted');
}
