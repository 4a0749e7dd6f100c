import { ApiError, readSession, type Session, signOut } from '../api.ts';
import { follow } from '../live.ts';
import { Model } from '../model.ts';
import { go } from './go.ts';
import { html, useCallback, useEffect, useMemo, useRef, useState, type VNode } from '../vendor/preact.ts';
import { filtered, listsOf, type ViewName } from '../views.ts';
import { shortId } from '../words.ts';
import { Announcer } from './announcer.ts';
import { CallPage } from './call.ts';
import type { Context } from './context.ts';
import { Banners, Head } from './head.ts';
import { HoldsPage } from './holds.ts';
import { useKeys, useModel, useRoute } from './hooks.ts';
import { SignIn } from './sign-in.ts';
import { Tabs } from './tabs.ts';
import { focusWall, Wall } from './wall.ts';

type Standing =
  | { readonly kind: 'reading' }
  | { readonly kind: 'signedOut' }
  | { readonly kind: 'failed'; readonly why: string }
  /** `ahead`: by how much the server's clock is ahead of this one, ms. */
  | { readonly kind: 'in'; readonly session: Session; readonly ahead: number };

/** A difference that a round trip and the resolution of the Date field explain. */
const sameClockMs = 2000;

export function App(): VNode {
  const [standing, setStanding] = useState<Standing>({ kind: 'reading' });
  const begin = useCallback(() => {
    readSession().then(
      ({ session, date }) => {
        const ahead = Number.isNaN(date) ? 0 : date - Date.now();
        setStanding({ kind: 'in', session, ahead: Math.abs(ahead) < sameClockMs ? 0 : ahead });
      },
      (error: unknown) =>
        setStanding(
          error instanceof ApiError && error.status === 401
            ? { kind: 'signedOut' }
            : { kind: 'failed', why: error instanceof Error ? error.message : String(error) },
        ),
    );
  }, []);
  useEffect(begin, []);
  const leave = useCallback(() => setStanding({ kind: 'signedOut' }), []);
  switch (standing.kind) {
    case 'reading':
      return html`<main>
        <h1>Tallylight console</h1>
        <p role="status">Reading …</p>
      </main>`;
    case 'signedOut':
      return html`<${SignIn} done=${begin} />`;
    case 'failed':
      return html`
        <main>
          <h1>Tallylight console</h1>
          <p class="failure" role="alert">${standing.why}</p>
          <button onClick=${begin}>Try again</button>
        </main>
      `;
    case 'in':
      return html`<${Console} session=${standing.session} ahead=${standing.ahead} leave=${leave} />`;
  }
}

interface ConsoleProps {
  readonly session: Session;
  readonly ahead: number;
  readonly leave: () => void;
}

function Console({ session, ahead, leave }: ConsoleProps): VNode {
  const model = useMemo(() => new Model(), []);
  useEffect(() => follow(model, { onSignedOut: leave }), [model, leave]);
  useModel(model);
  const [filter, setFilter] = useState('');
  const [message, tell] = useState('');
  const route = useRoute();
  const view = useRef<ViewName>('air');
  if (route.kind === 'wall') view.current = route.view;
  const input = useRef<HTMLInputElement>(null);

  const lists = useMemo(() => listsOf(model.rows.values()), [model.revision]);
  const context: Context = {
    ...{ model, session, tell },
    now: Date.now() + ahead,
    signOut: () => void signOut().finally(leave),
  };
  const back = (): void => go({ kind: 'wall', view: view.current });
  useKeys(
    (event) => {
      const isTyping = event.target instanceof HTMLInputElement;
      if (event.key === 'Escape' && route.kind !== 'wall') back();
      else if (event.key === 'Escape' && isTyping) {
        setFilter('');
        focusWall();
      } else if (event.key === '/' && !isTyping && route.kind === 'wall') {
        event.preventDefault();
        input.current?.focus();
      } else if (event.key === 'Enter' && event.target === input.current) focusWall();
    },
    [route.kind],
  );
  const wasAway = useRef(false);
  useEffect(() => {
    if (route.kind === 'wall' && wasAway.current) focusWall();
    wasAway.current = route.kind !== 'wall';
  }, [route.kind]);
  useEffect(() => {
    document.title = `${route.kind === 'call' ? `Call ${shortId(route.id)}` : `${lists.air.length} on air`} – Tallylight`;
  });

  const rows = useMemo(() => filtered(lists[view.current], filter), [lists, view.current, filter]);
  return html`
    <div class="console" data-link=${model.link.kind} data-route=${route.kind}>
      <${Head} context=${context} lists=${lists} />
      <${Announcer}
        link=${model.link.kind}
        attention=${lists.attention.map(({ id }) => id)}
        message=${message}
      />
      <section aria-label="Notices">
        <${Banners} context=${context} />
        ${
          message !== '' &&
          html`<p class="banner told">${message} <button onClick=${() => tell('')}>Dismiss</button></p>`
        }
      </section>
      ${
        route.kind === 'wall' &&
        html`
          <main class="wall">
            <h1 class="unseen">Calls</h1>
            <div class="bar">
              <${Tabs} view=${route.view} lists=${lists} />
              <label class="filter">
                <span>Filter</span>
                <input
                  ref=${input}
                  type="search"
                  name="filter"
                  autocomplete="off"
                  placeholder="id, policy, state, reason"
                  aria-keyshortcuts="/"
                  value=${filter}
                  onInput=${({ target }: Event) => setFilter((target as HTMLInputElement).value)}
                />
                ${filter.trim() !== '' && html`<output>${rows.length} of ${lists[route.view].length}</output>`}
              </label>
            </div>
            <div role="tabpanel" id="tab-panel" aria-labelledby=${`tab-${route.view}`}>
              <${Wall}
                key=${route.view}
                context=${context}
                view=${route.view}
                rows=${rows}
                all=${lists[route.view].length}
              />
            </div>
            <footer>
              <kbd>/</kbd> filter <kbd>↑</kbd><kbd>↓</kbd> move <kbd>Enter</kbd> open <kbd>Esc</kbd> back.
              Times are UTC. Version ${session.version}.
            </footer>
          </main>
        `
      }
      ${route.kind === 'call' && html`<${CallPage} key=${route.id} context=${context} id=${route.id} back=${back} />`}
      ${route.kind === 'holds' && html`<${HoldsPage} context=${context} back=${back} />`}
    </div>
  `;
}
