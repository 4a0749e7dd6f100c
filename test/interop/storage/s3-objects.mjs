// Amazon's client for S3, as a bot would use it behind a media route.
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { commandHeader, serveCommands } from './commands.mjs';

const { ENDPOINT, STORE, DIRECT, TOKEN } = process.env;

const settings = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  forcePathStyle: true,
};

/** The token for the proxy, in a header of its own. It is added after a request was signed: the store will not see it. */
const tokenForProxy = (command) => (next) => (args) => {
  args.request.headers['tallylight-authorization'] = `Bearer ${TOKEN}`;
  args.request.headers[commandHeader] = command;
  return next(args);
};

/** Signed for the store, and sent to the proxy. */
const throughProxy = (next) => (args) => {
  const { hostname, port } = new URL(ENDPOINT);
  Object.assign(args.request, { hostname, port: Number(port) });
  return next(args);
};

/** `signs`: for which host, the proxy's (`host: 'keep'`) or the store's. */
function client(command, { signs = 'store', tokenIsSigned = false } = {}) {
  const s3 = new S3Client({ ...settings, endpoint: signs === 'store' ? STORE : ENDPOINT });
  const token = tokenForProxy(command);
  s3.middlewareStack.add(token, { step: tokenIsSigned ? 'build' : 'deserialize', priority: 'low' });
  if (signs === 'store') s3.middlewareStack.add(throughProxy, { step: 'deserialize', priority: 'low' });
  return s3;
}

const direct = new S3Client({ ...settings, endpoint: DIRECT });
const bytesOf = (bytes) => Buffer.alloc(bytes, 'm');

const commands = {
  async put(s3, { bucket: Bucket, key: Key, bytes }) {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: bytesOf(bytes) }));
  },
  /** Its length is known, and it cannot be read twice. */
  async putStream(s3, { bucket: Bucket, key: Key, bytes }) {
    const Body = Readable.from([bytesOf(bytes / 2), bytesOf(bytes / 2)]);
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: bytes }));
  },
  async create(s3, { bucket: Bucket, key: Key }) {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    return UploadId;
  },
  async part(s3, { bucket: Bucket, key: Key, upload: UploadId, part: PartNumber, bytes }) {
    const command = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: bytesOf(bytes) });
    const { ETag } = await s3.send(command);
    return { ETag, PartNumber };
  },
  async complete(s3, { bucket: Bucket, key: Key, upload: UploadId, parts: Parts }) {
    const MultipartUpload = { Parts };
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }));
  },
  async abort(s3, { bucket: Bucket, key: Key, upload: UploadId }) {
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  },
  async size(s3, { bucket: Bucket, key: Key }) {
    return (await s3.send(new HeadObjectCommand({ Bucket, Key }))).ContentLength;
  },
  async remove(s3, { bucket: Bucket, key: Key }) {
    await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  },
  async list(s3, { bucket: Bucket, prefix: Prefix }) {
    return (await s3.send(new ListObjectsV2Command({ Bucket, Prefix }))).KeyCount;
  },
  /** The store itself, which is not behind the proxy for this. */
  async stored(_s3, { bucket: Bucket, prefix: Prefix }) {
    const { Contents = [] } = await direct.send(new ListObjectsV2Command({ Bucket, Prefix }));
    return Object.fromEntries(Contents.map(({ Key, Size }) => [Key, Size]));
  },
};

serveCommands(({ name, options, ...facts }, command) => commands[name](client(command, options), facts));
