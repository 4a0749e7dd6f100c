import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from '@jest/globals';
import { sha256, type EvidenceRecord } from '../../../src/core/call/evidence.ts';
import { openFileSink } from '../../../src/evidence/journal/file-sink.ts';
import type { Repair } from '../../../src/core/call/evidence-lines.ts';
import { decodeLine } from '../../../src/evidence/journal/journal.ts';
import { listJournalFiles, verifyJournal, type Report } from '../../../src/evidence/verify/verify.ts';
import { startEvidenceWriter, type EvidenceWriter } from '../../../src/evidence/journal/writer.ts';
import { eventually } from '../eventually.ts';
import type { ChildOptions } from './child.ts';
import { memoryLog } from './history.ts';
import type { FileOutbox } from './outbox.ts';
import { realClock } from './outbox.ts';

/** Where syncing costs nothing: what is lost without it is imitated, not waited for. */
export const temporaryDirectory = (prefix: string): Promise<string> =>
  mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), prefix));

interface Running {
  /** What it has named so far, oldest first. */
  readonly steps: string[];
  readonly ended: Promise<'killed' | 'done'>;
  kill(): void;
  /** Lets it go on where it is held. */
  goOn(): void;
}

/** Starts a writer process; `compiled` is what `compileEvidence` returned. */
export function startChild(compiled: string, options: ChildOptions): Running {
  const child = spawn(
    process.execPath,
    [join(compiled, 'test/support/evidence/child.js'), JSON.stringify(options)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdin.on('error', () => undefined);
  const steps: string[] = [];
  createInterface(child.stdout).on('line', (line) => steps.push(line));
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => {
    if (signal === 'SIGKILL') return 'killed';
    expect(code).toBe(0);
    return 'done';
  });
  return { steps, ended, kill: () => child.kill('SIGKILL'), goOn: () => void child.stdin.write('\n') };
}

interface Instance {
  readonly writer: EvidenceWriter;
  readonly log: ReturnType<typeof memoryLog>;
  stop(): Promise<void>;
}

/** A writer in this process, named `survivor`. */
export async function startInstance(directory: string, outbox: FileOutbox): Promise<Instance> {
  const log = memoryLog();
  const sink = await openFileSink(directory, { log, today: () => new Date('2026-02-01') });
  const meter = { evidence: () => undefined };
  const writer = startEvidenceWriter({
    outbox,
    sink,
    owner: 'survivor',
    clock: realClock,
    log,
    meter,
    idleMs: 2,
  });
  return { writer, log, stop: () => writer.stop() };
}

/** An instance starts anew after the lease has lapsed, and ends when all is drained. */
export async function restart(directory: string, outbox: FileOutbox): Promise<Instance> {
  outbox.lapse();
  const instance = await startInstance(directory, outbox);
  try {
    await eventually(() => instance.writer.state === 'writing', { what: 'writing' });
    await instance.writer.flush();
  } finally {
    await instance.stop();
  }
  return instance;
}

type Line = { readonly record?: EvidenceRecord; readonly repair?: Repair };

const linesIn = (text: string): Line[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

export const readFiles = async (directory: string): Promise<Map<string, Buffer>> =>
  new Map(
    existsSync(directory)
      ? (await listJournalFiles(directory)).map((path) => [path, readFileSync(path)] as const)
      : [],
  );

/**
 * What must be there at the end, however often it broke: each record once, in order, the evidence fits, and what was cut
 * is kept.
 */
export async function expectEachOnce(directory: string, records: readonly EvidenceRecord[]): Promise<Report> {
  const report = await verifyJournal(await listJournalFiles(directory));
  expect(report).toMatchObject({ misfit: null, records: records.length });
  const lines = [...(await readFiles(directory)).values()].flatMap((bytes) => linesIn(bytes.toString()));
  expect(lines.flatMap(({ record }) => record?.hash ?? [])).toEqual(records.map(({ hash }) => hash));
  for (const cut of lines.flatMap(({ repair }) => repair?.cut ?? []))
    expect(sha256(readFileSync(join(directory, `cut-${cut.sha256}`)))).toBe(cut.sha256);
  return report;
}

/**
 * Compares the files before and after a restart: what is gone is told by a line where it began, and was no whole
 * line. Returns how much was cut, in bytes.
 */
export async function expectCutsToBeTold(directory: string, before: Map<string, Buffer>): Promise<number> {
  let cut = 0;
  for (const [path, now] of await readFiles(directory)) {
    const was = before.get(path) ?? Buffer.alloc(0);
    const from = commonLines(was, now);
    const { repair } = linesIn(now.subarray(from).toString())[0] ?? {};
    if (from === was.length) {
      expect(repair).toBeUndefined();
      continue;
    }
    const gone = was.subarray(from);
    expect(repair).toEqual({
      version: 1,
      at: '2026-02-01T00:00:00.000Z',
      instance: 'survivor',
      cut: { bytes: gone.length, sha256: sha256(gone) },
    });
    const firstEnd = gone.indexOf('\n');
    if (firstEnd !== -1) expect(decodeLine(gone.toString('utf8', 0, firstEnd))).toBeUndefined();
    cut += gone.length;
  }
  return cut;
}

/** Up to the end of the last line that both have. */
function commonLines(a: Buffer, b: Buffer): number {
  const differs = a.findIndex((byte, at) => byte !== b[at]);
  return a.subarray(0, differs === -1 ? a.length : differs).lastIndexOf('\n') + 1;
}
