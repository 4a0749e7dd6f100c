import type { Watcher } from './relay.ts';

/** A stop on its way to Graph, seen where it left the proxy. */
export interface Sighting {
  /** Undashed, lower case. */
  readonly call: string;
  /** Monotonic, ms: when its first byte was seen. */
  readonly at: number;
}

export interface StopWatch {
  readonly sightings: readonly Sighting[];
  /** For one relay: connections are told apart by number. */
  newWatcher(): Watcher;
}

interface Begun {
  readonly at: number;
  text: string;
}

const stop =
  /^(?:DELETE \S*\/calls\/([\w-]+) HTTP|POST \S*\/calls\/([\w-]+)\/updateRecordingStatus HTTP[^]*"status":"(?:notRecording|failed)")/;

/** Notes every stop that passes on connections to Graph, whether it arrives or not. */
export function watchForStops(): StopWatch {
  const sightings: Sighting[] = [];
  return {
    sightings,
    newWatcher() {
      const begun = new Map<number, Begun>();
      return (connection, chunk, at) => {
        const text = chunk.toString('latin1');
        // Requests never overlap on a connection, so one begins with a chunk or not at all.
        const isHead = /^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(text);
        const request = isHead ? { at, text: '' } : begun.get(connection);
        if (request === undefined) return;
        request.text += text;
        begun.set(connection, request);
        const found = stop.exec(request.text);
        if (found === null) return;
        begun.delete(connection);
        const call = (found[1] ?? found[2] ?? '').replaceAll('-', '').toLowerCase();
        sightings.push({ call, at: request.at });
      };
    },
  };
}
