import type { Model } from '../model.ts';
import { html, useEffect, useRef, useState, type VNode } from '../vendor/preact.ts';
import { clock, size } from '../words.ts';

const shownSeconds = 120;
const height = 140;

/** A colour of style.css: a canvas inherits none. */
const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The media of one call, a point a second, from when the page was opened. */
export function Chart({ model, id }: { readonly model: Model; readonly id: string }): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const [now, setNow] = useState({ writes: 0, bytes: 0 });
  useEffect(() => {
    const points: [times: number[], bytes: number[]] = [[], []];
    let redraw = (): void => undefined;
    let end = (): void => undefined;
    let isOver = false;
    // Fetched only by who looks at a call.
    void import('../vendor/uplot.ts').then(({ default: UPlot }) => {
      if (isOver || frame.current === null) return;
      const axis = {
        stroke: colour('--dim'),
        grid: { stroke: colour('--line'), width: 1 },
        ticks: { show: false },
      };
      const plot = new UPlot(
        {
          width: frame.current.clientWidth,
          height,
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1000)] } },
          axes: [
            {
              ...axis,
              space: 90,
              values: (_plot, times) => times.map((time) => clock(new Date(time * 1000).toISOString())),
            },
            { ...axis, size: 80, values: (_plot, values) => values.map((value) => `${size(value)}/s`) },
          ],
          series: [
            {},
            { stroke: colour('--accent'), fill: colour('--accent-faint'), width: 2, points: { show: false } },
          ],
        },
        points,
        frame.current,
      );
      redraw = () => plot.setData(points);
      const observer = new ResizeObserver(() =>
        plot.setSize({ width: frame.current?.clientWidth ?? plot.width, height }),
      );
      observer.observe(frame.current);
      end = () => {
        observer.disconnect();
        plot.destroy();
      };
    });
    const timer = setInterval(() => {
      const rate = model.rateOf(id, performance.now());
      points[0].push(Date.now() / 1000);
      points[1].push(rate.bytes);
      for (const values of points) if (values.length > shownSeconds) values.shift();
      setNow(rate);
      redraw();
    }, 1000);
    return () => {
      isOver = true;
      clearInterval(timer);
      end();
    };
  }, [model, id]);
  const text = `${now.writes} writes a second, ${size(now.bytes)} a second`;
  return html`
    <figure class="chart">
      <figcaption>Media now: ${text}</figcaption>
      <div ref=${frame} aria-hidden="true"></div>
    </figure>
  `;
}
