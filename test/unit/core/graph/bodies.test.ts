import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  judgeMetadataBody,
  judgeOperationBody,
  judgeStatusBody,
  withholdRecording,
} from '../../../../src/core/graph/bodies.ts';
import { parseJson } from '../../../../src/http/body.ts';

/** What a client's text becomes; a literal could not hold every key. */
const parsed = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

/** Keys that no action takes. */
const strangeKeys = [
  'Status',
  'STATUS',
  'status ',
  'recordingStatus',
  'ClientContext',
  'metadata2',
  '__proto__',
  'constructor',
  'status.odata.type',
  'odata.type',
  '',
];

/** What OData says of a property, or of the whole. */
const annotations = {
  '@odata.type': '#microsoft.graph.x',
  '@odata.context': 'https://graph.microsoft.com/$metadata',
  '@microsoft.graph.x': 1,
  '@type': 'x',
  'status@odata.type': '#microsoft.graph.recordingStatus',
  'Status@odata.type': '#notRecording',
  'clientContext@x.y': { status: 'failed' },
  'metadata@odata.type': '#String',
  'nothing@odata.bind': null,
};

describe('annotations of OData', () => {
  test('are no properties of any body', () => {
    const value = { ...annotations, status: 'recording' };
    expect(judgeStatusBody(value)).toEqual({ ok: true, value: { status: 'recording', clientContext: null } });
    expect(judgeMetadataBody({ ...annotations, metadata: 'm' })).toMatchObject({ ok: true });
    const resultInfo = { 'code@odata.type': '#Int32', code: 200 };
    expect(judgeOperationBody({ ...annotations, status: 'completed', resultInfo })).toMatchObject({
      ok: true,
    });
  });

  test('stand for no property, and are judged in no way', () => {
    expect(judgeStatusBody({ 'status@odata.type': 'recording' })).toRefuse('StatusInvalid');
    expect(judgeStatusBody({ ...annotations, Status: 'recording', status: 'recording' })).toRefuse(
      'BodyInvalid',
    );
    for (const text of [
      '{"status@odata.type":"a","status@odata.type":"b","status":"recording"}',
      '{"status@odata.type":"a","STATUS@odata.type":"b","status":"recording"}',
      '{"@x":{"a":1,"a":2,"A":[{"b":1,"b":2}]},"status":"recording"}',
    ])
      expect(parseJson(Buffer.from(text))).toMatchObject({ ok: true, value: { status: 'recording' } });
    for (const text of [
      '{"status@odata.type":"a","status":"recording","status":"failed"}',
      '{"status@odata.type":"a","status":"recording","Status":"failed"}',
      '{"a":{"@x":1,"b":1,"B":2}}',
    ])
      expect(parseJson(Buffer.from(text))).toRefuse('BodyInvalid');
  });
});

