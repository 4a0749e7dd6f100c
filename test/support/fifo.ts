import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A pipe whose reader can stand still; the output of a child process is often a socket instead. */
export interface Fifo {
  /** The end to write to. */
  readonly fd: number;
  /** What was read so far, line by line. */
  readonly lines: readonly string[];
  standStill(): void;
  readOn(): void;
  close(): void;
}

export function openFifo(): Fifo {
  const directory = mkdtempSync(join(tmpdir(), 'tallylight-fifo-'));
  const path = join(directory, 'log');
  execFileSync('mkfifo', [path]);
  const reader = new Socket({
    fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
    writable: false,
  });
  const fd = openSync(path, constants.O_WRONLY);
  const lines: string[] = [];
  createInterface(reader).on('line', (line) => lines.push(line));
  return {
    fd,
    lines,
    standStill: () => void reader.pause(),
    readOn: () => void reader.resume(),
    close() {
      reader.destroy();
      closeSync(fd);
      rmSync(directory, { recursive: true });
    },
  };
}
