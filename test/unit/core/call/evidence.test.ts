import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCallKey } from '../../../../src/core/call/key.ts';
import { unknownCall } from '../../../../src/core/call/state.ts';
import { canonicalJson, chain, hashOf, sha256, type EventFacts } from '../../../../src/core/call/evidence.ts';
import { isRecord } from '../../../../src/core/json.ts';

/** The double with these 64 bits. */
const double = (bits: string): number => Buffer.from(bits, 'hex').readDoubleBE();

describe('canonical JSON is that of RFC 8785', () => {
  // Appendix B.
  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('for the number 0x%s: %s', (bits, text) => {
    expect(canonicalJson(double(bits))).toBe(text);
  });

  test('for the example of section 3.2.2', () => {
    const value = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000f\nA\'B"\\\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('for keys, which are in the order of their UTF-16 code units (section 3.2.3)', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\u{1f600}': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toContain('One');
    expect([...canonicalJson(value).matchAll(/:"([^"]*)"/g)].map((found) => found[1])).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  test('for keys that are numbers, capitals and nested', () => {
    expect(canonicalJson({ b: 1, '10': 2, '9': 3, B: { z: 1, a: [{ d: 1, c: 2 }] } })).toBe(
      '{"10":2,"9":3,"B":{"a":[{"c":2,"d":1}],"z":1},"b":1}',
    );
  });

  test('for escapes: the short ones, lower-case \\u for other controls, and nothing else', () => {
    expect(canonicalJson('\b\t\n\f\r"\\/\u0000\u001f\u007f\u2028é')).toBe(
      '"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\u007f\u2028é"',
    );
  });

  test('and nothing for what is no JSON', () => {
    let thrown: unknown;
    try {
      canonicalJson(undefined);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeFault('Internal');
    expect(() => canonicalJson({ a: NaN })).toThrow();
    expect(() => canonicalJson([Infinity])).toThrow();
  });

  test('whatever the value: it is the same JSON, once and for all orders of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        expect(canonicalJson(reversed(value))).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

/** The same JSON with the keys the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

describe('SHA-256', () => {
  test('is written in lower-case hexadecimal', () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(sha256('abc')).toBe(abc);
    expect(sha256(Buffer.from('abc'))).toBe(abc);
  });
});

const call = parseCallKey('57dab8b1-894c-409a-b240-bd8beae78896')!;
const facts: EventFacts = {
  call,
  at: Date.UTC(2026, 0, 31, 23, 59, 59, 7),
  event: 'startRequested',
  instance: 'session-1',
  policy: 'sha256:00',
  by: { tenant: 't', app: 'a' },
  enforced: true,
  detail: { status: 'recording', absent: undefined, nested: { absent: undefined, list: [1] } },
};
const starting = { ...unknownCall, state: 'starting', epoch: 7 } as const;

describe('the chain of a call', () => {
  test('begins with record 1, which has nothing before it', () => {
    const { state, record } = chain(unknownCall, starting, facts);
    const { hash, ...unsealed } = record;
    expect(unsealed).toStrictEqual({
      version: 2,
      call,
      seq: 1,
      prev: null,
      at: '2026-01-31T23:59:59.007Z',
      step: null,
      event: 'startRequested',
      from: 'idle',
      to: 'starting',
      epoch: 7,
      instance: 'session-1',
      policy: 'sha256:00',
      by: { tenant: 't', app: 'a' },
      enforced: true,
      detail: { status: 'recording', nested: { list: [1] } },
    });
    expect(hash).toBe(createHash('sha256').update(canonicalJson(unsealed)).digest('hex'));
    expect(state).toEqual({ ...starting, at: facts.at, seq: 1, head: hash });
  });

  test('goes on with the record after the last one', () => {
    const first = chain(unknownCall, starting, facts);
    const { state, record } = chain(
      first.state,
      { ...first.state, state: 'recording', openedAt: 1 },
      { ...facts, event: 'startConfirmed', by: null, policy: null },
    );
    expect(record).toMatchObject({
      seq: 2,
      prev: first.record.hash,
      from: 'starting',
      to: 'recording',
      by: null,
      policy: null,
    });
    expect(state).toMatchObject({ state: 'recording', openedAt: 1, seq: 2, head: record.hash });
    expect(record.hash).not.toBe(first.record.hash);
  });

  test('never goes back in time: a clock that was set back is noted as a step', () => {
    const first = chain(unknownCall, starting, facts);
    const back = chain(first.state, first.state, { ...facts, at: facts.at - 3_600_000 });
    expect(back.record).toMatchObject({ at: first.record.at, step: 3_600_000 });
    const still = chain(back.state, back.state, { ...facts, at: facts.at - 1 });
    expect(still.record).toMatchObject({ at: first.record.at, step: 1 });
    const on = chain(still.state, still.state, facts);
    expect(on.record).toMatchObject({ at: first.record.at, step: null });
    const later = chain(on.state, on.state, { ...facts, at: facts.at + 5 });
    expect(later.record).toMatchObject({ at: '2026-01-31T23:59:59.012Z', step: null });
    expect(later.state.at).toBe(facts.at + 5);
  });

  test('holds what is read back, to the letter', () => {
    const { record } = chain(unknownCall, starting, facts);
    const { hash, ...unsealed } = JSON.parse(JSON.stringify(record)) as typeof record;
    expect(hashOf(unsealed)).toBe(hash);
    const shuffled = reversed(unsealed) as typeof unsealed;
    expect(hashOf(shuffled)).toBe(hash);
  });

  test('does not hold once any part of a record is changed', () => {
    const { record } = chain(unknownCall, starting, facts);
    const { hash, ...unsealed } = record;
    for (const name of Object.keys(unsealed))
      expect(hashOf({ ...unsealed, [name]: 'forged' })).not.toBe(hash);
    expect(hashOf({ ...unsealed, detail: { ...unsealed.detail, status: 'failed' } })).not.toBe(hash);
    expect(hashOf({ ...unsealed, more: 1 } as typeof unsealed)).not.toBe(hash);
  });

  test('does not change the state it goes on from, nor the testimony', () => {
    const before = structuredClone([unknownCall, starting, facts]);
    chain(unknownCall, starting, facts);
    expect([unknownCall, starting, facts]).toEqual(before);
  });
});
