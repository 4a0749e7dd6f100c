import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What befalls a request on its way to Graph; undefined: nothing. */
export type Mood = 'none' | 'reset' | number | undefined;

/** Stands before Graph and does with requests as it is told, whoever's they are. */
export class UnsteadyGraph {
  /** Decides about each request. */
  mood: (req: IncomingMessage) => Mood = () => undefined;
  /** The Graph behind it. */
  target = '';
  readonly #server = createServer((req, res) => this.#serve(req, res));
  readonly #waiting = new Map<ServerResponse, IncomingMessage>();

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Everything goes through again. */
  calm(): void {
    this.mood = () => undefined;
    for (const res of this.#waiting.keys()) res.destroy();
    this.#waiting.clear();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** What waits meets this now, and so does whatever comes; undefined: nothing befalls it. */
  becomes(mood: Mood): void {
    this.mood = () => mood;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [res, req] of waiting) this.#meet(req, res, mood);
  }

  async close(): Promise<void> {
    this.calm();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    this.#meet(req, res, this.mood(req));
  }

  #meet(req: IncomingMessage, res: ServerResponse, mood: Mood): void {
    if (mood === 'none') this.#waiting.set(res, req);
    else if (mood === 'reset') req.socket.resetAndDestroy();
    else if (mood === undefined) this.#pass(req, res);
    else {
      const code = mood === 401 ? 'InvalidAuthenticationToken' : 'Unwell';
      res.writeHead(mood, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { code, message: '' } }));
    }
  }

  #pass(req: IncomingMessage, res: ServerResponse): void {
    const { method, headers } = req;
    const onward = ask(`${this.target}${req.url ?? ''}`, { method, headers, agent: false }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(res);
    });
    onward.once('error', () => res.destroy());
    req.pipe(onward);
  }
}
