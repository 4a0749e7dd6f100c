import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { json, send, sendRaw, type Answer } from '../../support/raw-http.ts';
import { startWorld, type World } from '../../support/world.ts';

let world: World;
let token: string;
let call: string;
beforeAll(async () => {
  world = await startWorld();
  token = await world.mint.mint();
});
afterAll(async () => {
  await world.close();
});
beforeEach(() => {
  call = world.graph.incomingCall({ answered: true });
});

const body = '{"status":"recording"}';
const head = (method: string, target: string): string =>
  `${method} ${target} HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer ${token}\r\n`;
/** A start, with the target exactly as it is written here. */
const startAt = (target: string): Promise<Answer | undefined> =>
  sendRaw(
    world.proxy.url,
    `${head('POST', target)}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );

async function reachesNothing(ask: () => Promise<Answer | undefined>): Promise<Answer | undefined> {
  const before = world.graph.log.length;
  const answer = await ask();
  expect(world.graph.log.slice(before)).toEqual([]);
  return answer;
}

describe('a target that', () => {
  const id = (): string => call;
  const path = (): string => `/v1.0/communications/calls/${id()}/updateRecordingStatus`;

  test.each<[string, () => string]>([
    ['is in absolute form', () => `http://graph.microsoft.com${path()}`],
    ['is in absolute form, for the proxy itself', () => `${world.proxy.url}${path()}`],
    ['climbs', () => `/v1.0/communications/x/../calls/${id()}/updateRecordingStatus`],
    ['climbs in percent-encoding', () => `/v1.0/communications/x/%2e%2e/calls/${id()}/updateRecordingStatus`],
    ['climbs in mixed encoding', () => `/v1.0/communications/x/.%2E/calls/${id()}/updateRecordingStatus`],
    ['is encoded twice', () => `/v1.0/communications/x/%252e%252e/calls/${id()}/updateRecordingStatus`],
    ['has an encoded percent sign that decodes again', () => path().replace('update', '%2575pdate')],
    ['has parameters', () => `${path()};x=y`],
    ['has parameters within', () => `/v1.0/communications;x/calls/${id()}/updateRecordingStatus`],
    ['has encoded parameters', () => `${path()}%3Bx`],
    ['has an encoded NUL', () => `${path()}%00`],
    ['has a NUL', () => `${path()}\0`],
    ['has a backslash', () => path().replace('/calls/', '\\calls\\')],
    ['has an encoded backslash', () => path().replace('/calls/', '%5ccalls%5c')],
    ['has an encoded slash', () => path().replace('/calls/', '%2Fcalls%2f')],
    ['has a fragment', () => `${path()}#x`],
    ['has an encoded fragment', () => `${path()}%23x`],
    ['has an encoded question mark', () => `${path()}%3fx`],
    ['has half of a percent sign', () => `${path()}%7`],
    ['has an overlong dot', () => `/v1.0/communications/x/%c0%ae%c0%ae/calls/${id()}/updateRecordingStatus`],
    ['has letters outside ASCII', () => path().replace('i', 'ı')],
    ['has a space', () => `${path()} x`],
    ['has a tab', () => `${path()}\tx`],
    ['has 9 KiB', () => `${path()}?${'x'.repeat(9 * 1024)}`],
    ['has more than all headers may have', () => `${path()}?${'x'.repeat(17 * 1024)}`],
    ['is an asterisk', () => '*'],
    ['is empty but for a query', () => `?${path()}`],
  ])('%s is refused, and Graph hears nothing', async (_, target) => {
    const answer = await reachesNothing(() => startAt(target()));
    expect(answer?.status).toBe(400);
    expect(answer?.headers['tallylight-reason']).toBe('TargetInvalid');
  });

  test.each<[string, () => string]>([
    ['is not of Graph', () => '/'],
    ['is another API of Graph', () => '/v1.0/me'],
    ['has another version', () => path().replace('v1.0', 'v2.0')],
    ['has another host in front', () => `//graph.microsoft.com${path()}`],
    ['goes on', () => `${path()}/x`],
    ['only looks like an action', () => path().replace('Recording', 'Recordıng').replace('ı', '%C4%B1')],
    [
      'has an action of another namespace',
      () => path().replace('update', 'microsoft.graph.callRecords.update'),
    ],
  ])('%s is not on the list, and Graph hears nothing', async (_, target) => {
    const answer = await reachesNothing(() => startAt(target()));
    expect(answer?.status).toBe(403);
    expect(answer?.headers['tallylight-reason']).toBe('ActionUnknown');
  });

  test.each<[string, () => string]>([
    ['is of the other version', () => path().replace('v1.0', 'beta')],
    [
      'has other letter case',
      () => path().replace('v1.0', 'V1.0').replace('communications', 'COMMUNICATIONS'),
    ],
    ['has a key in parentheses', () => path().replace(`/${id()}`, `('${id()}')`)],
    ['has an encoded key in parentheses', () => path().replace(`/${id()}`, `(%27${id()}%27)`)],
    ['has the qualified name', () => path().replace('update', 'microsoft.graph.update')],
    [
      'has an undashed call id in upper case',
      () => path().replace(id(), id().replaceAll('-', '').toUpperCase()),
    ],
    ['has encoded letters', () => path().replace('update', '%75pdate')],
    ['has double slashes', () => path().replaceAll('/', '//')],
    ['has dots', () => path().replaceAll('/', '/./')],
    ['has a slash at its end', () => `${path()}/`],
    ['has a query', () => `${path()}?a=b&status=notRecording`],
  ])('%s is a start of the same call as any other', async (_, target) => {
    const answer = await startAt(target());
    expect(answer?.status).toBe(200);
    expect(answer?.headers['tallylight-gate']).toBe('open');
    expect(
      (await send(world.proxy.url, { method: 'POST', path: `/media/${id()}/x`, token, body: 'x' })).status,
    ).toBe(201);
    // What was judged is what is sent: nothing that a reader could take for another path.
    expect(world.graph.log.at(-1)?.path.split('?')[0]).toMatch(
      /^\/(v1\.0|beta)\/communications\/calls\/[0-9A-Fa-f-]{32,36}\/(microsoft\.graph\.)?updateRecordingStatus$/,
    );
  });

  test.each([
    '1',
    'not-a-guid',
    '00000000-0000-0000-0000-00000000000',
    `{00000000-0000-0000-0000-000000000000}`,
    '~',
  ])('names the call "%s" is refused, since that is no GUID', async (name) => {
    const answer = await reachesNothing(() =>
      startAt(`/v1.0/communications/calls/${encodeURIComponent(name)}/updateRecordingStatus`),
    );
    expect(['CallIdInvalid', 'ActionUnknown']).toContain(answer?.headers['tallylight-reason']);
  });
});

