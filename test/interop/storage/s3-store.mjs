// An S3 server for tests: s3rver, and in front of it what s3rver leaves out. Amazon's own signer checks the signature of
// every request as it arrived, with its Host header; bodies in aws-chunked coding are decoded, and their trailing checksum
// is compared. Its argument is the directory where objects are kept.
import { Buffer } from 'node:buffer';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { URLSearchParams } from 'node:url';
import { crc32 } from 'node:zlib';
import { SignatureV4 } from '@smithy/signature-v4';
import S3rver from 's3rver';

const region = 'us-east-1';
const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

const store = new S3rver({
  ...{ address: '127.0.0.1', port: 0, silent: true, resetOnClose: true, vhostBuckets: false },
  directory: process.argv[2],
  configureBuckets: [{ name: 'recordings' }, { name: 'hosted' }],
});
const { port: storePort } = await store.run();

/** As the signer wants it. */
class Sha256 {
  #hash;
  constructor(secret) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
  }
  update(data) {
    this.#hash.update(data);
  }
  digest() {
    return Promise.resolve(new Uint8Array(this.#hash.digest()));
  }
}

const signer = new SignatureV4({
  ...{ service: 's3', region, credentials, sha256: Sha256, uriEscapePath: false, applyChecksum: false },
});

/** Whether the signature is that of this very request. */
async function isSigned(req) {
  const given = /^AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(
    req.headers.authorization ?? '',
  );
  const time = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(req.headers['x-amz-date'] ?? '');
  if (given === null || time === null) return false;
  const names = given[2].split(';');
  if (!names.includes('host')) return false;
  const [, year, month, day, hour, minute, second] = time.map(Number);
  const [path, search = ''] = req.url.split('?');
  const signed = await signer.sign(
    {
      ...{ method: req.method, protocol: 'http:', hostname: req.headers.host, path },
      query: Object.fromEntries(new URLSearchParams(search)),
      headers: Object.fromEntries(names.map((name) => [name, req.headers[name] ?? ''])),
    },
    {
      signingDate: new Date(Date.UTC(year, month - 1, day, hour, minute, second)),
      signableHeaders: new Set(names),
    },
  );
  const signature = /Signature=([0-9a-f]{64})$/.exec(signed.headers.authorization)?.[1] ?? '';
  return timingSafeEqual(Buffer.from(signature), Buffer.from(given[3]));
}

/** `<size in hex>[;extension]CRLF<data>CRLF`, then trailers. */
function decode(body) {
  const chunks = [];
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, end), 16);
    const next = end + 2;
    if (size === 0) return { data: Buffer.concat(chunks), trailers: body.toString('latin1', next) };
    if (end < 0 || Number.isNaN(size)) throw new Error('a chunk has no size');
    chunks.push(body.subarray(next, next + size));
    at = next + size + 2;
  }
}

function checked(body) {
  const { data, trailers } = decode(body);
  const expected = /^x-amz-checksum-crc32:(\S+)/m.exec(trailers)?.[1];
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(data));
  if (expected !== undefined && expected !== sum.toString('base64'))
    throw new Error('the checksum is another');
  return data;
}

const refuse = (res, status, code, text) =>
  res
    .writeHead(status, { 'content-type': 'application/xml' })
    .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${text}</Message></Error>`);

async function serve(req, res) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  let body = Buffer.concat(chunks);
  if (!(await isSigned(req))) return refuse(res, 403, 'SignatureDoesNotMatch', 'the signature is another');
  const headers = { ...req.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  if ((req.headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-')) {
    try {
      body = checked(body);
    } catch (error) {
      return refuse(res, 400, 'BadDigest', error.message);
    }
    if (body.length !== Number(req.headers['x-amz-decoded-content-length']))
      return refuse(res, 400, 'IncompleteBody', 'the decoded length is another');
    delete headers['content-encoding'];
  }
  delete headers['transfer-encoding'];
  headers['content-length'] = body.length;
  const inner = request({ port: storePort, host: '127.0.0.1', method: req.method, path: req.url, headers });
  inner.end(body);
  const [answer] = await once(inner, 'response');
  res.writeHead(answer.statusCode, answer.headers);
  answer.pipe(res);
}

const front = createServer((req, res) => {
  serve(req, res).catch(() => res.destroy());
});
front.listen(0, '127.0.0.1', () => console.log(`listens on http://127.0.0.1:${front.address().port}`));
