import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCallKey, toGuid } from '../../../../src/core/call/key.ts';

const key = '57dab8b1894c409ab240bd8beae78896';

describe('a call id', () => {
  test.each([
    '57dab8b1-894c-409a-b240-bd8beae78896',
    '57DAB8B1-894C-409A-B240-BD8BEAE78896',
    '57dab8b1894c409ab240bd8beae78896',
    '57DAB8B1894C409AB240BD8BEAE78896',
    '57daB8B1-894c-409A-b240-bd8beae78896',
  ])('spelled %s has the one key of its call', (text) => {
    expect(parseCallKey(text)).toBe(key);
  });

  test.each([
    '',
    'x',
    '57dab8b1-894c-409a-b240-bd8beae7889',
    '57dab8b1-894c-409a-b240-bd8beae788966',
    '57dab8b1894c-409ab240-bd8beae78896',
    '57dab8b1-894c409ab240bd8beae78896',
    '57dab8b1-894c-409a-b240-bd8beae7889g',
    '{57dab8b1-894c-409a-b240-bd8beae78896}',
    ' 57dab8b1-894c-409a-b240-bd8beae78896',
    '57dab8b1-894c-409a-b240-bd8beae78896\n',
    '57dab8b1-894c-409a-b240-bd8beae78896\u0000',
    '57dab8b1–894c–409a–b240–bd8beae78896',
    '５7dab8b1894c409ab240bd8beae78896',
    'urn:uuid:57dab8b1-894c-409a-b240-bd8beae78896',
  ])('is not %j', (text) => {
    expect(parseCallKey(text)).toBeUndefined();
  });

  test('has one key however it is spelled, and the key gives the spelling of REST URLs', () => {
    const uuid = fc.uuid({ version: [1, 4, 7] });
    fc.assert(
      fc.property(uuid, fc.boolean(), fc.boolean(), (guid, upper, dashed) => {
        const cased = upper ? guid.toUpperCase() : guid;
        const parsed = parseCallKey(dashed ? cased : cased.replaceAll('-', ''));
        expect(parsed).toMatch(/^[0-9a-f]{32}$/);
        expect(toGuid(parsed!)).toBe(guid);
      }),
    );
  });

  test('that is another call has another key', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), (one, two) => {
        expect(parseCallKey(one) === parseCallKey(two)).toBe(one === two);
      }),
    );
  });
});
