import { describe, expect, test } from '@jest/globals';
import {
  acceptFor,
  asksForWebSocket,
  closeFrame,
  frameOf,
  invalidAcceptance,
  invalidHandshake,
} from '../../../../src/core/http/websocket.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const good = { host: 'proxy', 'sec-websocket-version': '13', 'sec-websocket-key': key };

test('a key has the answer that RFC 6455 gives', () => {
  expect(acceptFor(key)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

describe('a WebSocket is asked for', () => {
  test.each([
    ['GET', '1.1', 'websocket', true],
    ['GET', '1.1', ' WebSocket ', true],
    ['POST', '1.1', 'websocket', false],
    ['CONNECT', '1.1', 'websocket', false],
    ['GET', '1.0', 'websocket', false],
    ['GET', '2.0', 'websocket', false],
    ['GET', '1.1', 'h2c', false],
    ['GET', '1.1', 'websocket, h2c', false],
    ['GET', '1.1', undefined, false],
  ])('by %s of HTTP/%s with the upgrade "%s": %s', (method, version, upgrade, asked) => {
    expect(asksForWebSocket(method, version, { upgrade })).toBe(asked);
  });
});

describe('an opening handshake', () => {
  test('that is right has nothing wrong with it', () => {
    expect(invalidHandshake(good)).toBeUndefined();
    expect(invalidHandshake({ ...good, 'content-length': '0' })).toBeUndefined();
  });
  test.each([
    ['no version', { 'sec-websocket-version': undefined }, 'UpgradeRequired'],
    ['another version', { 'sec-websocket-version': '8' }, 'UpgradeRequired'],
    ['two versions', { 'sec-websocket-version': '13, 8' }, 'UpgradeRequired'],
    ['no host', { host: undefined }, 'UpgradeInvalid'],
    ['a body', { 'content-length': '5' }, 'UpgradeInvalid'],
    ['chunks', { 'transfer-encoding': 'chunked' }, 'UpgradeInvalid'],
    ['no key', { 'sec-websocket-key': undefined }, 'UpgradeInvalid'],
    ['a short key', { 'sec-websocket-key': 'c2hvcnQ=' }, 'UpgradeInvalid'],
    ['two keys', { 'sec-websocket-key': `${key}, ${key}` }, 'UpgradeInvalid'],
    ['a key with another last digit', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZR==' }, 'UpgradeInvalid'],
  ])('with %s is refused', (_what, change, reason) => {
    expect(invalidHandshake({ ...good, ...change })).toMatchObject({ ok: false, reason });
  });
});

describe('an acceptance', () => {
  test('must answer the key, and use nothing that was not offered', () => {
    const accept = { 'sec-websocket-accept': acceptFor(key) };
    expect(invalidAcceptance(good, accept)).toBeUndefined();
    expect(invalidAcceptance(good, {})).toMatch(/does not match Sec-WebSocket-Key/);
    expect(invalidAcceptance(good, { 'sec-websocket-accept': acceptFor('other') })).toMatch(/does not match/);
    const deflated = { ...accept, 'sec-websocket-extensions': 'permessage-deflate' };
    expect(invalidAcceptance(good, deflated)).toMatch(/not offered/);
  });
});

test('frames are those of the examples in RFC 6455', () => {
  const mask = Buffer.from('37fa213d', 'hex');
  expect(frameOf(1, Buffer.from('Hello')).toString('hex')).toBe('810548656c6c6f');
  expect(frameOf(1, Buffer.from('Hello'), mask).toString('hex')).toBe('818537fa213d7f9f4d5158');
  expect(frameOf(2, Buffer.alloc(256)).toString('hex', 0, 4)).toBe('827e0100');
  expect(frameOf(2, Buffer.alloc(65_536)).toString('hex', 0, 10)).toBe('827f0000000000010000');
  expect(closeFrame(1008, 'no').toString('hex')).toBe('880403f06e6f');
});
