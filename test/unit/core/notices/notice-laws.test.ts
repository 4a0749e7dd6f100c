import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fieldsOf } from '../../../../src/core/notices/values.ts';
import { readNotices } from '../../../../src/core/notices/read.ts';
import { allBodies, batch, callId, callPath, tenant } from '../../../fixtures/notifications/read.ts';

const runs = { numRuns: 2000 };
const guid = '91c6f0de-3b58-49a5-b7c1-8d2e5f4a6b13';

/** Every string in a value, keys included. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...stringsIn(inner)]);
}

const isBounded = (kept: string): boolean => kept.length <= 128 && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(kept);

function expectBounded(body: unknown): void {
  const { notices, ignored } = readNotices(body, tenant);
  expect(stringsIn(notices).filter((kept) => !isBounded(kept))).toEqual([]);
  expect(notices.filter(({ call }) => !/^[0-9a-f]{32}$/.test(call))).toEqual([]);
  expect(Object.values(ignored).filter((count) => count < 1)).toEqual([]);
}

/** Values that come near to what is read, and any other JSON. */
const text = fc.oneof(
  fc.constantFrom(guid, callId, tenant, '4:+15550100199', 'recording', 'completed', 'terminated', '7', ''),
  fc.string({ unit: 'binary', maxLength: 200 }),
);
const leaf = fc.oneof(text, fc.jsonValue(), fc.constantFrom(null, 0, 7, -1, true));
const fieldNames = [
  ...[
    'id',
    '@odata.id',
    '@odata.type',
    'tenantId',
    'state',
    'status',
    'direction',
    'callChainId',
    'chatInfo',
  ],
  ...[
    'threadId',
    'source',
    'targets',
    'identity',
    'user',
    'application',
    'applicationInstance',
    'resultInfo',
  ],
  ...['code', 'subcode', 'incomingContext', 'observedParticipantId', 'onBehalfOf', 'transferor', 'botData'],
  ...['applicationMetadata', 'policyIdentifier', 'inviteReasons', 'otherSideUser', 'pairedRecorders'],
  ...['otherRecorders', 'isMultiParty', 'participants', 'recordingInfo', 'recordingStatus', 'initiator'],
  ...['initiatedBy', 'rosterSequenceNumber', 'sequenceNumber', 'removedState', '__proto__', 'constructor'],
];
const { data } = fc.letrec<{ data: unknown }>((tie) => ({
  data: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('data'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...fieldNames), tie('data'), { maxKeys: 5 }),
  ),
}));
const resource = fc.oneof(
  fc.constantFrom(
    callPath,
    `${callPath}/participants`,
    `${callPath}/participants/${guid}`,
    `${callPath}/operations/${guid}`,
  ),
  text,
  leaf,
);
const entry = fc.record(
  {
    changeType: fc.oneof({ weight: 5, arbitrary: fc.constantFrom('created', 'updated', 'Deleted') }, leaf),
    resourceUrl: resource,
    resource,
    resourceData: data,
  },
  { requiredKeys: ['changeType', 'resourceUrl'] },
);

describe('whatever a body is', () => {
  test('any JSON is read without an error', () => {
    fc.assert(fc.property(fc.jsonValue(), expectBounded), runs);
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (value) => {
        expectBounded({ value });
      }),
      runs,
    );
  });

  test('near-notifications are read without an error, and what is kept is bounded', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), (value) => {
        const parsed: unknown = JSON.parse(JSON.stringify({ value }));
        expectBounded(parsed);
        read += readNotices(parsed, tenant).notices.length;
      }),
      runs,
    );
    // The values must come near enough, or nothing was tested.
    expect(read).toBeGreaterThan(500);
  });

  test('each entry is either a notice or counted', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(entry, fc.jsonValue())), (value) => {
        const { notices, ignored } = readNotices({ value }, tenant);
        const counted = Object.values(ignored).reduce((sum, count) => sum + count, 0);
        expect(notices.length + counted).toBe(value.length);
      }),
      runs,
    );
  });
});

const entriesOf = (body: unknown): Record<string, unknown>[] => {
  const { value } = fieldsOf(body);
  return Array.isArray(value) ? (value as Record<string, unknown>[]) : [];
};

/** Where no word of a body may come from. */
const secretFields = ['token', 'displayName', 'phone', 'blob', 'subject', 'message', 'metadata', 'joinUrl'];
const canary = 'CanaryValue';

/** The same body with a secret in every object, and whatever else hides there. */
function withSecrets(value: unknown, field: string): unknown {
  if (Array.isArray(value)) return value.map((inner) => withSecrets(inner, field));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([key, inner]) => [key, withSecrets(inner, field)]);
  return Object.fromEntries([...fields, [field, field === 'phone' ? { id: canary } : canary]]) as unknown;
}

