import { fragmentOf } from '../route.ts';
import { html, type VNode } from '../vendor/preact.ts';
import type { Lists } from '../views.ts';
import { clock, count, duration, size } from '../words.ts';
import type { Context } from './context.ts';

/** The journal is read four times a second; more than this is a delay worth telling. */
const delayedMs = 20_000;

interface Props {
  readonly context: Context;
  readonly lists: Lists;
}

/** What holds for all calls. */
export function Head({ context, lists }: Props): VNode {
  const { model, session, signOut } = context;
  const { head } = model;
  const onAir = lists.air.length;
  const { bytes } = model.totalRate(performance.now());
  const holds = head?.holds.length ?? 0;
  const { who } = session;
  return html`
    <header>
      <a class="brand" href=${fragmentOf({ kind: 'wall', view: 'air' })}>
        <span class="state" data-state=${onAir > 0 ? 'recording' : 'idle'}
          ><span class="lamp" aria-hidden="true"></span
        ></span>
        Tallylight
      </a>
      <dl>
        <div>
          <dt>On air</dt>
          <dd>${onAir}</dd>
        </div>
        <div>
          <dt>Media now</dt>
          <dd>${size(bytes)}/s</dd>
        </div>
        <div>
          <dt>Evidence waiting</dt>
          <dd>${evidenceWords(context)}</dd>
        </div>
        <div>
          <dt>Anchors</dt>
          <dd>${head === null || head.anchors.length === 0 ? 'none' : head.anchors.length}</dd>
        </div>
        <div>
          <dt>Holds</dt>
          <dd>
            <a class=${holds > 0 ? 'standing' : ''} href=${fragmentOf({ kind: 'holds' })}
              >${holds === 0 ? 'none' : count(holds, 'stands', 'stand')}</a
            >
          </dd>
        </div>
      </dl>
      <div class="who">
        <span title=${`${who.subject}, ${who.issuer}`}>${who.name ?? who.subject}</span>
        ${who.issuer !== 'local' && html`<button onClick=${signOut}>Sign out</button>`}
      </div>
    </header>
  `;
}

function evidenceWords({ model: { head } }: Context): string {
  const { waiting = null, oldestSeconds = null } = head?.evidence ?? {};
  if (waiting === null) return 'unknown';
  if (waiting === 0) return 'none';
  return oldestSeconds === null ? String(waiting) : `${waiting}, for ${duration(oldestSeconds * 1000)}`;
}

/** What makes the page less than the whole truth, or the gate less than closed. */
export function Banners({ context }: { readonly context: Context }): VNode {
  const { model, session, now } = context;
  const { head, link } = model;
  const enforcing = head?.enforcing ?? session.enforcing;
  const until = head?.observeUntil ?? session.observeUntil;
  const all = head?.holds.find(({ scope }) => 'all' in scope);
  const behindMs = head === null ? 0 : now - Date.parse(head.asOf);
  return html`
    ${
      !enforcing &&
      html`<p class="banner warning" data-banner="observing">
        <strong>Not enforcing.</strong> ${' '}What the laws refuse passes, and is recorded as not
        enforced${until === null ? '' : ` until ${until}`}.
      </p>`
    }
    ${
      all !== undefined &&
      html`<p class="banner danger" data-banner="held">
        <strong>Everything is on hold.</strong> No recording can start: ${all.reason}
      </p>`
    }
    ${link.kind === 'connecting' && html`<p class="banner" data-banner="connecting">Connecting …</p>`}
    ${
      link.kind === 'lost' &&
      html`<p class="banner warning" data-banner="stale">
        <strong>No connection to the console.</strong> ${' '}${
          link.since === null
            ? 'Nothing was read yet.'
            : `What is shown is as of ${clock(new Date(link.since).toISOString())} UTC and may be out of date.`
        }
        Reconnecting …
      </p>`
    }
    ${
      link.kind === 'live' &&
      behindMs > delayedMs &&
      html`<p class="banner warning" data-banner="delayed">
        <strong>The journal is read with a delay.</strong> ${' '}What is shown is ${duration(behindMs)} old.
      </p>`
    }
  `;
}
