import { describe, expect, test } from '@jest/globals';
import { fetchBounded, secureUrl, type Fetch } from '../../../src/auth/fetch.ts';

const request = { method: 'GET', headers: {}, timeoutMs: 60_000, maxBytes: 10 } as const;

const answering = (...chunks: string[]): Fetch => {
  const body = (async function* () {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
  })();
  return () => Promise.resolve({ status: 201, headers: new Headers({ 'content-type': 'text/x' }), body });
};

describe('fetching a whole answer', () => {
  test('keeps status, type and body', async () => {
    const response = await fetchBounded(answering('01234', '56789'), 'https://a.test/', request);
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('text/x');
    expect(await response.text()).toBe('0123456789');
  });

  test('gives up on an answer that is one byte too large', async () => {
    const fetching = fetchBounded(answering('01234', '567890'), 'https://a.test/', request);
    await expect(fetching).rejects.toBeFault('IssuerUnreachable');
    await expect(fetching).rejects.toThrow('larger than 10 bytes');
  });

  test('gives up on a server that never answers', async () => {
    const silent: Fetch = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    // The signal's own timer does not keep the process alive; a socket would.
    const socket = setInterval(() => undefined, 1000);
    const fetching = fetchBounded(silent, 'https://a.test/', { ...request, timeoutMs: 5 });
    await expect(fetching).rejects.toBeFault('IssuerUnreachable');
    clearInterval(socket);
  });

  test('does not follow redirects', async () => {
    let redirect = '';
    const fetch: Fetch = (url, init) => {
      ({ redirect } = init);
      return answering()(url, init);
    };
    await fetchBounded(fetch, 'https://a.test/', request);
    expect(redirect).toBe('manual');
  });

  test('names the reason that fetch hides in the cause', async () => {
    const refused: Fetch = () =>
      Promise.reject(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } }));
    await expect(fetchBounded(refused, 'https://a.test/', request)).rejects.toThrow(
      'ECONNREFUSED: the connection was refused: nothing listens at this address and port',
    );
  });
});

describe('where keys and secrets may travel to', () => {
  test.each([
    'https://login.example/keys',
    'http://127.0.0.1:8080/x',
    'http://localhost/x',
    'http://[::1]:1/x',
  ])('%s is accepted', (url) => expect(secureUrl('it', url).href).toBe(url));

  test.each([
    'http://login.example/keys',
    'http://127.0.0.1.example/x',
    'http://localhost.example/x',
    'ftp://localhost/x',
    'file:///etc/passwd',
    'https://user:hunter2@login.example/',
    'https://user@login.example/',
    'login.example/keys',
    '',
  ])('%s is refused', (url) => {
    let fault: unknown;
    try {
      secureUrl('it', url);
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
    expect(String(fault)).not.toContain('hunter2');
  });
});
