import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errors, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose';

/** What Entra asks of a federated token: https://learn.microsoft.com/entra/workload-id/workload-identity-federation. */
const audience = 'api://AzureADTokenExchange';
const issuer = 'https://oidc.cluster.example/';
const subject = 'system:serviceaccount:media:tallylight';

/** A platform that projects a token into a file, as Kubernetes does, and the federated credential of an application. */
export interface Platform {
  /** Where the token is. */
  readonly file: string;
  /** Puts a new token into the file, by exchanging a link; returns it. */
  project(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Puts this into the file. */
  write(content: string): Promise<void>;
  /** What the token endpoint of Entra says of a request; undefined: it accepts the token. */
  readonly refusal: (form: URLSearchParams) => Promise<string | undefined>;
  stop(): Promise<void>;
}

export async function startPlatform(): Promise<Platform> {
  const directory = await mkdtemp(join(tmpdir(), 'tallylight-federation-'));
  const file = join(directory, 'azure-identity-token');
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const key = await importJWK({ ...(await exportJWK(privateKey)), alg: 'RS256' }, 'RS256');
  let count = 0;
  const write = async (content: string): Promise<void> => {
    count += 1;
    const [data, link] = [join(directory, `..${count}`), join(directory, `..link-${count}`)];
    await writeFile(data, content);
    await symlink(data, link);
    await rename(link, file);
  };
  return {
    file,
    write,
    async project(claims = {}) {
      const now = Math.floor(Date.now() / 1000);
      const usual = { iss: issuer, sub: subject, aud: audience, iat: now, exp: now + 3600, jti: `${count}` };
      const token = await new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'cluster' })
        .sign(key);
      await write(token);
      return token;
    },
    refusal: async (form) => {
      if (form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
        return 'AADSTS7000218: The request body must contain client_assertion or client_secret';
      try {
        await jwtVerify(form.get('client_assertion') ?? '', publicKey, { issuer, subject, audience });
        return undefined;
      } catch (error) {
        return error instanceof errors.JWTExpired
          ? 'AADSTS700024: Client assertion is not within its valid time range'
          : 'AADSTS700213: No matching federated identity record found for presented assertion';
      }
    },
    stop: () => rm(directory, { recursive: true, force: true }),
  };
}
