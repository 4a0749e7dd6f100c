import { ApiError, readSession } from './api.ts';
import type { Model, ModelEvent } from './model.ts';

/** The head comes every ten seconds at least. */
const silentMs = 25_000;
const lookEveryMs = 1000;
const retryMs = [500, 1000, 2000, 5000, 10_000] as const;

export interface LiveOptions {
  /** The session is over, or there is none. */
  readonly onSignedOut: () => void;
}

/**
 * Keeps the model up to date from the event stream. A stream that breaks is taken up by the browser at the event after the
 * last one; one that is refused, or is silent, is begun anew. Returns the way to stop.
 */
export function follow(model: Model, { onSignedOut }: LiveOptions): () => void {
  let source: EventSource | undefined;
  let heardAt = performance.now();
  let heardOn: number | null = null;
  let failures = 0;
  let timer: number | undefined;
  let isOver = false;

  const take = (event: ModelEvent): void => model.take(event, performance.now());
  const isLost = (): void => {
    if (model.link.kind !== 'lost') take({ type: 'link', link: { kind: 'lost', since: heardOn } });
  };
  const heard = (type: 'snapshot' | 'calls' | 'activity' | 'head') => {
    source?.addEventListener(type, ({ data }: MessageEvent<string>) => {
      heardAt = performance.now();
      heardOn = Date.now();
      failures = 0;
      const content = JSON.parse(data) as never;
      if (model.link.kind !== 'live') take({ type: 'link', link: { kind: 'live' } });
      take(type === 'head' ? { type, head: content } : ({ type, ...(content as object) } as ModelEvent));
    });
  };
  const begin = (): void => {
    if (isOver) return;
    heardAt = performance.now();
    source = new EventSource('/api/events');
    for (const type of ['snapshot', 'calls', 'activity', 'head'] as const) heard(type);
    source.addEventListener('error', () => {
      isLost();
      if (source?.readyState === EventSource.CLOSED) again();
    });
  };
  /** Who is refused a stream is told why by an ordinary request. */
  const again = (): void => {
    source?.close();
    source = undefined;
    isLost();
    const wait = retryMs[Math.min(failures, retryMs.length - 1)];
    failures += 1;
    timer = setTimeout(() => {
      readSession().then(begin, (error: unknown) => {
        if (isOver) return;
        if (error instanceof ApiError && error.status === 401) onSignedOut();
        else again();
      });
    }, wait) as unknown as number;
  };
  const look = setInterval(() => {
    if (source !== undefined && performance.now() - heardAt > silentMs) again();
  }, lookEveryMs);

  begin();
  return () => {
    isOver = true;
    clearInterval(look);
    clearTimeout(timer);
    source?.close();
  };
}
