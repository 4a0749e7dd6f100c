import { randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type Env = Readonly<Record<string, string>>;

/** What the tests of a file share. */
export interface Place {
  readonly directory: string;
  /** A port of 127.0.0.1 on which something else listens. */
  readonly takenPort: number;
  /** A port of 127.0.0.1 on which nobody listens. */
  readonly closedPort: number;
  /** The origin of the token mint, whose keys and tokens are good. */
  readonly mint: { readonly issuer: string; readonly jwksUri: string; readonly tokenEndpoint: string };
  later(clean: () => Promise<unknown>): void;
}

export interface Mistake {
  readonly what: string;
  readonly env: (place: Place) => Env | Promise<Env>;
  /** The setting that is named. */
  readonly names: string;
  readonly says: RegExp;
  /** The exit code of the check; 0: it is a doubt. */
  readonly check: 0 | 3 | 4 | 5;
  /** What a start does: it ends with the same code, it goes on with a warning, or nothing tells it before a call does. */
  readonly start: 'ends' | 'warns' | 'unaware';
}

export const file = async (
  { directory }: Place,
  text: string,
  name: string = randomUUID(),
): Promise<string> => {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
};

export const folder = async (
  { directory }: Place,
  files: Readonly<Record<string, string>>,
): Promise<string> => {
  const path = await mkdtemp(join(directory, 'folder-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
};

export const issuer = ({ mint }: Place, change: object): Env => ({
  TALLYLIGHT_ISSUERS: JSON.stringify([
    { issuer: mint.issuer, audience: 'api://tallylight', jwksUri: mint.jwksUri, ...change },
  ]),
});

export const credential = (place: Place, change: object): Env => ({
  TALLYLIGHT_GRAPH_CREDENTIAL: JSON.stringify({
    tokenEndpoint: place.mint.tokenEndpoint,
    clientId: randomUUID(),
    ...change,
  }),
});

export const tls = ({ certFile, keyFile }: { certFile: string; keyFile: string }): Env => ({
  TALLYLIGHT_TLS_CERT_FILE: certFile,
  TALLYLIGHT_TLS_KEY_FILE: keyFile,
  TALLYLIGHT_PUBLIC_URL: 'https://localhost:8443',
});

export const set = (name: string, value: string): Pick<Mistake, 'names' | 'env'> => ({
  names: name,
  env: () => ({ [name]: value }),
});
