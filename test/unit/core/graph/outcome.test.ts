import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { errorCode, judgeOperation, judgeStatusAnswer } from '../../../../src/core/graph/outcome.ts';

const id = 'e33176d4-836a-4fd7-b95e-d11afac33c4e';
const location = `https://graph.microsoft.com/v1.0/communications/calls/57dab8b1-894c-409a-b240-bd8beae78896/operations/${id}`;
const envelope = (code: unknown): unknown => ({ error: { code, message: 'no' } });
const operation = (status: unknown, more: object = {}): unknown => ({
  '@odata.type': '#microsoft.graph.updateRecordingStatusOperation',
  id,
  clientContext: null,
  status,
  ...more,
});
const withResult = (resultInfo: unknown): unknown => operation('completed', { resultInfo });

describe('an answer is success', () => {
  test.each([
    ['as documented', { status: 200, location, body: operation('completed', { resultInfo: null }) }],
    ['as the metadata spells it', { status: 200, body: operation('Completed') }],
    ['in capitals', { status: 200, body: operation('COMPLETED') }],
    ['with 202', { status: 202, body: operation('completed') }],
    ['with 201', { status: 201, body: operation('completed') }],
    ['with 299', { status: 299, body: operation('completed') }],
    ['with a result code', { status: 200, body: withResult({ code: 200, subcode: 0, message: 'ok' }) }],
    ['with a result code in a string', { status: 200, body: withResult({ code: '200', subcode: '0' }) }],
    ['with another 2xx result code', { status: 200, body: withResult({ code: 299 }) }],
    ['with an empty result', { status: 200, body: withResult({}) }],
    ['with a null result code', { status: 200, body: withResult({ code: null }) }],
  ])('%s', (_what, answer) => {
    expect(judgeStatusAnswer(answer)).toEqual({ kind: 'completed', operationId: id });
  });

  test('also if it names no operation', () => {
    expect(judgeStatusAnswer({ status: 200, body: { status: 'completed' } })).toEqual({ kind: 'completed' });
  });
});

describe('an answer is pending', () => {
  test.each([
    ['running', operation('running')],
    ['Running', operation('Running')],
    ['notStarted', operation('notStarted')],
    ['NOTSTARTED', operation('NOTSTARTED')],
    ['no status', operation(undefined)],
    ['a null status', operation(null)],
    ['an unknown status', operation('done')],
    ['a status with spaces', operation(' completed ')],
    ['a number as the status', operation(2)],
    ['true as the status', operation(true)],
    ['a list as the status', operation(['completed'])],
    ['a nested status', { id, value: operation('completed') }],
    ['a status under another name', { id, Status: 'completed' }],
    ['an error envelope', { id, ...(envelope('500') as object) }],
  ])('that says %s', (_what, body) => {
    expect(judgeStatusAnswer({ status: 200, body })).toEqual({ kind: 'pending', operationId: id });
  });

  test.each([
    ['no body', undefined],
    ['null', null],
    ['a text', 'completed'],
    ['a number', 200],
    ['a list', [operation('completed')]],
    ['an empty object', {}],
  ])('that has %s, and its operation is the one in Location', (_what, body) => {
    for (const status of [200, 202, 204])
      expect(judgeStatusAnswer({ status, body, location })).toEqual({ kind: 'pending', operationId: id });
    expect(judgeStatusAnswer({ status: 204, body })).toEqual({ kind: 'pending' });
  });

  test.each([
    [`/beta/app/calls/1/operations/${id}?a=b`],
    [`https://graph.microsoft.com/v1.0/communications/calls/1/Operations('${id}')`],
    [`/v1.0/communications/calls('1')/operations/${id}#x`],
  ])('and Location may be %s', (spelled) => {
    expect(judgeStatusAnswer({ status: 202, body: undefined, location: spelled })).toEqual({
      kind: 'pending',
      operationId: id,
    });
  });

  test.each(['..', '.', 'a/b', 'a?b', '', 'é', 'a%2Fb', 'a'.repeat(129)])(
    'and "%s" is no operation that could be asked for',
    (strange) => {
      expect(judgeStatusAnswer({ status: 200, body: { id: strange, status: 'running' } })).toEqual({
        kind: 'pending',
      });
    },
  );

  test('and a Location that names no operation gives none', () => {
    for (const other of [
      '',
      '/v1.0/communications/calls/1',
      '/operations/',
      '/operations/..',
      '/operations/%2e',
    ])
      expect(judgeStatusAnswer({ status: 202, body: {}, location: other })).toEqual({ kind: 'pending' });
  });
});

