import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { monotonic } from '../../src/sandbox/loopback.ts';

/** How what passes is treated. */
export interface Weather {
  /** Every byte takes this long, ms. */
  readonly delayMs: number;
  /** How fast each direction is read; Infinity: as fast as it comes. */
  readonly bytesPerMs: number;
  /**
   * Nothing passes, the end of a connection included, as if every packet were dropped: in either direction, or only
   * towards the side that connected.
   */
  readonly silent: 'both' | 'back' | undefined;
}

export const calm: Weather = { delayMs: 0, bytesPerMs: Infinity, silent: undefined };

/** Between two parties. */
export interface Way {
  weather: Weather;
  /** Resets every connection; what was on its way is lost. */
  cut(): void;
}

/** A TCP relay between two parties, which can be slow, silent or gone. */
export interface Relay extends Way {
  readonly url: string;
  /** Where new connections go; undefined: they are reset. */
  target: string | undefined;
  close(): Promise<void>;
}

/** Several relays between the same parties. */
export class Bundle implements Way {
  readonly #relays: readonly Relay[];
  #weather = calm;

  constructor(relays: readonly Relay[]) {
    this.#relays = relays;
  }

  get weather(): Weather {
    return this.#weather;
  }

  set weather(weather) {
    this.#weather = weather;
    for (const relay of this.#relays) relay.weather = weather;
  }

  cut(): void {
    for (const relay of this.#relays) relay.cut();
  }
}

/** Sees what comes from the side that connects, as it comes. */
export type Watcher = (connection: number, chunk: Buffer, at: number) => void;

/** When bytes came to relays, by the local port from which they were passed on. A port belongs to one connection at a time. */
export class Arrivals {
  readonly #lanes = new Map<number, Lane>();

  take(port: number, lane: Lane): void {
    this.#lanes.set(port, lane);
  }

  /** When the first `bytes` bytes had come; undefined: the port is unknown, or they waited unread. */
  at(port: number, bytes: number): number | undefined {
    return this.#lanes.get(port)?.arrivedAt(bytes);
  }
}

interface RelayOptions {
  readonly target?: string | undefined;
  readonly watch?: Watcher;
  readonly arrivals?: Arrivals;
  /** Changes what comes back, as it comes. */
  readonly translate?: (chunk: Buffer) => Buffer;
}

interface LaneOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly weather: () => Weather;
  readonly isSilent: (weather: Weather) => boolean;
  /** Sees each chunk as it comes, and returns what is passed on. */
  readonly take: (chunk: Buffer, at: number) => Buffer;
}

/** Something on its way: bytes, or how a side ended. */
interface Parcel {
  readonly what: Buffer | 'end' | 'reset';
  readonly due: number;
}

const silencePollMs = 10;
/** What may be on its way before the sender has to wait. */
const windowBytes = 4 * 1024 * 1024;
const narrowWindowBytes = 16 * 1024;

/** One direction of a connection. What is sent arrives in order, the reset of a connection included. */
class Lane {
  readonly #weather: () => Weather;
  readonly #isSilent: (weather: Weather) => boolean;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #parcels: Parcel[] = [];
  #bytes = 0;
  #due = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Cumulative bytes, and when they had come; NaN once they may have waited unread. */
  readonly #arrivals: { readonly bytes: number; readonly at: number }[] = [];
  #hasWaited = false;

  constructor({ from, to, weather, isSilent, take }: LaneOptions) {
    this.#weather = weather;
    this.#isSilent = isSilent;
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => {
      const at = monotonic();
      const before = this.#arrivals.at(-1)?.bytes ?? 0;
      this.#arrivals.push({ bytes: before + chunk.length, at: this.#hasWaited ? NaN : at });
      this.#take(take(chunk, at));
    });
    from.on('end', () => this.#take('end'));
    from.on('error', () => undefined);
    from.on('close', () => {
      if (!from.readableEnded) this.#take('reset');
    });
    to.on('close', () => clearTimeout(this.#timer));
  }

  arrivedAt(bytes: number): number | undefined {
    const at = this.#arrivals.find((arrival) => arrival.bytes >= bytes)?.at;
    return at === undefined || Number.isNaN(at) ? undefined : at;
  }

  #take(what: Parcel['what']): void {
    const { delayMs, bytesPerMs } = this.#weather();
    const length = typeof what === 'string' ? 0 : what.length;
    const now = monotonic();
    const transmission = length / bytesPerMs;
    this.#due =
      transmission > 0 ? Math.max(now, this.#due) + transmission : Math.max(now + delayMs, this.#due);
    this.#parcels.push({ what, due: this.#due });
    this.#bytes += length;
    const window = bytesPerMs === Infinity ? windowBytes : narrowWindowBytes;
    if (this.#bytes > window) {
      this.#hasWaited = true;
      this.#from.pause();
    }
    if (this.#parcels.length === 1) this.#pump();
  }

  readonly #pump = (): void => {
    for (let next; (next = this.#parcels[0]) !== undefined;) {
      if (this.#to.destroyed) return;
      const waitMs = this.#isSilent(this.#weather()) ? silencePollMs : next.due - monotonic();
      if (waitMs > 0) {
        this.#timer = setTimeout(this.#pump, waitMs);
        return;
      }
      this.#parcels.shift();
      this.#deliver(next.what);
    }
  };

  #deliver(what: Parcel['what']): void {
    if (what === 'end') this.#to.end();
    else if (what === 'reset') this.#to.resetAndDestroy();
    else {
      this.#to.write(what);
      this.#bytes -= what.length;
      if (this.#from.isPaused() && this.#bytes <= narrowWindowBytes) this.#from.resume();
    }
  }
}

/** Listens on a free port, and passes everything on to `target`. */
export async function startRelay({
  target,
  watch = () => undefined,
  arrivals,
  translate = (chunk) => chunk,
}: RelayOptions = {}): Promise<Relay> {
  const open = new Set<Socket>();
  let connections = 0;

  const server = createServer({ allowHalfOpen: true }, (near) => {
    near.on('error', () => undefined);
    if (relay.target === undefined) {
      near.resetAndDestroy();
      return;
    }
    const { hostname, port } = new URL(relay.target);
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const number = (connections += 1);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    }
    const weather = (): Weather => relay.weather;
    const lane = new Lane({
      from: near,
      to: far,
      weather,
      isSilent: ({ silent }) => silent === 'both',
      take: (chunk, at) => {
        watch(number, chunk, at);
        return chunk;
      },
    });
    new Lane({
      from: far,
      to: near,
      weather,
      isSilent: ({ silent }) => silent !== undefined,
      take: translate,
    });
    far.on('connect', () => arrivals?.take(far.localPort ?? 0, lane));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const relay: Relay = {
    url: `http://127.0.0.1:${port}`,
    target,
    weather: calm,
    cut: () => {
      for (const socket of open) socket.resetAndDestroy();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return relay;
}
