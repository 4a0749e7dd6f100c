import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bot } from '../../src/sandbox/bot/bot.ts';
import { sandboxApp } from '../../src/sandbox/token-mint.ts';
import { Canaries } from '../support/canaries.ts';
import {
  keyTenant,
  startCanaryTestBed,
  type CanaryTestBed,
  type Request,
} from '../support/canary-test-bed.ts';
import { eventually } from '../support/eventually.ts';
import { startIssuer, tampered, type Claims } from '../support/issuer.ts';
import { batch, callIs } from '../support/notified-bot.ts';

/** The claims that say more of somebody than evidence keeps. */
const personal = ['sub', 'oid', 'name', 'upn', 'preferred_username', 'jti', 'uti', 'sid', 'nonce', 'custom'];

describe.each(['jwt', 'graph'] as const)('a whole life in `%s` mode', (mode) => {
  let testBed: CanaryTestBed;
  /** Of the bot: on the control plane, and for media. */
  let control: string;
  let uploading: string;
  beforeAll(async () => {
    testBed = await startCanaryTestBed(mode);
    const { mint } = testBed.peers;
    uploading = testBed.canaries.token('token of the bot', await mint.mint(claims('bot')));
    const graphToken = await mint.mintGraphToken(claims('bot at Graph'));
    control = mode === 'jwt' ? uploading : testBed.canaries.token('Graph token of the bot', graphToken);
  });
  afterAll(async () => {
    await testBed.close();
  });

  const secret = (name: string): string => testBed.canaries.make(name);
  const word = (name: string): string => testBed.canaries.word(name);
  const claims = (whose: string): Claims =>
    Object.fromEntries(personal.map((name) => [name, secret(`${name} of ${whose}`)]));
  const call = (id: string, part = ''): string => `/v1.0/communications/calls/${id}${part}`;
  const post = (path: string, body: unknown, more: Request = {}): ReturnType<CanaryTestBed['ask']> =>
    testBed.ask(path, { method: 'POST', token: control, body, ...more });
  const notify = (
    body: unknown,
    token: string,
    path = '/callbacks/calls',
  ): ReturnType<CanaryTestBed['ask']> => post(path, body, { token });

  const newCall = (): string => testBed.peers.graph.incomingCall({ answered: true });
  const recording = async (id = newCall(), token = control): Promise<string> => {
    const body = { status: 'recording', clientContext: secret('clientContext of a start') };
    await eventually(
      async () =>
        (await post(call(id, '/updateRecordingStatus'), body, { token }))?.headers['tallylight-gate'] ===
        'open',
    );
    return id;
  };
  const headers = (): Record<string, string> => ({
    cookie: `session=${word('cookie')}`,
    'x-api-key': word('key in a header'),
    'content-type': 'application/octet-stream',
  });
  const upload = (id: string, token = uploading): ReturnType<CanaryTestBed['ask']> =>
    testBed.ask(`/media/${id}/${word('name')}?sig=${word('signature of a path')}`, {
      ...{ method: 'POST', token, headers: headers(), body: secret('media') },
    });

  test('a call with everything in it', async () => {
    const id = newCall();
    expect((await upload(id))?.status).toBe(403);
    await recording(id);
    expect((await upload(id))?.status).toBe(201);
    const clientContext = (): string => secret('clientContext');
    for (const [part, body] of [
      ['/updateMetadata', { metadata: secret('metadata'), clientContext: clientContext() }],
      ['/mute', { clientContext: clientContext() }],
      ['/participants/invite', { participants: [person()], clientContext: clientContext() }],
      ['/answer', { callbackUri: bypass(), mediaConfig: { blob: secret('media blob') } }],
      ['/transfer', { transferTarget: person(), transferee: person() }],
      ['/playPrompt', { prompts: [{ mediaInfo: { uri: bypass(), resourceId: secret('resource') } }] }],
      ['/recordResponse', { prompts: [], clientContext: clientContext(), streamId: secret('stream') }],
    ] as const)
      expect((await post(call(id, part), body))?.headers['tallylight-reason']).toBeUndefined();
    const created = await post('/v1.0/communications/calls', {
      ...{ callbackUri: bypass(), subject: secret('subject'), source: person(), targets: [person()] },
      mediaConfig: { blob: secret('media blob of a new call') },
      meetingInfo: { token: secret('join token'), passcode: secret('passcode'), organizer: person() },
    });
    expect(created?.status).toBe(201);
    const patch = { method: 'PATCH', token: control };
    const context = { clientContext: clientContext() };
    await testBed.ask(call(id, '/operations/an-id'), { ...patch, body: context });
    expect((await withRecording(id))?.headers['tallylight-withheld']).toBeUndefined();
    const stop = { status: 'notRecording', clientContext: clientContext() };
    expect((await post(call(id, '/updateRecordingStatus'), stop))?.headers['tallylight-gate']).toBe('closed');
    expect((await withRecording(id))?.headers['tallylight-withheld']).toBeDefined();
    await testBed.ask(call(id), { method: 'DELETE', token: control });
  });

  const person = (): object => ({
    identity: {
      user: { id: randomUUID(), displayName: secret('display name') },
      phone: { id: `+49301${Math.random().toString().slice(2, 14)}`, displayName: secret('phone') },
    },
  });
  const bypass = (): string =>
    `https://bot.example/${word('path of a callback')}?code=${word('code of a callback')}`;
  /** An operation with what can fetch a recording that Graph made. */
  const withRecording = (id: string): ReturnType<CanaryTestBed['ask']> => {
    const body = JSON.stringify({
      ...{ id: 'an-id', status: 'completed', clientContext: secret('clientContext of an operation') },
      recordingLocation: `https://recordings.example/${word('location')}`,
      recordingAccessToken: secret('access token of a recording'),
    });
    const answer = { raw: { status: 200, headers: { 'content-type': 'application/json' }, body } };
    testBed.peers.graph.script({ action: 'getOperation', call: id, answer });
    return testBed.ask(call(id, '/operations/an-id'), { token: control });
  };

  test('bodies and paths that are refused', async () => {
    const id = await recording();
    const long = { status: 'recording', clientContext: secret('long clientContext').repeat(9) };
    for (const body of [
      ...[
        { status: secret('status') },
        { status: 'recording', clientContext: { text: secret('nested') } },
        long,
      ],
      `{"status":"recording","clientContext":"${secret('broken')}`,
      secret('no JSON'),
      JSON.stringify({ status: 'recording', clientContext: secret('large').repeat(4000) }),
    ])
      expect(
        (await post(call(id, '/updateRecordingStatus'), body))?.headers['tallylight-reason'],
      ).toBeDefined();
    await post(call(id, '/updateMetadata'), { metadata: { text: secret('metadata of no use') } });
    await testBed.ask(call(id, '/operations/an-id'), {
      ...{
        method: 'PATCH',
        token: control,
        body: { status: secret('status'), resultInfo: secret('result') },
      },
    });
    for (const path of [
      call(word('call')),
      call(id, `/${word('action')}`),
      `/${word('path')}?token=${word('q')}`,
    ])
      await post(path, { text: secret('body') });
    await post('/v1.0/$batch', { requests: [{ body: { text: secret('batch') } }] });
  });

  test('callers that are refused', async () => {
    const { mint, graph } = testBed.peers;
    const { canaries } = testBed;
    const forger = await startIssuer({ kidPrefix: word('key id') });
    const id = await recording();
    const mine = await mint.mint(claims('the tampered'));
    const tokens = [
      await mint.mint({ ...claims('the expired'), exp: 1_700_000_000 }),
      await mint.mint({ ...claims('no role'), roles: [secret('role')] }),
      await mint.mint({ ...claims('another audience'), aud: secret('audience') }),
      await mint.mint({ ...claims('another issuer'), iss: secret('issuer') }),
      await mint.mint({ ...claims('a stranger'), azp: randomUUID() }),
      await mint.mint({ ...claims('a user'), scp: secret('scope') }),
      await forger.mint({ ...claims('the forger'), iss: mint.issuer }),
      await forger.mint({ ...claims('the unsigned'), iss: mint.issuer }, { alg: 'none' }),
      tampered(mine, { tid: secret('tenant') }),
      await mint.mintGraphToken({ ...claims('a stranger at Graph'), appid: randomUUID() }),
      await mint.mintNotificationToken({ ...claims('a notification'), aud: secret('bot') }),
      word('opaque token'),
      `eyJ.${word('half a token')}`,
    ].map((token, index) => canaries.token(`refused token ${index}`, token));
    for (const token of tokens) {
      await post(call(id, '/updateRecordingStatus'), { status: 'notRecording' }, { token });
      await upload(id, token);
      await notify(batch(callIs(id, 'terminated')), token);
    }
    for (const authorization of [`Basic ${word('basic')}`, `Bearer ${word('one')} ${word('two')}`])
      await testBed.ask(call(id), { headers: { authorization } });
    await forger.stop();
    expect(graph.recordingState(id)).toBe('recording');
  });

  test('notifications', async () => {
    const { mint, callbackBot } = testBed.peers;
    const id = await recording();
    const good = testBed.canaries.token('notification', await mint.mintNotificationToken(claims('Graph')));
    const join = await mint.mintNotificationToken({ ...claims('join'), aud: 'https://api.botframework.com' });
    const body = batch(
      callIs(id, 'incoming', {
        ...{ callbackUri: bypass(), subject: secret('subject'), source: person(), targets: [person()] },
        meetingInfo: { token: testBed.canaries.token('join token', join), organizer: person() },
        mediaConfig: { blob: secret('media blob of an invitation') },
        resultInfo: { code: 200, subcode: 0, message: secret('message of a result') },
      }),
      {
        changeType: 'updated',
        resourceUrl: `/communications/calls/${id}/participants`,
        resourceData: [{ id: randomUUID(), info: person(), metadata: secret('metadata of a participant') }],
      },
    );
    expect((await notify(body, good))?.status).toBe(202);
    callbackBot.script({ status: 500, body: { error: secret('answer of the bot') } });
    await notify(body, good, `/callbacks/${word('path')}?code=${word('code')}`);
    await notify(`{"value":["${secret('broken notification')}`, good);
    await callbackBot.goDown();
    expect((await notify(body, good))?.headers['tallylight-reason']).toBe('BotUnreachable');
    await callbackBot.comeUp();
  });

  test('Graph, the media handler, the token endpoint and the key server fail', async () => {
    const { graph, sink, mint } = testBed.peers;
    const id = newCall();
    const start = (): ReturnType<CanaryTestBed['ask']> =>
      post(call(id, '/updateRecordingStatus'), {
        ...{ status: 'recording', clientContext: secret('clientContext while Graph fails') },
      });
    const failing = (message: string): { status: number; code: string; message: string } => ({
      ...{ status: 400, code: 'BadRequest', message },
    });
    for (const answer of [
      ...(['reset', 'truncated', 'none', 'garbage', 'serverError', 'throttled'] as const),
      { error: failing(secret('message of Graph')) },
      { redirect: `https://elsewhere.example/${word('place')}?token=${word('token of a redirect')}` },
      { operation: { status: 'failed', resultInfo: { code: 500, message: secret('result of Graph') } } },
    ]) {
      graph.script({ action: 'updateRecordingStatus', call: id, asked: 'recording', answer });
      await start();
    }
    await recording(id);
    for (const then of ['reset', 500] as const) {
      sink.script({ call: id, then });
      await upload(id);
    }
    graph.script({ action: 'keepAlive', call: id, answer: 'reset' });
    await post(call(id, '/keepAlive'), { text: secret('body of a keepAlive') });
    if (mode === 'jwt') await quoting(id);
    mint.failWith(503);
    const stranger = await startIssuer();
    const unknown = await stranger.mint({ ...claims('an unknown key'), iss: mint.issuer });
    await upload(id, testBed.canaries.token('token of an unknown key', unknown));
    mint.failWith(undefined);
    await stranger.stop();
  });

  /** The token endpoint quotes the secret, the assertion and a token, each for the tenant that it is of. */
  const quoting = async (id: string): Promise<void> => {
    const { mint, graph } = testBed.peers;
    const token = testBed.canaries.token('token of the other tenant', await mint.mint({ tid: keyTenant }));
    await recording(graph.incomingCall({ answered: true, tenant: keyTenant, app: sandboxApp }), token);
    testBed.quoting = true;
    await eventually(
      async () =>
        (await post(call(id, '/keepAlive'), undefined))?.headers['tallylight-reason'] ===
        'GraphCredentialUnavailable',
    );
    await eventually(
      async () =>
        (await post(call(newCall(), '/keepAlive'), undefined, { token }))?.headers['tallylight-reason'] ===
        'GraphCredentialUnavailable',
    );
    testBed.quoting = false;
    await eventually(async () => (await post(call(id, '/keepAlive'), undefined))?.status === 200);
  };

  test('uploads are cut, and the store crashes and comes back', async () => {
    const { sink } = testBed.peers;
    const id = await recording();
    const bot = new Bot(testBed.proxy.url, uploading, id);
    const long = bot.slowUpload(word('long'));
    long.send(640);
    await eventually(() => sink.received.some(({ callId, bytes }) => callId === id && bytes > 0));
    if (testBed.redis === undefined) await post(call(id, '/updateRecordingStatus'), { status: 'failed' });
    else {
      await testBed.redis.kill('SIGKILL');
      await eventually(async () => (await upload(id))?.headers['tallylight-reason'] === 'StoreUnavailable');
      await post(call(id, '/updateRecordingStatus'), {
        ...{ status: 'notRecording', clientContext: secret('clientContext without a store') },
      });
      await testBed.redis.restart({ keepData: true });
    }
    expect((await long.over)?.status).not.toBe(201);
    await recording();
  });

  test('nothing of all that was said anywhere', async () => {
    expect(testBed.canaries.size).toBeGreaterThan(100);
    const said = await testBed.said();
    // The search was in the right place: what may be said is there.
    const expected: Record<string, RegExp> = {
      'the output of the process': /(?=.*"level":"(?:debug|warn)")(?=.*"msg":"request")/s,
      'the refusals': /StatusInvalid/,
      'the metrics': /tallylight_gate_decisions_total/,
      'the evidence': /metadataUpdated/,
      'the store': mode === 'jwt' ? /recording/ : /none/,
    };
    expect(Object.keys(said).filter((where) => expected[where]?.test(said[where] ?? '') !== true)).toEqual(
      [],
    );
    expect(Object.entries(said).flatMap(([where, text]) => testBed.canaries.search(where, text))).toEqual([]);
  });
});

test('a secret is found in every form, and in the middle of what is encoded', () => {
  const canaries = new Canaries();
  const secret = canaries.make('ünusual "one"');
  for (const text of [
    secret,
    JSON.stringify({ secret }),
    `?q=${encodeURIComponent(secret)}`,
    new URLSearchParams({ secret }).toString(),
    Buffer.from(secret).toString('hex'),
    ...['', 'a', 'ab'].flatMap((before) => [
      Buffer.from(`${before}${secret} and more`).toString('base64'),
      Buffer.from(`${before}${secret} and more`).toString('base64url'),
    ]),
  ])
    expect(canaries.search('here', `before ${text} after`).length).toBe(1);
  expect(canaries.search('here', 'before and after')).toEqual([]);
});