describe('secrets and persons', () => {
  test.each(secretFields)('no "%s" is kept, wherever it is', (field) => {
    for (const given of allBodies()) {
      const planted = withSecrets(given, field);
      expect(JSON.stringify(planted)).toContain(canary);
      const read = readNotices(planted, tenant);
      expect(JSON.stringify(read)).not.toContain(canary);
      expect(read).toEqual(readNotices(given, tenant));
    }
  });

  test('nothing of the examples that says it must not be kept is', () => {
    const given = JSON.stringify(allBodies());
    const kept = JSON.stringify(allBodies().map((one) => readNotices(one, tenant)));
    for (const pattern of [/canary/i, /5550100199/]) {
      expect(given).toMatch(pattern);
      expect(kept).not.toMatch(pattern);
    }
  });

  test.each(['+15550100199', '4:+15550100199', 'tel:+15550100199', '15550100199'])(
    'the phone number %s is not kept, wherever an id is read',
    (number) => {
      const swap = (value: unknown): unknown => {
        if (Array.isArray(value)) return value.map(swap);
        if (typeof value !== 'object' || value === null) return value;
        return Object.fromEntries(
          Object.entries(value).map(([key, inner]) => [
            key,
            /id$/i.test(key) && typeof inner === 'string' ? number : swap(inner),
          ]),
        );
      };
      for (const given of allBodies()) {
        for (const { resourceData, ...told } of entriesOf(given)) {
          // Another id or tenant of the call itself would be a contradiction, of which nothing is read.
          const data = Array.isArray(resourceData)
            ? swap(resourceData)
            : { ...fieldsOf(swap(resourceData)), id: undefined, tenantId: undefined, '@odata.id': undefined };
          const read = readNotices(batch({ ...told, resourceData: data }), tenant);
          expect(read.notices).toHaveLength(1);
          expect(JSON.stringify(read)).not.toContain('5550100199');
        }
      }
    },
  );
});

describe('keys of the language', () => {
  const proto = '{"id":"x","state":"terminated","tenantId":"x","recordingStatus":"recording"}';

  test('teach nothing and change nothing', () => {
    const resourceData: unknown = JSON.parse(`{"__proto__":${proto},"constructor":{"prototype":${proto}}}`);
    const { notices, ignored } = readNotices(batch({ resourceUrl: callPath, resourceData }), tenant);
    expect(ignored).toEqual({});
    expect(notices).toMatchObject([{ kind: 'call', state: null }]);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>).state).toBeUndefined();
  });

  test.each(['__proto__', 'constructor', 'toString'])('are no states, types or changes: %s', (word) => {
    const entries = [
      { changeType: word, resourceUrl: callPath },
      { resourceUrl: callPath, resourceData: { state: word } },
      { resourceUrl: `${callPath}/operations/${guid}`, resourceData: { status: word, '@odata.type': word } },
    ];
    expect(readNotices(batch(...entries), tenant)).toMatchObject({
      notices: [{ state: null }, { final: false, type: 'other' }],
      ignored: { unreadable: 1 },
    });
  });
});

test('ten thousand notifications of one megabyte are read', () => {
  const value = Array.from({ length: 10_000 }, (_, index) => ({
    changeType: 'updated',
    resourceUrl: index % 2 === 0 ? callPath : '/communications/onlineMeetings',
    resourceData: { state: 'hold' },
  }));
  const text = JSON.stringify({ value });
  expect(text.length).toBeGreaterThan(1024 * 1024);
  const { notices, ignored } = readNotices(JSON.parse(text), tenant);
  expect(notices).toHaveLength(5000);
  expect(ignored).toEqual({ resourceUnknown: 5000 });
});

test.each<[string, (long: string) => unknown]>([
  ['a resource', (long) => batch({ resourceUrl: long })],
  ['a resource with an origin', (long) => batch({ resourceUrl: `https://${long}/x` })],
  ['a key', (long) => batch({ resourceUrl: `/communications/calls('${long}')` })],
  ['an id', (long) => batch({ resourceUrl: callPath, resourceData: { callChainId: long } })],
  ['a call id', (long) => batch({ resourceUrl: callPath, resourceData: { id: long } })],
  ['a state', (long) => batch({ resourceUrl: callPath, resourceData: { state: long } })],
  ['a change', (long) => batch({ changeType: long, resourceUrl: callPath })],
  ['a number', (long) => batch({ resourceUrl: callPath, resourceData: { resultInfo: { code: long } } })],
])('%s of a megabyte is not kept', (_, bodyWith) => {
  for (const piece of ['a', '1', '-', '/', "('", '%41', 'A:', '((', '\u00e9']) {
    const long = piece.repeat(1024 * 1024);
    expect(JSON.stringify(readNotices(bodyWith(long), tenant)).length).toBeLessThan(1500);
  }
});
