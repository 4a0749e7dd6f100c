// Microsoft's storage-blob package, as a bot would use it behind a media route.
import { Buffer } from 'node:buffer';
import {
  AnonymousCredential,
  BlockBlobClient,
  ContainerClient,
  ContainerSASPermissions,
  StorageSharedKeyCredential,
  generateBlobSASQueryParameters,
  newPipeline,
} from '@azure/storage-blob';
import { commandHeader, serveCommands } from './commands.mjs';

const { ENDPOINT, DIRECT, CONTAINER, ACCOUNT, ACCOUNT_KEY, TOKEN } = process.env;
const key = new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY);

/** The token for the proxy. With a SAS nothing else needs Authorization; with a key it is in a header of its own. */
const tokenForProxy = (command, tokenIn) => ({
  create: (next) => ({
    sendRequest(request) {
      request.headers.set(tokenIn, `Bearer ${TOKEN}`);
      request.headers.set(commandHeader, command);
      return next.sendRequest(request);
    },
  }),
});

function container(command, { sas = false, tokenIn = 'Tallylight-Authorization', container = CONTAINER }) {
  // As many tries as the package makes of its own accord, but sooner.
  const retryOptions = { retryDelayInMs: 50, maxRetryDelayInMs: 200 };
  const pipeline = newPipeline(sas ? new AnonymousCredential() : key, { retryOptions });
  pipeline.factories.push(tokenForProxy(command, tokenIn));
  const url = `${ENDPOINT}/${container}${sas ? `?${sasFor(container)}` : ''}`;
  return Object.assign(new ContainerClient(url, pipeline), { pipeline });
}

const sasFor = (containerName) =>
  generateBlobSASQueryParameters(
    {
      containerName,
      permissions: ContainerSASPermissions.parse('racwdl'),
      expiresOn: new Date(Date.now() + 3_600_000),
    },
    key,
  ).toString();

const idOf = (name) => Buffer.from(name).toString('base64');

const commands = {
  /** Goes to the store itself, as `stored` does. */
  async prepare(_blobs, { container }) {
    await new ContainerClient(`${DIRECT}/${container}`, key).createIfNotExists();
  },
  async upload(blobs, { blob, bytes }) {
    await blobs.getBlockBlobClient(blob).upload(Buffer.alloc(bytes, 'm'), bytes);
  },
  /** By a URL that was written elsewhere, with the slash in the name encoded. */
  async uploadAt(blobs, { call, rest, bytes }) {
    const url = new URL(blobs.url);
    url.pathname += `/${call}/${encodeURIComponent(rest)}`;
    await new BlockBlobClient(url.href, blobs.pipeline).upload(Buffer.alloc(bytes, 'm'), bytes);
  },
  async stage(blobs, { blob, block, bytes }) {
    await blobs.getBlockBlobClient(blob).stageBlock(idOf(block), Buffer.alloc(bytes, 'm'), bytes);
  },
  async commit(blobs, { blob, blocks }) {
    await blobs.getBlockBlobClient(blob).commitBlockList(blocks.map(idOf));
  },
  async append(blobs, { blob, bytes }) {
    const client = blobs.getAppendBlobClient(blob);
    await client.createIfNotExists();
    await client.appendBlock(Buffer.alloc(bytes, 'm'), bytes);
  },
  async size(blobs, { blob }) {
    return (await blobs.getBlobClient(blob).getProperties()).contentLength;
  },
  async remove(blobs, { blob }) {
    await blobs.getBlobClient(blob).delete();
  },
  async stored(_blobs, { prefix, container = CONTAINER }) {
    const direct = new ContainerClient(`${DIRECT}/${container}`, key);
    const found = {};
    for await (const { name, properties } of direct.listBlobsFlat({ prefix, includeUncommitedBlobs: true }))
      found[name] = properties.contentLength ?? 0;
    return found;
  },
};

serveCommands(({ name, ...facts }, command) => commands[name](container(command, facts), facts));
