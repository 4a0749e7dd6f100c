import { open, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Fault } from '../../core/errors.ts';

/**
 * Keeps other processes of this host from writing to the directory: a listening Unix socket in it, which the kernel
 * closes when its process dies, also by SIGKILL. Processes in other containers that share the volume see it too.
 * Other hosts do not; there the lease in the store stands alone. Resolves with the way to give the directory back, or
 * with `undefined` where its file system knows no sockets.
 */
export async function takeExclusively(directory: string): Promise<(() => Promise<void>) | undefined> {
  // Through the descriptor, since the path of a socket may have 107 bytes at most.
  const handle = await open(directory, 'r');
  const path =
    process.platform === 'linux' ? `/proc/self/fd/${handle.fd}/writer.sock` : join(directory, 'writer.sock');
  try {
    const server = (await listen(path)) ?? ((await isAbandoned(path)) ? await listen(path) : undefined);
    if (server === undefined)
      throw new Fault(
        'EvidenceUnwritable',
        `another process on this host is writing evidence to ${directory}`,
      );
    return async () => {
      await new Promise((resolve) => server.close(resolve));
      await handle.close();
    };
  } catch (error) {
    await handle.close();
    if (unsupported.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** What SMB and some other network file systems answer. */
const unsupported: ReadonlySet<string> = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL']);

/** `undefined`: the name is in use. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    // By itself: a worker of a cluster would have its primary listen, once for all workers.
    server.listen({ path, exclusive: true }, () => resolve(server));
    server.unref();
  });
}

/** A socket nobody listens on was left by a process that died: it is removed. */
function isAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(true);
      else if (error.code === 'ECONNREFUSED') unlink(path).then(() => resolve(true), reject);
      else resolve(false);
    });
  });
}
