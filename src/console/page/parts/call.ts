import type { CallRow } from '../../row.ts';
import { ApiError, type CallDetail, closeCall, readCall } from '../api.ts';
import { html, useEffect, useLayoutEffect, useRef, useState, type VNode } from '../vendor/preact.ts';
import { attentionText, attentionWords, reasonText, rosterWords, shortId, size } from '../words.ts';
import { Ago, Clock, Lamp } from './bits.ts';
import { Chart } from './chart.ts';
import { type Context, mayAct } from './context.ts';
import { ReasonDialog } from './dialog.ts';
import { HoldDialog } from './holds.ts';
import { Timeline } from './timeline.ts';

const readEveryMs = 5000;
const settleMs = 250;

interface Props {
  readonly context: Context;
  readonly id: string;
  readonly back: () => void;
}

/** One call: its state, what can be done about it, and its evidence. */
export function CallPage({ context, id, back }: Props): VNode {
  const { model, now } = context;
  const [detail, setDetail] = useState<CallDetail | undefined>(undefined);
  const [failure, setFailure] = useState('');
  const [asking, setAsking] = useState<'close' | 'hold' | undefined>(undefined);
  const heading = useRef<HTMLHeadingElement>(null);
  const live = model.rows.get(id);
  useLayoutEffect(() => heading.current?.focus(), [id]);
  useEffect(() => {
    let isOver = false;
    const read = (): void => {
      readCall(id).then(
        (found) => {
          if (isOver) return;
          setDetail(found);
          setFailure('');
        },
        (error: unknown) => {
          if (isOver) return;
          if (error instanceof ApiError && error.status === 404) setDetail(undefined);
          setFailure(error instanceof Error ? error.message : String(error));
        },
      );
    };
    const soon = setTimeout(read, detail === undefined ? 0 : settleMs);
    const timer = setInterval(read, readEveryMs);
    return () => {
      isOver = true;
      clearTimeout(soon);
      clearInterval(timer);
    };
    // The row is another object whenever something was told of the call.
  }, [id, live]);

  const row = newest(live, detail);
  const title = html`
    <div class="title">
      <button onClick=${back}>← Back</button>
      <h1 tabindex="-1" ref=${heading}>Call ${id}</h1>
    </div>
  `;
  if (row === undefined)
    return html`<main class="call">
      ${title}
      <p role="status">${failure === '' ? 'Reading …' : failure}</p>
    </main>`;
  const close = async (reason: string): Promise<void> => {
    const { told, isUnderWay } = await closeCall(id, reason);
    context.tell(closedWords(id, told, isUnderWay));
  };
  const { tenant } = row;
  return html`
    <main class="call">
      ${title}
      <div class="standing">
        <span class="big"><${Lamp} state=${row.state} /></span>
        <span>for <${Ago} at=${row.since} now=${now} />, since <${Clock} at=${row.since} /> UTC</span>
        ${
          mayAct(context) &&
          row.state !== 'ended' &&
          html`
            <button class="danger" onClick=${() => setAsking('close')}>Close by hand …</button>
            ${tenant !== null && html`<button onClick=${() => setAsking('hold')}>Hold this tenant …</button>`}
          `
        }
      </div>
      ${
        row.attention.length > 0 &&
        html`<ul class="attention">
          ${row.attention.map((kind) => html`<li key=${kind}><strong>${attentionWords[kind]}.</strong> ${attentionText(kind)}</li>`)}
        </ul>`
      }
      ${row.notRecordedBecause !== null && html`<p class="why">${row.notRecordedBecause}</p>`}
      ${!row.enforced && html`<p class="why">The laws were not enforced for this call.</p>`}
      <${Facts} row=${row} detail=${detail} now=${now} />
      ${row.state === 'recording' && html`<${Chart} model=${model} id=${id} />`}
      <h2>Evidence</h2>
      ${failure !== '' && html`<p class="failure" role="status">${failure}</p>`}
      ${detail !== undefined && html`<${Timeline} evidence=${detail.evidence} />`}
      ${
        asking === 'close' &&
        html`
          <${ReasonDialog}
            title=${`Close call ${shortId(id)} by hand`}
            confirm="Close the gate"
            act=${close}
            close=${() => setAsking(undefined)}
          >
            <p>
              The gate of this call closes on every instance, writes in progress end, and Graph is told that
              the recording has ended where there is a credential. The call itself goes on. Recording starts
              again only if the bot requests it and Graph confirms it.
            </p>
          <//>
        `
      }
      ${
        asking === 'hold' &&
        tenant !== null &&
        html`<${HoldDialog} context=${context} scope=${{ tenant }} close=${() => setAsking(undefined)} />`
      }
    </main>
  `;
}

