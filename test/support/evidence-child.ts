import { writeSync } from 'node:fs';
import { openFileSink, type FileSink } from '../../src/evidence/file-sink.ts';
import { startEvidenceWriter } from '../../src/evidence/writer.ts';
import { memoryLog } from './evidence-history.ts';
import { FileOutbox, realClock } from './evidence-outbox.ts';

/**
 * A process that drains a file outbox: DIRECTORY OUTBOX [STEP COUNT]. Names each step on its standard output; at the
 * COUNTth occurrence of STEP it kills itself.
 */
const [directory = '', outboxDirectory = '', deadlyStep = '', count = '1'] = process.argv.slice(2);
let left = Number(count);

function passes(step: string): void {
  writeSync(1, `${step}\n`);
  if (step === deadlyStep && (left -= 1) === 0) process.kill(process.pid, 'SIGKILL');
}

/** Names the steps before and after each call of these methods. */
function stepped<T extends object>(target: T, methods: readonly string[]): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      if (!methods.includes(String(name))) return method;
      return async (...args: unknown[]) => {
        passes(`before ${String(name)}`);
        const result = await method(...args);
        passes(`after ${String(name)}`);
        return result;
      };
    },
  });
}

const outbox = stepped(new FileOutbox(outboxDirectory), ['claimSink', 'lease', 'pending', 'remove']);
const sink: FileSink = stepped(await openFileSink(directory, { log: memoryLog() }), ['recover', 'append']);
const writer = startEvidenceWriter({
  outbox,
  sink,
  owner: `process ${process.pid}`,
  clock: realClock,
  log: memoryLog(),
  meter: { evidence: () => undefined },
  batch: 5,
});
await writer.flush();
await writer.stop();
