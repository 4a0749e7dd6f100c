import { describe, expect, test } from '@jest/globals';
import { parseRedisUrl } from '../../../../src/store/redis/target.ts';

const plain = { tls: false, username: undefined, password: undefined, database: 0, masterName: '' };

describe('a Redis URL', () => {
  test.each([
    ['redis://cache', { ...plain, kind: 'single', endpoints: [{ host: 'cache', port: 6379 }] }],
    [
      'redis://10.0.0.7:7000/3',
      { ...plain, kind: 'single', endpoints: [{ host: '10.0.0.7', port: 7000 }], database: 3 },
    ],
    ['redis://cache/', { ...plain, kind: 'single', endpoints: [{ host: 'cache', port: 6379 }] }],
    ['redis://[::1]:7000', { ...plain, kind: 'single', endpoints: [{ host: '::1', port: 7000 }] }],
    [
      'rediss://bot:p%40ss%2F:word@cache:7000',
      {
        ...plain,
        kind: 'single',
        endpoints: [{ host: 'cache', port: 7000 }],
        tls: true,
        username: 'bot',
        password: 'p@ss/:word',
      },
    ],
    [
      'redis://:secret@cache',
      { ...plain, kind: 'single', endpoints: [{ host: 'cache', port: 6379 }], password: 'secret' },
    ],
    [
      'redis+cluster://bot:secret@a:7001,b:7002',
      {
        ...plain,
        kind: 'cluster',
        endpoints: [
          { host: 'a', port: 7001 },
          { host: 'b', port: 7002 },
        ],
        username: 'bot',
        password: 'secret',
      },
    ],
    [
      'rediss+cluster://a:7001',
      { ...plain, kind: 'cluster', endpoints: [{ host: 'a', port: 7001 }], tls: true },
    ],
    [
      'redis+sentinel://a,b:5000/primary/2',
      {
        ...plain,
        kind: 'sentinel',
        endpoints: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 5000 },
        ],
        database: 2,
        masterName: 'primary',
      },
    ],
  ])('%s is understood', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  test.each([
    ['redis://:sec/ret@cache', '"/"', '%2F'],
    ['redis://bot:secret/@cache:6379/1', '"/"', '%2F'],
    ['redis://:se?cret@cache', '"?"', '%3F'],
    ['redis+cluster://:se#cret@a:1,b:2', '"#"', '%23'],
    ['rediss://:s@ecret/@cache', '"/"', '%2F'],
    ['redis://:secret%zz@cache', '"%"', '%25'],
    ['redis://:secret%@cache', '"%"', '%25'],
    ['redis://cache:6379/0\n', 'line break', 'remove the line break'],
    ['redis://:secret\n@cache', 'line break', 'remove the line break'],
    ['redis://:secret%0A@cache', 'line break', 'remove the line break'],
    ['redis://:secret\r\n@cache', 'line break', 'remove the line break'],
  ])('%j: the character is named, and what to write', (url, named, instead) => {
    let fault: unknown;
    try {
      parseRedisUrl(url);
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
    expect(String(fault)).toContain(named);
    expect(String(fault)).toContain(instead);
    expect(String(fault)).not.toContain('cret');
  });

  test('an "@" in a password may stay as it is', () => {
    expect(parseRedisUrl('redis://bot:p@ss:w@rd@cache')).toMatchObject({
      username: 'bot',
      password: 'p@ss:w@rd',
      endpoints: [{ host: 'cache', port: 6379 }],
    });
  });

  test.each([
    '',
    'cache:6379',
    'http://cache',
    'redis://',
    'redis://secret@',
    'redis://:secret@a,b',
    'redis://:secret@a:0',
    'redis://:secret@a:65536',
    'redis://:secret@a:port',
    'redis://:secret@a/one',
    'redis://:secret@a/1/2',
    'redis://:secret@a?db=1',
    'redis://:secret@a#1',
    'redis://:secret%@a',
    'redis://:/secret@a',
    'redis+cluster://:secret@a:1,',
    'redis+cluster://:secret@a:1/1',
    'redis+sentinel://:secret@a',
    'redis+sentinel://:secret@a/',
    'rediss+sentinel://:secret@a/primary',
    'redis+tls://:secret@a',
  ])('%s is refused, without a word of the password', (url) => {
    let fault: unknown;
    try {
      parseRedisUrl(url);
    } catch (error) {
      fault = error;
    }
    expect(fault).toBeFault('ConfigurationInvalid');
    expect(String(fault)).not.toContain('secret');
  });
});