describe('an answer is a refusal', () => {
  test.each([400, 401, 403, 405, 409, 412, 422, 499])('with status %d', (status) => {
    expect(judgeStatusAnswer({ status, body: envelope('7503') })).toEqual({
      kind: 'refused',
      code: '7503',
      gone: false,
      notPolicyCall: false,
    });
    expect(judgeStatusAnswer({ status, body: undefined })).toEqual({
      kind: 'refused',
      gone: false,
      notPolicyCall: false,
    });
  });

  test.each([404, 410])('that says with %d that the call is gone', (status) => {
    expect(judgeStatusAnswer({ status, body: operation('completed') })).toMatchObject({
      kind: 'refused',
      gone: true,
    });
  });

  test.each([
    [400, '8506'],
    [403, '8506'],
    [404, '8506'],
    [403, 8506],
    [429, '8506'],
    [500, '8506'],
  ])('that can never be cured: %d with code %j', (status, code) => {
    expect(judgeStatusAnswer({ status, body: envelope(code) })).toMatchObject({
      kind: 'refused',
      code: '8506',
      notPolicyCall: true,
    });
  });

  test.each([
    [400, '7505'],
    [403, 7505],
    [429, '7505'],
    [503, '7505'],
  ])('that says that the token is of another tenant: %d with code %j', (status, code) => {
    expect(judgeStatusAnswer({ status, body: envelope(code) })).toMatchObject({
      kind: 'refused',
      code: '7505',
      notPolicyCall: false,
      tenantMismatch: true,
    });
  });

  test.each<[string, object]>([
    ['an inner error', { code: 'Forbidden', innerError: { code: '7505', date: '2026-01-31' } }],
    ['an inner error in small letters', { code: 'Forbidden', innererror: { code: 7505 } }],
    [
      'an error within that',
      { code: 'UnknownError', innerError: { code: 'x', innerError: { code: '7505' } } },
    ],
  ])('that says that the token is of another tenant in %s', (_, error) => {
    expect(judgeStatusAnswer({ status: 403, body: { error } })).toMatchObject({
      kind: 'refused',
      code: '7505',
      tenantMismatch: true,
    });
    expect(judgeStatusAnswer({ status: 500, body: { error } })).toMatchObject({ code: '7505' });
  });

  test('whose inner errors say nothing more, by the outermost code', () => {
    const error = { code: 'Forbidden', innerError: { code: 'AccessDenied', innerError: null } };
    expect(judgeStatusAnswer({ status: 403, body: { error } })).toMatchObject({ code: 'Forbidden' });
    expect(judgeStatusAnswer({ status: 500, body: { error } })).toMatchObject({ kind: 'unknown' });
  });

  test.each([
    ['failed', operation('failed'), {}],
    ['Failed', operation('Failed', { resultInfo: null }), {}],
    [
      'failed, and why',
      operation('failed', { resultInfo: { code: 500, subcode: 7001 } }),
      { code: '500/7001' },
    ],
    ['failed with a 2xx result', operation('failed', { resultInfo: { code: 200 } }), { code: '200' }],
    ['completed with a 4xx result', withResult({ code: 400, subcode: 8000 }), { code: '400/8000' }],
    ['completed with a 5xx result in a string', withResult({ code: '500', subcode: '0' }), { code: '500/0' }],
    ['completed with result code 0', withResult({ code: 0 }), { code: '0' }],
    ['completed with a 1xx result', withResult({ code: 199 }), { code: '199' }],
    ['completed with a 3xx result', withResult({ code: 300 }), { code: '300' }],
    ['completed with a negative result', withResult({ code: -200 }), { code: '-200' }],
    ['completed with a result that is no number', withResult({ code: '2xx' }), { code: '2xx' }],
    ['completed with a result between two codes', withResult({ code: 200.5 }), { code: '200.5' }],
    ['completed with a padded result', withResult({ code: '0200' }), { code: '0200' }],
    ['completed with a hexadecimal result', withResult({ code: '0xc8' }), { code: '0xc8' }],
    ['completed with an empty result code', withResult({ code: '' }), { code: '' }],
    ['completed with a truth value as the result code', withResult({ code: true }), {}],
    ['completed with a result that is a text', withResult('200'), {}],
    ['completed with a result that is a number', withResult(200), {}],
    ['completed with a result that is a list', withResult([{ code: 200 }]), {}],
    ['completed with a result that is false', withResult(false), {}],
  ])('whose operation says %s', (_what, body, more) => {
    expect(judgeStatusAnswer({ status: 200, body })).toEqual({
      kind: 'refused',
      gone: false,
      notPolicyCall: false,
      ...more,
    });
  });

  test.each([{ code: 403, subcode: 7505 }, { code: '7505' }, { subcode: '7505' }])(
    'whose operation says 7505: %j',
    (resultInfo) => {
      const outcome = judgeOperation({ status: 200, body: operation('failed', { resultInfo }) });
      expect(outcome).toMatchObject({ kind: 'refused', tenantMismatch: true });
    },
  );

  test.each([{ code: 403, subcode: 8506 }, { code: '8506' }, { subcode: '8506' }])(
    'whose operation says 8506: %j',
    (resultInfo) => {
      expect(judgeOperation({ status: 200, body: operation('failed', { resultInfo }) })).toMatchObject({
        kind: 'refused',
        notPolicyCall: true,
      });
    },
  );

  test.each([
    [{ code: 404 }, true],
    [{ code: '404', subcode: 1 }, true],
    [{ code: 410 }, true],
    [{ code: 400, subcode: 404 }, false],
    [{ subcode: 404 }, false],
  ])('whose operation says with %j whether the call is gone: %j', (resultInfo, gone) => {
    expect(judgeOperation({ status: 200, body: operation('failed', { resultInfo }) })).toMatchObject({
      gone,
    });
  });
});

