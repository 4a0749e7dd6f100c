import { go } from './go.ts';
import { html, type VNode } from '../vendor/preact.ts';
import { type Lists, type ViewName, viewNames, views } from '../views.ts';

interface Props {
  readonly view: ViewName;
  readonly lists: Lists;
}

const steps: Readonly<Record<string, (index: number) => number>> = {
  ArrowRight: (index) => (index + 1) % viewNames.length,
  ArrowLeft: (index) => (index + viewNames.length - 1) % viewNames.length,
  Home: () => 0,
  End: () => viewNames.length - 1,
};

export function Tabs({ view, lists }: Props): VNode {
  const pressed = (event: KeyboardEvent): void => {
    const name = viewNames[steps[event.key]?.(viewNames.indexOf(view)) ?? -1];
    if (name === undefined) return;
    event.preventDefault();
    go({ kind: 'wall', view: name });
    document.getElementById(`tab-${name}`)?.focus();
  };
  return html`
    <div role="tablist" aria-label="Calls" onKeyDown=${pressed}>
      ${viewNames.map(
        (name) => html`
          <button
            role="tab"
            key=${name}
            id=${`tab-${name}`}
            aria-selected=${name === view ? 'true' : 'false'}
            aria-controls="tab-panel"
            tabindex=${name === view ? '0' : '-1'}
            class=${name === 'attention' && lists.attention.length > 0 ? 'urgent' : ''}
            onClick=${() => go({ kind: 'wall', view: name })}
          >
            ${views[name].title} <span class="count">${lists[name].length}</span>
          </button>
        `,
      )}
    </div>
  `;
}
