import { describe, expect, test } from '@jest/globals';
import type { Log } from '../../../src/core/ports/log.ts';
import { loadSettings } from '../../../src/settings/settings.ts';
import { warnAbout } from '../../../src/settings/warnings.ts';
import { silentLog } from '../../support/world.ts';

const [tenant, bot, other] = ['1', '2', '3'].map(
  (n) => `${n.repeat(8)}-${n.repeat(4)}-4${n.repeat(3)}-8${n.repeat(3)}-${n.repeat(12)}`,
);
const issuer = {
  issuer: 'https://login.example',
  audience: 'api://x',
  jwksUri: 'https://login.example/keys',
};
const credential = { tenant, clientId: 'client', clientSecret: 'x' };

function warnings(issuers: readonly object[], credentials: readonly object[]): object[] {
  const settings = loadSettings({
    TALLYLIGHT_GRAPH_URL: 'https://graph.microsoft.com',
    TALLYLIGHT_EVIDENCE_DIR: 'evidence',
    TALLYLIGHT_CONTROL_AUTH: 'jwt',
    TALLYLIGHT_ISSUERS: JSON.stringify(issuers),
    TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify(credentials),
  });
  if (settings.mode !== 'proxy') throw new Error('the sandbox was chosen');
  const told: object[] = [];
  const log: Log = { ...silentLog, warn: (facts) => void told.push(facts) };
  warnAbout(settings, log);
  return told;
}

describe('a Graph credential', () => {
  test('without "apps" is warned about where several applications may use it', () => {
    const shared = { setting: 'TALLYLIGHT_GRAPH_CREDENTIAL[0]', client: 'client' };
    expect(warnings([issuer], [credential])).toEqual([shared]);
    expect(warnings([{ ...issuer, apps: [bot] }, issuer], [credential])).toEqual([shared]);
    expect(warnings([{ ...issuer, apps: [bot, other] }], [credential])).toEqual([
      { ...shared, applications: [bot, other] },
    ]);
    expect(
      warnings([{ ...issuer, apps: [bot, other] }], [{ ...credential, apps: [bot] }, credential]),
    ).toEqual([{ ...shared, setting: 'TALLYLIGHT_GRAPH_CREDENTIAL[1]', applications: [bot, other] }]);
  });

  test('that one application uses, or that names its applications, is not', () => {
    expect(warnings([{ ...issuer, apps: [bot] }], [credential])).toEqual([]);
    expect(warnings([issuer], [{ ...credential, apps: [bot] }])).toEqual([]);
    expect(warnings([issuer], [{ ...credential, apps: [`${tenant}/${bot}`, other] }])).toEqual([]);
  });
});
