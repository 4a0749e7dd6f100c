import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net';

/** Identity of a client that is known only by its address: an IPv4 address, or the /64 of an IPv6 address. */
export type ClientAddress = (
  req: Pick<IncomingMessage, 'headers'> & {
    readonly socket: { readonly remoteAddress?: string | undefined };
  },
) => string;

/**
 * Names the client of a request by its address. Behind trusted proxies it is the nearest address in `X-Forwarded-For`
 * or `Forwarded` that is none of theirs: whatever stands further left was written by the client. What cannot be read,
 * or says two things, counts as the peer itself, so that nobody gets many names by writing headers.
 */
export function clientAddress(trusted: readonly string[]): ClientAddress {
  const proxies = trustList(trusted);
  return ({ headers, socket }) => {
    const peer = plainAddress(socket.remoteAddress ?? '');
    if (peer === undefined) return 'unknown';
    if (!proxies(peer)) return network(peer);
    const named = [
      nearest(headers['x-forwarded-for'], lastAddress, proxies),
      nearest(headers.forwarded, lastForwarded, proxies),
    ].filter((address) => address !== undefined);
    const [first = peer, second = first] = named;
    return network(first === second && first !== 'unreadable' ? first : peer);
  };
}

/** Whether the peer of a connection is one of the listed proxies. */
export function trustedPeers(trusted: readonly string[]): (remoteAddress: string | undefined) => boolean {
  const proxies = trustList(trusted);
  return (remoteAddress = '') => {
    const peer = plainAddress(remoteAddress);
    return peer !== undefined && proxies(peer);
  };
}

/** Whether an address is one of those, or in one of the networks, that are listed. */
function trustList(listed: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const each of listed) {
    const [address = '', bits] = each.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** An address, or a network with its length of 0 to 32 or 128 bits. */
export function isAddressOrNetwork(text: string): boolean {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits ?? 0) <= (family === 4 ? 32 : 128);
}

/** The last entry of a list, and what stands before it; an address that cannot be read is undefined. */
interface Last {
  readonly address: string | undefined;
  readonly before: string;
}

/** Nobody has more proxies before him; what is longer was written to keep this busy. */
const maxHops = 32;

/** From right to left: every proxy appends whom it was asked by. undefined: the header is not there. */
function nearest(
  header: string | readonly string[] | undefined,
  last: (list: string) => Last,
  proxies: (address: string) => boolean,
): string | undefined {
  if (header === undefined) return undefined;
  let rest = typeof header === 'string' ? header : header.join(',');
  for (let hop = 0; hop < maxHops; hop++) {
    const { address, before } = last(rest);
    if (address === undefined) break;
    // If every hop is a proxy of ours, the first of them is the client.
    if (!proxies(address) || before === '') return address;
    rest = before;
  }
  return 'unreadable';
}

/** `X-Forwarded-For`: addresses, of which some proxies write the port as well. */
function lastAddress(list: string): Last {
  const comma = list.lastIndexOf(',');
  return { address: hostAddress(list.slice(comma + 1).trim()), before: list.slice(0, Math.max(0, comma)) };
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const value = `${token}|"(?:[^"\\\\]|\\\\.)*"`;
const pair = `${token}=(?:${value})`;
const element = new RegExp(`^[ \\t]*${pair}(?:[ \\t]*;[ \\t]*${pair})*[ \\t]*$`);
/** Commas that the values of one element may have. */
const maxCommas = 8;

/**
 * `Forwarded` (RFC 7239). The shortest end of the list that is a whole element is the last one: a quote that a client
 * has opened before it reaches nothing that a proxy has appended.
 */
function lastForwarded(list: string): Last {
  let comma = list.length;
  for (let commas = 0; commas <= maxCommas && comma > 0; commas++) {
    comma = list.lastIndexOf(',', comma - 1);
    const candidate = list.slice(comma + 1);
    if (element.test(candidate))
      return { address: forOf(candidate), before: list.slice(0, Math.max(0, comma)) };
  }
  return { address: undefined, before: '' };
}

/** Whom an element was written for; one that says it twice says nothing. */
function forOf(candidate: string): string | undefined {
  const nodes = [...candidate.matchAll(new RegExp(`(${token})=(${value})`, 'g'))]
    .filter(([, name]) => name?.toLowerCase() === 'for')
    .map(([, , node = '']) => node);
  const [node, second] = nodes;
  if (node === undefined || second !== undefined) return undefined;
  return hostAddress(node.startsWith('"') ? node.slice(1, -1).replace(/\\(.)/g, '$1') : node);
}

/** The address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`. */
function hostAddress(text: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::(?:\d{1,5}|_[\w.-]+))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return isIPv6(bracketed) ? plainAddress(bracketed) : undefined;
  return plainAddress(plain ?? text);
}

/** One spelling for each address: without a zone, and IPv4 that is written as IPv6 is IPv4. */
function plainAddress(text: string): string | undefined {
  const family = isIP(text);
  if (family === 0) return undefined;
  if (family === 4) return text;
  const address = text.replace(/%.*$/, '');
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1] ?? canonical;
}

/** Whoever has one address of IPv6 has the 2^64 of its network. */
function network(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const zeros = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...(tail ?? '').split(':')];
  return `${all.slice(0, 4).join(':')}::/64`;
}
