import { connect, type Socket } from 'node:net';

export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far. */
  readonly received: string;
  write(text: string): void;
  /** Resolves once the received text matches, or the connection is over. */
  until(pattern: RegExp): Promise<string>;
  close(): void;
}

/** A connection on which a test says every byte itself. */
export function rawConnection(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    let over = false;
    const waiting = new Set<() => void>();
    const wake = (): void => {
      for (const check of [...waiting]) check();
    };
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      wake();
    });
    socket.on('close', () => {
      over = true;
      wake();
    });
    socket.on('error', reject);
    socket.on('connect', () => {
      resolve({
        socket,
        get received() {
          return received;
        },
        write: (text) => {
          socket.write(text, 'latin1');
        },
        until: (pattern) =>
          new Promise((settle) => {
            const check = (): void => {
              if (!over && !pattern.test(received)) return;
              waiting.delete(check);
              settle(received);
            };
            waiting.add(check);
            check();
          }),
        close: () => socket.destroy(),
      });
    });
  });
}
