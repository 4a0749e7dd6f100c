import { open } from 'node:fs/promises';
import type { ClientAuth } from 'oauth4webapi';
import { Fault } from '../core/errors.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const compactJws = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const maxBytes = 64 * 1024;

/**
 * Proves a client by a token that its platform issues into a file, such as the projected service account token of
 * Kubernetes. The platform replaces the token before it expires, so the file is read for each request. Errors name the
 * file and never its content.
 */
export const federatedToken = (file: string) => async (): Promise<ClientAuth> => {
  const assertion = await readAssertion(file);
  return (_server, client, body) => {
    body.set('client_id', client.client_id);
    body.set('client_assertion_type', assertionType);
    body.set('client_assertion', assertion);
  };
};

async function readAssertion(file: string): Promise<string> {
  const invalid = (what: string, cause?: unknown): Fault =>
    new Fault('IssuerUnreachable', `the federated token file ${file} ${what}`, { cause });
  let text: string;
  try {
    text = await readStart(file);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw invalid(`cannot be read (${code})`, error);
  }
  const assertion = text.trim();
  if (assertion === '') throw invalid('is empty');
  if (!compactJws.test(assertion)) throw invalid('does not contain a signed JWT');
  return assertion;
}

/** What is longer is no token, whatever it is. */
async function readStart(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
