import type { CallRow } from '../../row.ts';
import type { Rate } from '../model.ts';
import { fragmentOf } from '../route.ts';
import { html, type VNode } from '../vendor/preact.ts';
import type { ViewName } from '../views.ts';
import { attentionText, attentionWords, endText, reasonText, rosterWords, shortId, size } from '../words.ts';
import { Ago, Before, Clock, Id, Lamp } from './bits.ts';

export interface CellFacts {
  readonly row: CallRow;
  readonly rate: Rate;
  readonly now: number;
}

interface Column {
  readonly title: string;
  readonly cell: (facts: CellFacts) => VNode | string;
}

/** What passed only since the laws are observed. */
const observedText = (writes: number): string =>
  `${String(writes)} ${writes === 1 ? 'write' : 'writes'} would have been refused.`;

const none = html`<span class="none">–</span>`;

const columns = {
  state: {
    title: 'State',
    cell: ({ row }) => html`
      <${Lamp} state=${row.state} />
      ${row.held && html`<span class="tag">held</span>`}
      ${!row.enforced && html`<span class="tag" title=${observedText(row.observed)}>not enforced</span>`}
    `,
  },
  since: { title: 'For', cell: ({ row, now }) => html`<${Ago} at=${row.since} now=${now} />` },
  call: {
    title: 'Call',
    cell: ({ row }) => html`
      <a href=${fragmentOf({ kind: 'call', id: row.id })} tabindex="-1" title=${row.id}
        ><code>${shortId(row.id)}</code></a
      >
    `,
  },
  tenant: { title: 'Tenant', cell: ({ row }) => html`<${Id} id=${row.tenant} />` },
  app: { title: 'Bot', cell: ({ row }) => html`<${Id} id=${row.app} />` },
  policy: {
    title: 'Policy',
    cell: ({ row: { policy } }) => (policy === null ? none : html`<span title=${policy}>${policy}</span>`),
  },
  media: {
    title: 'Media now',
    cell: ({ rate: { writes, bytes } }) =>
      writes === 0 && bytes === 0 ? none : `${writes}/s · ${size(bytes)}/s`,
  },
  total: { title: 'Admitted', cell: ({ row }) => `${row.writes} · ${size(row.bytes)}` },
  refusal: {
    title: 'Last refusal',
    cell: ({ row: { lastRefusal }, now }) =>
      lastRefusal === null
        ? none
        : html`<span title=${reasonText(lastRefusal.reason) ?? lastRefusal.reason}>
            ${lastRefusal.reason}, <${Before} at=${lastRefusal.at} now=${now} />
          </span>`,
  },
  roster: { title: 'Roster', cell: ({ row }) => rosterWords[row.roster] },
  heard: {
    title: 'Last heard',
    cell: ({ row: { lastHeard }, rate, now }) =>
      rate.bytes > 0 ? 'now' : html`<${Before} at=${lastHeard} now=${now} />`,
  },
  attention: {
    title: 'Why it needs attention',
    cell: ({ row }) => html`
      <span title=${row.attention.map(attentionText).join(' ')}>
        ${row.attention.map((kind) => attentionWords[kind]).join(', ')}
      </span>
    `,
  },
  why: {
    title: 'Why it is not recorded',
    cell: ({ row: { notRecordedBecause } }) =>
      html`<span title=${notRecordedBecause ?? ''}>${notRecordedBecause ?? ''}</span>`,
  },
  endedAt: { title: 'Ended (UTC)', cell: ({ row }) => html`<${Clock} at=${row.endedAt} />` },
  end: {
    title: 'How it ended',
    cell: ({ row: { endCause } }) => {
      const text = endCause === null ? '' : (endText(endCause) ?? endCause);
      return html`<span title=${text}>${text}</span>`;
    },
  },
} as const satisfies Record<string, Column>;

type ColumnName = keyof typeof columns;

const shown: Readonly<Record<ViewName, readonly ColumnName[]>> = {
  attention: [
    'state',
    'since',
    'call',
    'attention',
    'tenant',
    'app',
    'policy',
    'media',
    'refusal',
    'roster',
    'heard',
  ],
  air: ['state', 'since', 'call', 'tenant', 'app', 'policy', 'media', 'refusal', 'roster', 'heard'],
  unrecorded: ['state', 'since', 'call', 'why', 'tenant', 'app', 'policy', 'refusal', 'roster', 'heard'],
  ended: ['state', 'endedAt', 'call', 'end', 'tenant', 'app', 'policy', 'total', 'refusal', 'roster'],
};

/** The columns of a tab; the name of one is its class. */
export const columnsOf = (view: ViewName): readonly (Column & { readonly name: ColumnName })[] =>
  shown[view].map((name) => ({ name, ...columns[name] }));