describe('the body of updateRecordingStatus', () => {
  // .NET's SDKs write the names of an enumeration as C# does.
  test.each([
    ['Recording', 'recording'],
    ['NotRecording', 'notRecording'],
    ['Failed', 'failed'],
    ['RECORDING', 'recording'],
    ['notrecording', 'notRecording'],
  ])('may spell it %s', (spelled, status) => {
    expect(judgeStatusBody({ status: spelled })).toMatchObject({ ok: true, value: { status } });
  });

  test.each(['recording', 'notRecording', 'failed'])('may ask for %s', (status) => {
    expect(judgeStatusBody({ status })).toEqual({ ok: true, value: { status, clientContext: null } });
    expect(judgeStatusBody({ status, clientContext: null })).toEqual({
      ok: true,
      value: { status, clientContext: null },
    });
    expect(judgeStatusBody({ '@odata.type': '#any', clientContext: 'c-1', status })).toEqual({
      ok: true,
      value: { status, clientContext: 'c-1' },
    });
  });

  test.each([
    ['unknown'],
    ['unknownFutureValue'],
    ['notRecording | recording | failed'],
    ['recordıng'],
    ['recordİng'],
    ['not recording'],
    ['recording '],
    [' recording'],
    ['recording\u0000'],
    ['recording,failed'],
    ['completed'],
    [''],
    ['0'],
    ['2'],
    [0],
    [1],
    [2],
    [3],
    [true],
    [null],
    [undefined],
    [['recording']],
    [{ value: 'recording' }],
  ])('may not ask for %j', (status) => {
    expect(judgeStatusBody({ status })).toRefuse('StatusInvalid');
  });

  test('must ask for something', () => {
    expect(judgeStatusBody({})).toRefuse('StatusInvalid');
    expect(judgeStatusBody({ clientContext: 'c-1' })).toRefuse('StatusInvalid');
  });

  test.each(strangeKeys)('may not also hold %j', (key) => {
    const body = parsed(`{"status": "notRecording", ${JSON.stringify(key)}: "recording"}`);
    const decision = judgeStatusBody(body);
    expect(decision).toRefuse('BodyInvalid');
    expect(decision).toMatchObject({ detail: `the property "${key}" is not supported` });
  });

  test.each([
    ['', true],
    ['c'.repeat(256), true],
    ['é'.repeat(256), true],
    ['c'.repeat(257), false],
    ['\u{1F4A1}'.repeat(128), true],
    ['\u{1F4A1}'.repeat(129), false],
    [1, false],
    [true, false],
    [{}, false],
    [['c'], false],
  ])('may have a client context of at most 256 characters: %#', (clientContext, ok) => {
    const decision = judgeStatusBody({ status: 'recording', clientContext });
    expect(decision.ok).toBe(ok);
    if (!ok) expect(decision).toRefuse('BodyInvalid');
  });

  test('is granted only for one of three statuses, whatever it is', () => {
    const body = fc.dictionary(
      fc.oneof(
        fc.constantFrom('status', 'clientContext', '@odata.type', 'status@odata.type', '@'),
        fc.string(),
      ),
      fc.oneof(
        fc.constantFrom<unknown>('recording', 'notRecording', 'failed', 'Recording', 2),
        fc.anything(),
      ),
    );
    fc.assert(
      fc.property(body, (value) => {
        const decision = judgeStatusBody(value);
        if (!decision.ok) return;
        expect(['recording', 'notRecording', 'failed']).toContain(decision.value.status);
        expect((value.status as string).toLowerCase()).toBe(decision.value.status.toLowerCase());
        for (const key of Object.keys(value)) expect(key).toMatch(/^(status|clientContext)$|@/);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the body of updateMetadata', () => {
  test('is a text and a client context', () => {
    expect(judgeMetadataBody({ metadata: '' })).toEqual({
      ok: true,
      value: { metadata: '', clientContext: null },
    });
    expect(judgeMetadataBody({ metadata: '{"a":1}', clientContext: 'c-1', '@odata.type': 'x' })).toEqual({
      ok: true,
      value: { metadata: '{"a":1}', clientContext: 'c-1' },
    });
  });

  test.each([[undefined], [null], [1], [true], [{}], [['a']]])('may not hold %j', (metadata) => {
    expect(judgeMetadataBody({ metadata })).toRefuse('BodyInvalid');
  });

  test.each(['status', 'Metadata', '__proto__'])('may not also hold "%s"', (key) => {
    expect(judgeMetadataBody(parsed(`{"metadata": "", "${key}": "recording"}`))).toRefuse('BodyInvalid');
  });

  test('may not have a client context of more than 256 characters', () => {
    expect(judgeMetadataBody({ metadata: '', clientContext: 'c'.repeat(256) }).ok).toBe(true);
    expect(judgeMetadataBody({ metadata: '', clientContext: 'c'.repeat(257) })).toRefuse('BodyInvalid');
  });
});

describe('the body of a PATCH of an operation', () => {
  test.each([
    [{}, null],
    [{ status: null }, null],
    [{ status: 'completed' }, 'completed'],
    [{ status: 'Completed' }, 'Completed'],
    [{ status: 'notStarted' }, 'notStarted'],
    [{ status: 'NotStarted' }, 'NotStarted'],
    [{ status: 'running' }, 'running'],
    [{ status: 'failed' }, 'failed'],
    [{ id: 'a', clientContext: 'c-1', resultInfo: null, '@odata.type': 'x' }, null],
    [{ status: 'completed', resultInfo: {} }, 'completed'],
    [{ resultInfo: { code: 200, subcode: 0, message: 'm' } }, null],
    [{ resultInfo: { code: '200', subcode: '0', message: null, '@odata.type': 'x' } }, null],
    [{ resultInfo: { code: null, subcode: -1 } }, null],
  ])('may be %j', (body, status) => {
    expect(judgeOperationBody(body)).toEqual({ ok: true, value: { status } });
  });

  test.each([
    [{ status: 'recording' }],
    [{ status: 'notRecording' }],
    [{ status: 'done' }],
    [{ status: '' }],
    [{ status: 2 }],
    [{ status: true }],
    [{ status: ['completed'] }],
    [{ Status: 'completed' }],
    [{ id: 1 }],
    [{ id: {} }],
    [{ clientContext: 1 }],
    [{ clientContext: 'c'.repeat(257) }],
    [{ resultInfo: 'ok' }],
    [{ resultInfo: 200 }],
    [{ resultInfo: [] }],
    [{ resultInfo: { code: '2xx' } }],
    [{ resultInfo: { code: 200.5 } }],
    [{ resultInfo: { code: '' } }],
    [{ resultInfo: { code: {} } }],
    [{ resultInfo: { subcode: 'a' } }],
    [{ resultInfo: { message: 1 } }],
    [{ resultInfo: { Code: 200 } }],
    [{ resultInfo: { recordingLocation: 'https://elsewhere' } }],
    [{ recordingLocation: 'https://elsewhere' }],
    [{ recordingAccessToken: 't' }],
    [{ completionReason: 'x' }],
    [parsed('{"__proto__": {}}')],
  ])('may not be %j', (body) => {
    expect(judgeOperationBody(body)).toRefuse('BodyInvalid');
  });
});

describe('the location and token of a recording', () => {
  const secret = { recordingLocation: 'https://elsewhere', recordingAccessToken: 't' };

  test.each([
    ['at the top', { id: '1', ...secret }, { id: '1' }],
    ['one alone', { recordingAccessToken: 't', id: '1' }, { id: '1' }],
    ['in any letter case', { RecordingLocation: 'x', RECORDINGACCESSTOKEN: 't', id: '1' }, { id: '1' }],
    ['in a list', { value: [{ id: '1', ...secret }, { id: '2' }] }, { value: [{ id: '1' }, { id: '2' }] }],
    ['in lists of lists', { value: [[secret, 1]] }, { value: [[{}, 1]] }],
    [
      'nested',
      { id: '1', operations: [{ inner: { deep: secret } }] },
      { id: '1', operations: [{ inner: { deep: {} } }] },
    ],
    ['that are null', { recordingLocation: null }, {}],
    ['that are objects', { recordingLocation: { value: 'x' } }, {}],
    ['in a list at the top', [secret], [{}]],
  ])('are withheld %s', (_what, value, rest) => {
    expect(withholdRecording(value)).toEqual({ value: rest, withheld: true });
  });

  test.each([
    [{ id: '1', recordingStatus: 'recording', recordingInfo: {} }],
    [{ value: [] }],
    [{ text: 'recordingLocation' }],
    [['recordingLocation', 'recordingAccessToken']],
    [null],
    ['recordingAccessToken'],
    [1],
  ])('are all that is withheld: %j stays', (value) => {
    expect(withholdRecording(value)).toEqual({ value, withheld: false });
  });

  test('are gone from every place, and nothing else changes', () => {
    const secretKey = fc.constantFrom('recordingLocation', 'recordingaccesstoken', 'RecordingAccessToken');
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(secretKey, fc.string(), fc.constant('__proto__')), tie('tree'), {
          maxKeys: 4,
        }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const before = JSON.stringify(value);
        const { value: rest, withheld } = withholdRecording(value);
        // A replacer that leaves the keys out is another way to say the same.
        const expected = JSON.stringify(value, function (key, inner: unknown) {
          const secretHere = /^recording(location|accesstoken)$/i.test(key) && !Array.isArray(this);
          return secretHere ? undefined : inner;
        });
        expect(JSON.stringify(rest)).toBe(expected);
        expect(withheld).toBe(expected !== before);
        expect(JSON.stringify(value)).toBe(before);
      }),
      { numRuns: 1000 },
    );
  });
});
