import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  judgeMetadataBody,
  judgeOperationBody,
  judgeStatusBody,
  withholdRecording,
} from '../../src/core/graph/bodies.ts';
import { isRecord } from '../../src/core/json.ts';
import { parseJson, replaceText } from '../../src/http/body.ts';
import { cases, edited, nearJson, ofLongRun } from './cases.ts';

/** Keys that are annotations: neither they nor what is in them is read by anybody. */
const isAnnotation = (name: string): boolean => name.includes('@');

/** JSON as somebody may write it, so that it is known what every reader of it could find. */
interface Written {
  readonly text: string;
  /** Whether an object in it holds a property twice, whatever its letter case. */
  readonly twice: boolean;
  readonly depth: number;
}

const names = [
  'status',
  'Status',
  'STATUS',
  'clientContext',
  'metadata',
  'id',
  'resultInfo',
  'code',
  'x',
  '__proto__',
  '@odata.type',
  'status@odata.type',
  'Status@odata.type',
];
const space = fc.constantFrom('', ' ', '\n', '\t', '\r\n');
/** A string of JSON with some of its characters escaped. */
const quoted = (text: string, escaped: number): string =>
  `"${text.replace(/./g, (char, at: number) => ((escaped >> at) & 1 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char))}"`;
const leaf: fc.Arbitrary<Written> = fc
  .constantFrom(
    '"recording"',
    '"notRecording"',
    '"failed"',
    '"x"',
    'null',
    'true',
    '1',
    '-0.5e3',
    '"\\u0000"',
    '[]',
  )
  .map((text) => ({ text, twice: false, depth: text === '[]' ? 1 : 0 }));
const { written } = fc.letrec<{ written: Written }>((tie) => ({
  written: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    leaf,
    fc.array(tie('written'), { maxLength: 3 }).map((parts) => ({
      text: `[${parts.map(({ text }) => text).join(',')}]`,
      twice: parts.some(({ twice }) => twice),
      depth: 1 + Math.max(0, ...parts.map(({ depth }) => depth)),
    })),
    fc
      .array(fc.tuple(fc.constantFrom(...names), fc.nat(255), space, tie('written')), { maxLength: 4 })
      .map((parts) => {
        const properties = parts.filter(([name]) => !isAnnotation(name));
        const keys = properties.map(([name]) => name.toLowerCase());
        return {
          text: `{${parts.map(([name, escaped, gap, { text }]) => `${gap}${quoted(name, escaped)}:${gap}${text}`).join(',')}}`,
          twice: new Set(keys).size < keys.length || properties.some(([, , , { twice }]) => twice),
          depth: 1 + Math.max(0, ...parts.map(([, , , { depth }]) => depth)),
        };
      }),
  ),
}));
const depths = fc.constantFrom(0, 0, 0, 58, 62, 63, 64, 65, 200);

describe('whatever a body is', () => {
  test('it is read only if all readers find the same object in it', () => {
    const counts = { read: 0, twice: 0 };
    fc.assert(
      fc.property(written, depths, space, ({ text, twice, depth }, more, gap) => {
        const whole = `${gap}${'{"a":'.repeat(more)}${text}${'}'.repeat(more)}${gap}`;
        const judged = parseJson(Buffer.from(whole));
        const expected = !twice && depth + more <= 64 && isRecord(JSON.parse(whole));
        expect(judged.ok).toBe(expected);
        if (judged.ok) expect(JSON.stringify(judged.value)).toBe(JSON.stringify(JSON.parse(whole)));
        counts.read += Number(judged.ok);
        counts.twice += Number(twice);
      }),
      cases(),
    );
    expect(counts.read).toBeGreaterThan(ofLongRun(100));
    expect(counts.twice).toBeGreaterThan(ofLongRun(100));
  });

  test('any bytes are an object or a refusal, and what is read is what the bytes say', () => {
    const text = edited(
      fc.constantFrom(
        '{"status":"recording"}',
        '{"status":"notRecording","clientContext":"a"}',
        '{"a":{"b":[1,{"c":2}]}}',
      ),
      [
        '{',
        '}',
        '[',
        ']',
        '"',
        ',',
        ':',
        '\\',
        '\\u0073',
        '\ufeff',
        '/*x*/',
        '//x\n',
        "'",
        '\0',
        '1e999',
        'NaN',
        '"status":',
        ' ',
      ],
    );
    const bytes = fc.oneof(
      { weight: 4, arbitrary: text.map((one) => Buffer.from(one)) },
      { weight: 1, arbitrary: text.map((one) => Buffer.from(one, 'latin1')) },
      { weight: 1, arbitrary: text.map((one) => Buffer.from(one, 'utf16le')) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((one) => Buffer.from(one)) },
    );
    fc.assert(
      fc.property(bytes, (raw) => {
        const judged = parseJson(raw);
        if (!judged.ok) {
          expect(judged.reason).toBe('BodyInvalid');
          return;
        }
        expect(Buffer.from(raw.toString('utf8'))).toEqual(raw);
        expect(judged.value).toEqual(JSON.parse(raw.toString('utf8')));
      }),
      cases(),
    );
  });

  test('ten thousand levels are no fault', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `{"a":${open.repeat(10_000)}1${close.repeat(10_000)}}`;
      expect(parseJson(Buffer.from(deep))).toRefuse('BodyInvalid');
      expect(parseJson(Buffer.from(open.repeat(10_000)))).toRefuse('BodyInvalid');
    }
  });
});

