import { Fault, messageOf } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import { fetchBounded, secureUrl, type Fetch } from './fetch.ts';

/** Where a key set is published. */
export interface KeySource {
  /** The address that an operator configured, and of what; tells sources apart. */
  readonly name: string;
  /** The key set as it is published now; throws `IssuerUnreachable`. */
  download(fetch: Fetch): Promise<string>;
}

const timeoutMs = 5000;
const maxBytes = 1024 * 1024;

/** Throws `ConfigurationInvalid`. */
export function keysAt(issuer: string, address: string): KeySource {
  const url = secureUrl(`the key server of issuer ${issuer}`, address);
  return { name: url.href, download: (fetch) => get(fetch, url, 'the key server') };
}

/**
 * Keys at the `jwks_uri` of OpenID metadata, which is asked again each time. It must stay at the origin of the
 * metadata, so that who can change the one place cannot name another. Throws `ConfigurationInvalid`.
 */
export function keysOfMetadata(issuer: string, address: string): KeySource {
  const url = secureUrl(`the metadata of issuer ${issuer}`, address);
  return {
    name: `${url.href} (metadata)`,
    async download(fetch) {
      const named = keyAddress(await get(fetch, url, 'the metadata server'));
      if (named.origin !== url.origin)
        throw new Fault('IssuerUnreachable', 'jwks_uri in the metadata is at another origin');
      return get(fetch, named, 'the key server');
    },
  };
}

function keyAddress(metadata: string): URL {
  try {
    const read: unknown = JSON.parse(metadata);
    return secureUrl('jwks_uri', isRecord(read) ? String(read.jwks_uri) : '');
  } catch (error) {
    throw new Fault('IssuerUnreachable', `the metadata is not valid: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function get(fetch: Fetch, url: URL, what: string): Promise<string> {
  const headers = { accept: 'application/jwk-set+json, application/json' };
  const response = await fetchBounded(fetch, url.href, { method: 'GET', headers, timeoutMs, maxBytes });
  if (response.status !== 200) throw new Fault('IssuerUnreachable', `${what} answered ${response.status}`);
  return response.text();
}
