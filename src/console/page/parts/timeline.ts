import type { EvidenceRecord } from '../../../core/call/evidence.ts';
import { sentenceOf } from '../records.ts';
import { html, type VNode } from '../vendor/preact.ts';
import { fullTime, stateWords } from '../words.ts';

/** The evidence of a call in words, newest first; each record as it stands in the journal can be unfolded. */
export function Timeline({ evidence }: { readonly evidence: readonly EvidenceRecord[] }): VNode {
  if (evidence.length === 0) return html`<p>The journal has no record of this call yet.</p>`;
  return html`
    <ol class="timeline" reversed>
      ${evidence.map((record) => {
        const { seq, at, from, to, hash, event } = record;
        const { text, more } = sentenceOf(record);
        return html`
          <li key=${hash} data-event=${event} data-state=${to}>
            <p class="what">
              <time datetime=${at}>${fullTime(at)}</time>
              <strong>${text}</strong>
              ${from !== to && html`<span class="step">${stateWords[from]} → ${stateWords[to]}</span>`}
            </p>
            ${
              more.length > 0 &&
              html`<ul class="more">
                ${more.map((line, index) => html`<li key=${index}>${line}</li>`)}
              </ul>`
            }
            <details>
              <summary>Record ${seq}</summary>
              <pre tabindex="0">${JSON.stringify(record, undefined, 2)}</pre>
            </details>
          </li>
        `;
      })}
    </ol>
  `;
}
