import { html, useEffect, useRef, useState, type VNode } from '../vendor/preact.ts';
import type { Link } from '../model.ts';
import { count } from '../words.ts';

/** A screen reader is told of new calls that need attention at most so often. */
const quietMs = 15_000;

interface Props {
  readonly link: Link['kind'];
  /** The ids of the calls that need attention. */
  readonly attention: readonly string[];
  /** What came of the last act. */
  readonly message: string;
}

interface Known {
  readonly link: Link['kind'];
  readonly ids: ReadonlySet<string>;
  readonly saidAt: number;
}

/**
 * Says what somebody who does not see the page has to know: that it is out of date, that calls have come to need attention,
 * what came of an act. Nothing else that moves is announced.
 */
export function Announcer({ link, attention, message }: Props): VNode {
  const [text, setText] = useState('');
  const known = useRef<Known>({ link: 'connecting', ids: new Set(), saidAt: -Infinity });
  useEffect(() => {
    const before = known.current.link;
    known.current = { ...known.current, link };
    if (link === 'lost') setText('No connection to the console. What is shown may be out of date.');
    else if (link === 'live' && before === 'lost') setText('Connected again.');
  }, [link]);
  useEffect(() => {
    if (message !== '') setText(message);
  }, [message]);
  useEffect(() => {
    const { ids, saidAt } = known.current;
    const isNew = attention.some((id) => !ids.has(id));
    const isFirst = saidAt === -Infinity;
    if (link !== 'live' || (!isNew && !isFirst) || performance.now() - saidAt < quietMs) return;
    known.current = { link, ids: new Set(attention), saidAt: performance.now() };
    if (!isFirst) setText(`${count(attention.length, 'call needs', 'calls need')} attention.`);
  });
  return html`<div class="unseen" role="status" aria-live="polite" aria-atomic="true" id="announcer">
    ${text}
  </div>`;
}