describe('whatever a body says', () => {
  const statuses = [
    'recording',
    'notRecording',
    'failed',
    'Recording',
    'notrecording',
    'unknown',
    'unknownFutureValue',
  ];
  const values = [
    ...statuses,
    'notRecording | recording | failed',
    'a'.repeat(256),
    'a'.repeat(257),
    'completed',
    200,
    '200',
  ];
  const keys = [
    'status',
    'clientContext',
    'metadata',
    'id',
    'resultInfo',
    'code',
    'subcode',
    'message',
    '@odata.type',
    'status@odata.type',
    '@microsoft.graph.x',
    'Status',
  ];
  const body = nearJson(keys, values).filter(isRecord);

  test('it is a status change only if it names one of three, and nothing unknown', () => {
    const asked = { yes: 0 };
    const likely = fc.record(
      {
        status: fc.constantFrom(...statuses, 1, null, ['recording']),
        clientContext: fc.constantFrom('x', '', null, 'a'.repeat(256), 'a'.repeat(257), 5),
        '@odata.type': fc.constant('x'),
        'status@odata.type': fc.constantFrom('#microsoft.graph.recordingStatus', 'notRecording', null),
        x: fc.constant(1),
      },
      { requiredKeys: ['status'] },
    );
    fc.assert(
      fc.property(fc.oneof(body, { weight: 3, arbitrary: likely }), (given) => {
        const judged = judgeStatusBody(given);
        const { status, clientContext, ...others } = given as Record<string, unknown>;
        const known = Object.keys(others).every(isAnnotation);
        const context =
          clientContext === undefined ||
          clientContext === null ||
          (typeof clientContext === 'string' && clientContext.length <= 256);
        const expected = known && context && statuses.indexOf(status as string) in [0, 1, 2, 3, 4];
        expect(judged.ok).toBe(expected);
        if (judged.ok) expect(judged.value.status.toLowerCase()).toBe((status as string).toLowerCase());
        asked.yes += Number(judged.ok);
      }),
      cases(),
    );
    expect(asked.yes).toBeGreaterThan(ofLongRun(20));
  });

  test('metadata and operations are judged without a fault, and hold nothing unknown', () => {
    fc.assert(
      fc.property(body, (given) => {
        const metadata = judgeMetadataBody(given);
        const operation = judgeOperationBody(given);
        const unknown = (known: readonly string[]): boolean =>
          Object.keys(given).some((key) => !known.includes(key) && !isAnnotation(key));
        if (metadata.ok)
          expect([metadata.value.metadata, unknown(['metadata', 'clientContext'])]).toEqual([
            given.metadata,
            false,
          ]);
        if (operation.ok) expect(unknown(['id', 'status', 'clientContext', 'resultInfo'])).toBe(false);
      }),
      cases(),
    );
  });

  test('what can fetch a recording is nowhere in what is left', () => {
    const secret = ['recordingLocation', 'RecordingLocation', 'recordingAccessToken', 'RECORDINGACCESSTOKEN'];
    const annotated = secret.map((key) => `${key}@odata.mediaReadLink`);
    const given = nearJson([...secret, ...annotated, 'value', 'id', 'status'], ['canary', 1]);
    fc.assert(
      fc.property(given, (value) => {
        const stripped = withholdRecording(value);
        const text = JSON.stringify(stripped.value);
        expect(text).not.toMatch(/"recording(?:location|accesstoken)[@"]/i);
        if (!stripped.withheld) expect(text).toBe(JSON.stringify(value));
      }),
      cases(),
    );
  });

  test('one text is replaced, and nothing else', () => {
    const written = fc.dictionary(
      fc.constantFrom('a', 'b', 'callbackUri', 'c\\', '"'),
      fc.jsonValue({ maxDepth: 2 }),
    );
    fc.assert(
      fc.property(written, fc.string({ unit: 'binary' }), fc.constantFrom(0, 1, 2), (given, value, gap) => {
        const all = { ...given, callbackUri: given.callbackUri ?? 'x' };
        const before = Buffer.from(JSON.stringify(all, null, gap));
        fc.pre(parseJson(before).ok);
        const after = parseJson(replaceText(before, 'callbackUri', value));
        expect(after).toEqual({
          ok: true,
          value: JSON.parse(JSON.stringify({ ...all, callbackUri: value })) as unknown,
        });
      }),
      cases(),
    );
  });
});
