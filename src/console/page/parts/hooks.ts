import { useEffect, useState } from '../vendor/preact.ts';
import type { Model } from '../model.ts';
import { type Route, routeOf } from '../route.ts';

const drawEveryMs = 200;
const second = 1000;

/** Draws anew when the model changes, a few times a second at most, and every second, since durations are shown. */
export function useModel(model: Model): void {
  const [, draw] = useState(0);
  useEffect(() => {
    let timer: number | undefined;
    let frame: number | undefined;
    const schedule = (): void => {
      timer ??= setTimeout(() => {
        frame = requestAnimationFrame(() => {
          timer = undefined;
          draw((times) => times + 1);
        });
      }, drawEveryMs) as unknown as number;
    };
    const stop = model.subscribe(schedule);
    const ticking = setInterval(schedule, second);
    return () => {
      stop();
      clearInterval(ticking);
      clearTimeout(timer);
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, [model]);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const changed = (): void => setRoute(routeOf(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

/** Calls back for keys that no control takes for itself. */
export function useKeys(handle: (event: KeyboardEvent) => void, inputs: readonly unknown[]): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector('dialog[open]') === null) handle(event);
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [...inputs]);
}
