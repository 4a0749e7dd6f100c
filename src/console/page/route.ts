import { type ViewName, viewNames } from './views.ts';

/** What is shown: it stands in the fragment of the address, so that it can be linked, and left by going back. */
export type Route =
  | { readonly kind: 'wall'; readonly view: ViewName }
  | { readonly kind: 'call'; readonly id: string }
  | { readonly kind: 'holds' };

const isView = (name: string): name is ViewName => (viewNames as readonly string[]).includes(name);

export function routeOf(fragment: string): Route {
  const [kind = '', id = ''] = fragment.replace(/^#\/?/, '').split('/');
  if (kind === 'call' && /^[0-9a-f-]{32,36}$/i.test(id)) return { kind, id: id.toLowerCase() };
  if (kind === 'holds') return { kind };
  return { kind: 'wall', view: isView(kind) ? kind : 'air' };
}

export function fragmentOf(route: Route): string {
  switch (route.kind) {
    case 'wall':
      return `#/${route.view}`;
    case 'call':
      return `#/call/${route.id}`;
    case 'holds':
      return '#/holds';
  }
}
