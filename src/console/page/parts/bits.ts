import type { StateName } from '../../../core/call/state.ts';
import { html, type VNode } from '../vendor/preact.ts';
import { clock, duration, fullTime, roughly, shortId, stateWords } from '../words.ts';

/** The state of a gate: a lamp for the eye, and always the word. */
export const Lamp = ({ state }: { readonly state: StateName }): VNode => html`
  <span class="state" data-state=${state}>
    <span class="lamp" aria-hidden="true"></span>
    <span class="word">${stateWords[state]}</span>
  </span>
`;

interface TimeProps {
  readonly at: string | null;
  readonly now: number;
}

/** How long ago it was; the time itself is in the title. */
export const Ago = ({ at, now }: TimeProps): VNode =>
  at === null
    ? html`<span class="none">–</span>`
    : html`<time datetime=${at} title=${`${fullTime(at)} UTC`}>${duration(now - Date.parse(at))}</time>`;

/** The same to one unit, with "ago". */
export const Before = ({ at, now }: TimeProps): VNode =>
  at === null
    ? html`<span class="none">–</span>`
    : html`<time datetime=${at} title=${`${fullTime(at)} UTC`}>${roughly(now - Date.parse(at))} ago</time>`;

export const Clock = ({ at }: { readonly at: string | null }): VNode =>
  at === null
    ? html`<span class="none">–</span>`
    : html`<time datetime=${at} title=${`${fullTime(at)} UTC`}>${clock(at)}</time>`;

export const Id = ({ id }: { readonly id: string | null }): VNode =>
  id === null ? html`<span class="none">unknown</span>` : html`<code title=${id}>${shortId(id)}</code>`;
