import { startProxyProcess, type ProxyProcess } from '../support/process.ts';
import type { Relay, Way } from './relay.ts';

/** To Graph, to the media handler, to Redis and Sentinel, and from the bots. */
export interface Ways {
  readonly graph: Way;
  readonly sink: Way;
  readonly store: Way;
  readonly bots: Relay;
}

interface How {
  readonly settings: Readonly<Record<string, string>>;
  /** The program; the built one if absent. */
  readonly main?: string | undefined;
}

/** One proxy that is killed and started again, always behind the same relays. */
export class Instance {
  readonly ways: Ways;
  /** What all its processes wrote. */
  readonly lines: string[] = [];
  /** How processes ended that nobody had ended. */
  readonly surprises: string[] = [];
  readonly #how: How;
  #process: ProxyProcess | undefined;

  constructor(ways: Ways, how: How) {
    this.ways = ways;
    this.#how = how;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async boot(): Promise<void> {
    const proxy = await startProxyProcess(this.#how.settings, {
      main: this.#how.main,
      onLine: (line) => this.lines.push(line),
    });
    this.#process = proxy;
    this.ways.bots.target = proxy.url;
    const orphaned = (): void => proxy.kill('SIGKILL');
    process.once('exit', orphaned);
    void proxy.exited.then((end) => {
      process.off('exit', orphaned);
      if (this.#process === proxy) this.surprises.push(`a proxy ended with ${end}`);
    });
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  /** Asks it to end, and waits until it has; resolves with its exit code. */
  stop(): Promise<number | NodeJS.Signals> {
    return this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | NodeJS.Signals> {
    const proxy = this.#process;
    if (proxy === undefined) return 0;
    this.#process = undefined;
    proxy.kill(signal);
    const end = await proxy.exited;
    this.ways.bots.target = undefined;
    return end;
  }
}
