import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxySettings } from '../../settings/settings.ts';
import { doubtful, type Finding, right, wrong } from '../finding.ts';
import { networkTrouble } from '../network.ts';
import { answererOf, explained } from './answered-by.ts';
import { type Answer, ask, begin, describe, type Exchange } from './ask.ts';
import { pathFor, type Place } from './places.ts';

export const otherAnswerer =
  'Route this origin to the proxy, with paths unchanged: see the edge in front, and the port of the proxy';

export const callPath = (call: string): string => `/v1.0/communications/calls/${call}`;

type Auth = Pick<ProxySettings, 'controlAuth' | 'opaqueGraphTokens'>;

/** Whether the proxy is what answers, and whether header fields pass unchanged on the way to it and back. */
export async function checkWay(
  { setting, url }: Place,
  { controlAuth, opaqueGraphTokens }: Auth,
  call: string,
): Promise<{ readonly findings: readonly Finding[]; readonly isProxy: boolean }> {
  // No token, but something that must arrive: the proxy says whether it found it.
  const headers = { authorization: 'Bearer tallylight-doctor' };
  let answer: Answer;
  try {
    answer = await ask(url + callPath(call), { headers });
  } catch (error) {
    const { why, cure } = networkTrouble(error);
    return { findings: [wrong('notReady', setting, `${url} does not answer: ${why}`, cure)], isProxy: false };
  }
  const who = answererOf(answer);
  const mayBeGraph = controlAuth === 'graph' && opaqueGraphTokens === 'allow';
  if (who.by === 'other' || (who.by === 'graph' && !mayBeGraph)) {
    const text = `${url} answers ${describe(answer)} without Tallylight-Reason, so it is not the proxy that answers`;
    return { findings: [wrong('notReady', setting, text, otherAnswerer)], isProxy: false };
  }
  if (who.by === 'graph')
    return { findings: [right(setting, `${url} is answered by Graph through the proxy`)], isProxy: true };
  return { findings: [...changed(setting, url, answer, who)], isProxy: true };
}

function* changed(
  setting: string,
  url: string,
  answer: Answer,
  { reason, inHeader }: Extract<ReturnType<typeof answererOf>, { by: 'proxy' }>,
): Iterable<Finding> {
  if (!inHeader)
    yield doubtful(
      setting,
      `what is in front of the proxy at ${url} removes the header field Tallylight-Reason from responses, so bots cannot distinguish the proxy's refusals from Graph's`,
      'Let the edge forward all header fields of responses (docs/operate/edges.md)',
    );
  if (reason === 'TokenMissing')
    yield wrong(
      'notReady',
      setting,
      `what is in front of the proxy at ${url} removes or replaces the header field Authorization, so every bot is refused`,
      'Let the edge forward Authorization unchanged (docs/operate/edges.md)',
    );
  else if (reason === 'TokenInvalid' || reason === 'GraphTokenUnreadable') {
    if (inHeader)
      yield right(setting, `the proxy answers at ${url}; Authorization and Tallylight-Reason pass unchanged`);
  } else
    yield doubtful(
      setting,
      `the proxy answers at ${url}, but refuses with ${explained(reason, answer)}`,
      'See /readyz/gates, and docs/reference/reasons.md',
    );
}

/** More than an edge written in Go reads before it forwards an early answer, and less than nginx allows by default. */
const announcedBytes = 512 * 1024;
const piece = Buffer.alloc(1024, 0x20);
/** How long an edge that forwards at once may take, ms. */
const forwardMs = 5000;

/**
 * Whether an edge keeps a body back until it is complete: the proxy refuses an upload without a token before the body has
 * ended. With its length announced, and in chunks: nginx treats the two differently.
 */
export async function checkBuffering(
  { setting, url }: Place,
  { mediaRoutes }: Pick<ProxySettings, 'mediaRoutes'>,
  call: string,
): Promise<readonly Finding[]> {
  const route = mediaRoutes[0];
  if (route === undefined) return [];
  const target = url + pathFor(route.path, call);
  const found = await Promise.all([
    unfinished(target, { 'content-length': announcedBytes }, async ({ end }) => {
      end(Buffer.alloc(announcedBytes - piece.length, 0x20));
      return Promise.resolve('late');
    }),
    unfinished(target, { 'transfer-encoding': 'chunked' }, async ({ answer, write, end }) => {
      // An edge written in Go forwards an early answer once it has read so much.
      write(Buffer.alloc(announcedBytes - piece.length, 0x20));
      const more = await Promise.race([answer, sleep(forwardMs, undefined, { ref: false })]);
      if (more !== undefined) return 'early';
      end();
      return 'late';
    }),
  ]);
  const judged = found.map(({ when, answer, error }): Finding | undefined => {
    if (answer === undefined) {
      const { why, cure } = networkTrouble(error);
      return wrong('notReady', setting, `${target} does not answer an upload: ${why}`, cure);
    }
    if (when === 'late')
      return wrong(
        'notReady',
        setting,
        `what is in front of the proxy at ${url} forwards a request only when its body is complete, so media from before the confirmation may arrive after it and be admitted`,
        'Configure the edge to forward each part of a body as it arrives (docs/operate/edges.md)',
      );
    if (answererOf(answer).by !== 'proxy')
      return wrong(
        'notReady',
        setting,
        `an upload to ${target} is answered with ${describe(answer)} without Tallylight-Reason, so it is not the proxy that answers`,
        otherAnswerer,
      );
    return undefined;
  });
  const trouble = judged.find((finding) => finding !== undefined);
  return [trouble ?? right(setting, `an upload reaches the proxy before its body is complete`)];
}

interface Unfinished {
  /** When the answer came: before the body had ended, or only then. */
  readonly when: 'early' | 'late';
  readonly answer?: Answer;
  readonly error?: unknown;
}

/** Sends the beginning of a body and waits for the answer; `goOn` is done if none comes. */
async function unfinished(
  url: string,
  headers: Readonly<Record<string, string | number>>,
  goOn: (exchange: Exchange) => Promise<Unfinished['when']>,
): Promise<Unfinished> {
  const exchange = begin(url, { method: 'PUT', headers }, 3 * forwardMs);
  exchange.write(piece);
  let when: Unfinished['when'] = 'early';
  try {
    const soon = await Promise.race([exchange.answer, sleep(forwardMs, undefined, { ref: false })]);
    if (soon !== undefined) return { when, answer: soon };
    when = await goOn(exchange);
    return { when, answer: await exchange.answer };
  } catch (error) {
    return { when, error };
  } finally {
    exchange.abandon();
  }
}
