import type { StandingHold } from '../../../core/call/hold.ts';
import { releaseHold, type Scope, setHold } from '../api.ts';
import { html, useLayoutEffect, useRef, useState, type VNode } from '../vendor/preact.ts';
import { fullTime, scopeWords } from '../words.ts';
import { type Context, mayAct } from './context.ts';
import { ReasonDialog } from './dialog.ts';

const notYet = 'Not every instance has acknowledged it yet: it is in force within one session TTL.';

interface HoldProps {
  readonly context: Context;
  /** Absent: the operator chooses. */
  readonly scope?: Scope;
  readonly close: () => void;
}

type ScopeKind = 'tenant' | 'app' | 'all';

/** Sets a hold. */
export function HoldDialog({ context, scope: given, close }: HoldProps): VNode {
  const { tenants } = context.session;
  const [kind, setKind] = useState<ScopeKind>('tenant');
  const [id, setId] = useState(tenants?.[0] ?? '');
  const scope: Scope =
    given ?? (kind === 'all' ? { all: true } : kind === 'app' ? { app: id } : { tenant: id });
  const act = async (reason: string): Promise<void> => {
    const { hold, acknowledged } = await setHold(scope, reason);
    context.tell(
      `Hold ${hold.number} on ${scopeWords(hold.scope)} is set. ${acknowledged ? 'Every instance acts on it.' : notYet}`,
    );
  };
  // Whoever is limited to tenants may hold these alone.
  const kinds = {
    tenant: 'one tenant',
    ...(tenants === null ? { app: 'one application', all: 'all calls' } : {}),
  };
  return html`
    <${ReasonDialog}
      title=${given === undefined ? 'Set a hold' : `Hold ${scopeWords(given)}`}
      confirm="Set the hold"
      act=${act}
      close=${close}
    >
      <p>
        While a hold stands, no recording of its calls starts, and no media is admitted. Open gates close at
        once. Releasing it opens nothing: a bot must request the recording again.
      </p>
      ${
        given === undefined &&
        html`
          <fieldset>
            <legend>For</legend>
            ${Object.entries(kinds).map(
              ([name, title]) => html`
                <label key=${name}>
                  <input
                    type="radio"
                    name="scope"
                    checked=${kind === name}
                    onChange=${() => setKind(name as ScopeKind)}
                  />
                  ${title}
                </label>
              `,
            )}
          </fieldset>
          ${
            kind !== 'all' &&
            html`
              <label class="field">
                <span>${kind === 'app' ? 'Application id' : 'Tenant id'}</span>
                <input
                  name="scope-id"
                  required
                  autocomplete="off"
                  pattern="[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
                  title="A GUID, such as 11111111-1111-1111-1111-111111111111"
                  value=${id}
                  onInput=${({ target }: Event) => setId((target as HTMLInputElement).value.trim())}
                />
              </label>
            `
          }
        `
      }
    <//>
  `;
}

/** The holds that stand. */
export function HoldsPage({
  context,
  back,
}: {
  readonly context: Context;
  readonly back: () => void;
}): VNode {
  const holds = context.model.head?.holds ?? [];
  const [asking, setAsking] = useState<StandingHold | 'new' | undefined>(undefined);
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => heading.current?.focus(), []);
  const release = async (hold: StandingHold, reason: string): Promise<void> => {
    const { acknowledged } = await releaseHold(hold.id, reason);
    context.tell(
      `Hold ${hold.number} is released. ${acknowledged ? 'Every instance knows.' : 'Some instances learn of it within one session TTL.'} Recordings start only when a bot requests them again.`,
    );
  };
  return html`
    <main class="holds">
      <div class="title">
        <button onClick=${back}>← Back</button>
        <h1 tabindex="-1" ref=${heading}>Holds</h1>
      </div>
      <p>While a hold stands, no gate of its calls opens on any instance.</p>
      ${mayAct(context) && html`<p><button class="danger" onClick=${() => setAsking('new')}>Set a hold …</button></p>`}
      ${holds.length === 0 && html`<p class="empty">No hold stands.</p>`}
      <ul class="cards">
        ${holds.map(
          (hold) => html`
            <li key=${hold.id} data-hold=${hold.id}>
              <h2>Hold ${hold.number}: ${scopeWords(hold.scope)}</h2>
              <p class="reason">${hold.reason}</p>
              <p>
                Set by ${hold.by.subject} (${hold.by.issuer}) at
                <time datetime=${hold.at}>${fullTime(hold.at)}</time> UTC
              </p>
              ${mayAct(context) && html`<button onClick=${() => setAsking(hold)}>Release hold ${hold.number} …</button>`}
            </li>
          `,
        )}
      </ul>
      ${asking === 'new' && html`<${HoldDialog} context=${context} close=${() => setAsking(undefined)} />`}
      ${
        asking !== undefined &&
        asking !== 'new' &&
        html`
          <${ReasonDialog}
            title=${`Release hold ${asking.number}`}
            confirm="Release the hold"
            act=${(reason: string) => release(asking, reason)}
            close=${() => setAsking(undefined)}
          >
            <p>
              Recordings of ${scopeWords(asking.scope)} may start again. Nothing opens by itself: a bot must
              request the recording, and Graph must confirm it.
            </p>
          <//>
        `
      }
    </main>
  `;
}