function closedWords(id: string, told: 'graph' | 'nobody' | null, isUnderWay: boolean): string {
  const call = `Call ${shortId(id)}`;
  if (isUnderWay) return `${call}: the gate is closed. Writes in progress end; then Graph is told.`;
  return told === 'nobody'
    ? `${call}: the gate is closed. Graph was not told, since there is no credential for it; participants may still see a recording.`
    : `${call}: the gate is closed, and Graph was told.`;
}

/** Events tell of changes at once, but not of how the counts of an open interval grow. */
function newest(live: CallRow | undefined, detail: CallDetail | undefined): CallRow | undefined {
  if (live === undefined || detail === undefined) return live ?? detail;
  const { epoch, writes, bytes, lastHeard } = detail;
  return epoch === live.epoch && writes > live.writes ? { ...live, writes, bytes, lastHeard } : live;
}

interface FactsProps {
  readonly row: CallRow;
  readonly detail: CallDetail | undefined;
  readonly now: number;
}

function Facts({ row, detail, now }: FactsProps): VNode {
  const { lastRefusal } = row;
  const stored = detail === undefined ? '…' : detail.storeAnswered ? undefined : 'The store does not answer.';
  const refusal =
    lastRefusal === null
      ? 'none'
      : html`<${Ago} at=${lastRefusal.at} now=${now} /> ago:
          ${reasonText(lastRefusal.reason) ?? lastRefusal.reason} (<code>${lastRefusal.reason}</code>)`;
  const facts: readonly (readonly [string, unknown])[] = [
    ['Tenant', row.tenant === null ? 'not known' : html`<code>${row.tenant}</code>`],
    ['Bot (application)', row.app === null ? 'not known' : html`<code>${row.app}</code>`],
    ['Policy', row.policy ?? 'not known'],
    ['Epoch', row.epoch === 0 ? 'never started' : row.epoch],
    ['Interval opened', row.openedAt === null ? 'never' : html`<${Clock} at=${row.openedAt} /> UTC`],
    ['Admitted in it', `${row.writes} writes, ${size(row.bytes)}`],
    ['Refused writes', row.refused],
    ...(row.observed > 0 ? [['Writes that would have been refused', row.observed] as const] : []),
    ['Last refusal', refusal],
    ['Roster', rosterWords[row.roster]],
    ['Last heard', row.lastHeard === null ? 'never' : html`<${Ago} at=${row.lastHeard} now=${now} /> ago`],
    ['Holders', stored ?? holdersOf(detail)],
    ['Outstanding at Graph', stored ?? exchangeOf(detail)],
    ['States from Graph', stored ?? (detail?.notified?.states.join(', ') || 'none')],
  ];
  return html`
    <dl class="facts">
      ${facts.map(
        ([name, value]) =>
          html`<div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  `;
}

const holdersOf = (detail: CallDetail | undefined): unknown =>
  detail?.holders === null || detail?.holders === undefined || detail.holders.length === 0
    ? 'none'
    : detail.holders.map(
        ({ instance, epoch }) => html`<code key=${instance} title=${`epoch ${epoch}`}>${instance} </code>`,
      );

function exchangeOf(detail: CallDetail | undefined): string {
  const exchange = detail?.exchange;
  if (exchange === null || exchange === undefined) return 'nothing';
  const { kind, operation } = exchange;
  return operation === undefined ? `a ${kind}` : `a ${kind}, operation ${operation}`;
}
