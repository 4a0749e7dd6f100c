import type { CallRow } from '../../row.ts';
import { go } from './go.ts';
import { html, useLayoutEffect, useMemo, useRef, useState, type VNode } from '../vendor/preact.ts';
import { type ViewName, views } from '../views.ts';
import { columnsOf } from './columns.ts';
import type { Context } from './context.ts';

/** As in style.css. */
const rowHeight = 40;
const overscan = 6;

/** Where the operator was on each tab. */
const activeOn = new Map<ViewName, string>();

interface Props {
  readonly context: Context;
  readonly view: ViewName;
  readonly rows: readonly CallRow[];
  /** How many there are without the filter. */
  readonly all: number;
}

const open = ({ id }: CallRow): void => go({ kind: 'call', id });

/** The calls of a tab. Only the rows that can be seen are in the document, whatever their number. */
export function Wall({ context, view, rows, all }: Props): VNode {
  const columns = useMemo(() => columnsOf(view), [view]);
  const grid = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 800 });
  const [, draw] = useState(0);
  const place = useRef({ index: 0, wanted: false, first: '' });

  // A row that has left the tab hands its place to the one that has come up to it.
  const found = rows.findIndex(({ id }) => id === activeOn.get(view));
  const active = found >= 0 ? found : Math.max(0, Math.min(place.current.index, rows.length - 1));
  const hadFocus = isInside(grid.current);

  const follow = (): void => {
    if (grid.current !== null) setSeen({ top: grid.current.scrollTop, height: grid.current.clientHeight });
  };
  useLayoutEffect(() => {
    const element = grid.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(follow);
    observer.observe(element);
    reveal(element, active);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    keepPlace(grid.current, rows, place.current.first);
    follow();
  }, [rows]);
  useLayoutEffect(() => {
    place.current.index = active;
    place.current.first = rows[Math.floor((grid.current?.scrollTop ?? 0) / rowHeight)]?.id ?? '';
    if (place.current.wanted || (hadFocus && !isInside(grid.current))) focusRow(grid.current, active);
    place.current.wanted = false;
  });

  const moveTo = (index: number): void => {
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (row === undefined) return;
    activeOn.set(view, row.id);
    place.current.wanted = true;
    reveal(grid.current, rows.indexOf(row));
    follow();
    draw((times) => times + 1);
  };
  const page = Math.max(1, Math.floor(seen.height / rowHeight) - 2);
  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => moveTo(active + 1),
    ArrowUp: () => moveTo(active - 1),
    PageDown: () => moveTo(active + page),
    PageUp: () => moveTo(active - page),
    Home: () => moveTo(0),
    End: () => moveTo(rows.length - 1),
    Enter: () => rows[active] !== undefined && open(rows[active]),
  };
  const pressed = (event: KeyboardEvent): void => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };

  const first = Math.max(0, Math.floor(seen.top / rowHeight) - overscan);
  const end = Math.min(rows.length, Math.ceil((seen.top + seen.height) / rowHeight) + overscan);
  const drawn = indices(first, end, rows.length === 0 ? undefined : active);
  return html`
    <div
      class="grid"
      data-view=${view}
      role="grid"
      aria-label=${views[view].title}
      aria-rowcount=${rows.length + 1}
      aria-colcount=${columns.length}
      ref=${grid}
      onScroll=${follow}
      onKeyDown=${pressed}
      tabindex=${rows.length === 0 ? '0' : '-1'}
    >
      <div role="rowgroup" class="grid-head">
        <div role="row" class="row" aria-rowindex="1">
          ${columns.map(
            ({ name, title }, index) =>
              html`<div role="columnheader" key=${name} class=${`cell is-${name}`} aria-colindex=${index + 1}>
                ${title}
              </div>`,
          )}
        </div>
      </div>
      <div role="rowgroup" class="grid-body" style=${{ height: `${rows.length * rowHeight}px` }}>
        ${drawn.map((index) => {
          const row = rows[index];
          if (row === undefined) return null;
          const facts = { row, now: context.now, rate: context.model.rateOf(row.id, performance.now()) };
          return html`
            <div
              role="row"
              key=${row.id}
              class="row"
              data-index=${index}
              data-id=${row.id}
              data-state=${row.state}
              aria-rowindex=${index + 2}
              tabindex=${index === active ? '0' : '-1'}
              style=${{ transform: `translateY(${index * rowHeight}px)` }}
              onFocus=${() => activeOn.set(view, row.id)}
              onClick=${(event: MouseEvent) => {
                if (!(event.target instanceof Element && event.target.closest('a') !== null)) open(row);
              }}
            >
              ${columns.map(
                ({ name, cell }, at) =>
                  html`<div role="gridcell" key=${name} class=${`cell is-${name}`} aria-colindex=${at + 1}>
                    ${cell(facts)}
                  </div>`,
              )}
            </div>
          `;
        })}
      </div>
      ${rows.length === 0 && html`<p class="empty">${all > 0 ? 'No call of this tab matches the filter.' : views[view].empty}</p>`}
    </div>
  `;
}

/** Puts the focus on the row where the operator was. */
export const focusWall = (): void => {
  document.querySelector<HTMLElement>('.grid-body .row[tabindex="0"], .grid[tabindex="0"]')?.focus();
};

const isInside = (element: HTMLElement | null): boolean => element?.contains(document.activeElement) === true;

/** The row with the focus stays in the document when it is scrolled away. */
function indices(first: number, end: number, active: number | undefined): readonly number[] {
  const drawn = Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at);
  if (active === undefined || (active >= first && active < end)) return drawn;
  return active < first ? [active, ...drawn] : [...drawn, active];
}

/** What is being read must not jump when calls come and go above it. */
function keepPlace(grid: HTMLElement | null, rows: readonly CallRow[], first: string): void {
  if (grid === null || grid.scrollTop === 0 || first === '') return;
  const before = Math.floor(grid.scrollTop / rowHeight);
  const index = rows.findIndex(({ id }) => id === first);
  if (index >= 0 && index !== before) grid.scrollTop += (index - before) * rowHeight;
}

function reveal(grid: HTMLElement | null, index: number): void {
  if (grid === null) return;
  const head = rowHeight;
  const top = index * rowHeight;
  const room = grid.clientHeight - head;
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + rowHeight > grid.scrollTop + room) grid.scrollTop = top + rowHeight - room;
}

function focusRow(grid: HTMLElement | null, index: number): void {
  const row = grid?.querySelector<HTMLElement>(`[data-index="${index}"]`);
  (row ?? grid)?.focus({ preventScroll: true });
}