describe('a method', () => {
  test.each(['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'MERGE'])(
    '%s is not offered for a status change, and the answer says what is',
    async (method) => {
      const path = `/v1.0/communications/calls/${call}/updateRecordingStatus`;
      const answer = await reachesNothing(() =>
        sendRaw(world.proxy.url, `${head(method, path)}Connection: close\r\n\r\n`),
      );
      expect(answer?.status ?? 405).toBe(405);
      if (answer !== undefined) expect(answer.headers.allow).toBe('POST');
    },
  );

  test.each(['FOO', 'post', 'POS T'])('"%s", which is unknown to HTTP, is refused', async (method) => {
    const answer = await reachesNothing(() =>
      sendRaw(world.proxy.url, `${head(method, '/v1.0/communications')}\r\n`),
    );
    expect(answer?.status).toBe(400);
  });

  test('override in a header is no method: the status change stays one', async () => {
    const path = `/v1.0/communications/calls/${call}/keepAlive`;
    const headers = {
      'x-http-method-override': 'DELETE',
      'x-http-method': 'DELETE',
      'x-method-override': 'DELETE',
    };
    expect((await send(world.proxy.url, { method: 'POST', path, token, headers })).status).toBe(200);
    expect(world.graph.log.at(-1)?.headerNames.filter((name) => name.includes('method'))).toEqual([]);
  });
});

describe('what is on the list as refused', () => {
  const createCall = (path: string): Promise<Answer> =>
    send(world.proxy.url, { method: 'POST', path, token, ...json({ requests: [] }) });

  test.each(['/v1.0/$batch', '/beta/%24batch', '/V1.0/$BATCH'])(
    'a batch (%s) would hide status changes',
    async (path) => {
      const answer = await reachesNothing(() => createCall(path));
      expect(answer?.status).toBe(403);
      expect(answer?.headers['tallylight-reason']).toBe('BatchRefused');
    },
  );

  test('a PATCH of a call could point its notifications elsewhere', async () => {
    const path = `/v1.0/communications/calls/${call}`;
    const answer = await reachesNothing(() =>
      send(world.proxy.url, { method: 'PATCH', path, token, ...json({}) }),
    );
    expect(answer?.headers['tallylight-reason']).toBe('ActionRefused');
    expect(answer?.body).toContain('notifications');
  });
});

describe('a connection that', () => {
  test.each<[string, () => string]>([
    [
      'is to be upgraded',
      () => `${head('GET', '/v1.0/communications')}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    ],
    [
      'is to be a tunnel',
      () => 'CONNECT graph.microsoft.com:443 HTTP/1.1\r\nHost: graph.microsoft.com:443\r\n\r\n',
    ],
  ])('%s is refused and closed', async (_, bytes) => {
    const answer = await reachesNothing(() => sendRaw(world.proxy.url, bytes()));
    expect(answer?.status).toBe(501);
    expect(answer?.headers['tallylight-reason']).toBe('UpgradeRefused');
    expect(answer?.headers.connection).toBe('close');
  });

  test.each<[string, string]>([
    ['has two lengths', 'Content-Length: 5\r\nContent-Length: 22\r\n'],
    ['has a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ['has an encoding that is no chunking', 'Transfer-Encoding: chunked, identity\r\n'],
    ['has a folded header', 'X-A: b\r\n c: d\r\nContent-Length: 22\r\n'],
    ['has a header without a name', ': x\r\nContent-Length: 22\r\n'],
  ])('%s could be read in two ways, so it is refused', async (_, headers) => {
    const path = `/v1.0/communications/calls/${call}/updateRecordingStatus`;
    const answer = await reachesNothing(() =>
      sendRaw(
        world.proxy.url,
        `${head('POST', path)}Content-Type: application/json\r\n${headers}\r\n${body}`,
      ),
    );
    expect(answer?.status).toBe(400);
  });

  test('expects something strange is told that it cannot be met', async () => {
    const answer = await reachesNothing(() =>
      sendRaw(
        world.proxy.url,
        `${head('POST', `/v1.0/communications/calls/${call}/keepAlive`)}Expect: 200-ok\r\n\r\n`,
      ),
    );
    expect(answer?.status).toBe(417);
    expect(answer?.headers['tallylight-reason']).toBe('ExpectationFailed');
  });

  test('expects to be asked for its body is asked, and its start counts', async () => {
    const path = `/v1.0/communications/calls/${call}/updateRecordingStatus`;
    const answer = await sendRaw(
      world.proxy.url,
      `${head('POST', path)}Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(answer?.headers['tallylight-gate']).toBe('open');
  });
});