describe('it cannot be told what became of a request', () => {
  test.each([100, 199, 301, 302, 307, 308, 408, 425, 429, 500, 502, 503, 504, 599])(
    'with status %d',
    (status) => {
      for (const body of [undefined, operation('completed'), envelope('7503')])
        expect(judgeStatusAnswer({ status, body, location })).toEqual({
          kind: 'unknown',
          why: `Graph answered ${status}`,
        });
    },
  );
});

describe('the code of an error', () => {
  test.each([
    [envelope('8506'), '8506'],
    [envelope(8506), '8506'],
    [envelope('BadRequest'), 'BadRequest'],
    [envelope(null), undefined],
    [envelope({}), undefined],
    [{ error: 'invalid_grant' }, undefined],
    [{ error: [{ code: '1' }] }, undefined],
    [{ code: '8506' }, undefined],
    [[envelope('8506')], undefined],
    [null, undefined],
    [undefined, undefined],
    ['8506', undefined],
  ])('of %j is %j', (body, code) => {
    expect(errorCode(body)).toBe(code);
  });
});

describe('whatever the answer', () => {
  const statusText = fc.oneof(
    fc.constantFrom('completed', 'Completed', 'failed', 'running', 'notStarted', '8506'),
    fc.anything(),
  );
  const resultInfo = fc.oneof(
    fc.record({ code: fc.oneof(fc.constantFrom(200, '200', 299, 300, '404'), fc.anything()) }),
    fc.anything(),
  );
  const body = fc.oneof(
    fc.record(
      { id: fc.oneof(fc.constant(id), fc.anything()), status: statusText, resultInfo },
      { requiredKeys: [] },
    ),
    fc.record({ error: fc.record({ code: statusText }) }),
    fc.anything(),
  );
  const status = fc.oneof(fc.constantFrom(200, 202, 204), fc.integer({ min: 100, max: 599 }));

  test('it is success only with a 2xx, a body that says so, and no result against it', () => {
    fc.assert(
      fc.property(status, body, fc.option(fc.string(), { nil: undefined }), (code, said, where) => {
        const outcome = judgeStatusAnswer({
          status: code,
          body: said,
          ...(where === undefined ? {} : { location: where }),
        });
        if (outcome.kind !== 'completed') return;
        const { status: word, resultInfo: result } = said as {
          status: string;
          resultInfo?: { code?: unknown } | null;
        };
        expect(code).toBeGreaterThanOrEqual(200);
        expect(code).toBeLessThan(300);
        expect(word).toMatch(/^completed$/i);
        expect(JSON.stringify(result?.code ?? 200)).toMatch(/^"?2\d\d"?$/);
      }),
      { numRuns: 2000 },
    );
  });

  test('an operation it names can be put into a path', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (named, where) => {
        for (const answer of [{ body: { id: named } }, { body: {}, location: `/operations/${where}` }]) {
          const outcome = judgeOperation({ status: 200, ...answer });
          if (outcome.kind !== 'pending' || outcome.operationId === undefined) continue;
          expect(new URL(`https://host/a/operations/${outcome.operationId}`).pathname).toBe(
            `/a/operations/${outcome.operationId}`,
          );
        }
      }),
    );
  });
});
