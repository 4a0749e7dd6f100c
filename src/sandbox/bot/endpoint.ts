import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import {
  listen,
  monotonic,
  parseJson,
  readBody,
  reply,
  send,
  type Listening,
  type ListenOptions,
} from '../loopback.ts';
import { answerInvitations, type AnsweredCall, type Answering } from './answers.ts';

/** What the endpoint was sent. */
export interface ReceivedNotification {
  /** Monotonic, ms. */
  readonly at: number;
  readonly method: string;
  /** With the query, as received. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const answerSchema = z.strictObject({
  /** A status, or how the connection is left: destroyed, or open without an answer. */
  status: z.union([z.int().min(200).max(599), z.enum(['reset', 'none'])]).default(202),
  headers: z.record(z.string(), z.string()).default({}),
  /** Sent as JSON; a string is sent as it is. */
  body: z.unknown().optional(),
  /** How long the answer is kept back, ms. */
  delayMs: z.number().min(0).default(0),
  /** How many notifications it is for. */
  times: z.int().min(1).default(1),
});

export type BotAnswer = z.input<typeof answerSchema>;
type Rule = z.output<typeof answerSchema>;

export interface BotEndpoint {
  readonly url: string;
  /** Everything received, in order, tokens included. */
  readonly received: readonly ReceivedNotification[];
  /** The invitations that the bot has answered, with the answers that it got. */
  readonly answered: readonly AnsweredCall[];
  /** Says how the next notifications are answered; usually with 202. */
  script(rule: BotAnswer): void;
  /** From now on invitations by a recording policy are answered through the proxy; undefined: no more. */
  answerCalls(answering: Answering | undefined): void;
  /** Nobody listens any more: connections are refused. */
  goDown(): Promise<void>;
  /** Listens again, on the same port. */
  comeUp(): Promise<void>;
  close(): Promise<void>;
}

/** More than a proxy lets through. */
const maxBodyBytes = 4 * 1024 * 1024;
const anyToken = /eyJ[\w-]+\.[\w-]+(\.[\w-]*)*/g;
const usual: Rule = answerSchema.parse({});

/**
 * The calling webhook of the sandbox's bot: takes what the proxy passes on, and answers 202 unless it was scripted
 * otherwise (`control-table.ts`). Every path but those below `/sandbox` takes notifications.
 */
export async function startBotEndpoint(options: ListenOptions = {}): Promise<BotEndpoint> {
  const received: ReceivedNotification[] = [];
  const answered: AnsweredCall[] = [];
  const rules: { readonly rule: Rule; left: number }[] = [];
  let answering: Answering | undefined;

  const open = (place: ListenOptions): Promise<Listening> =>
    listen(
      createServer((req, res) => {
        serve(req, res).catch(() => res.destroy());
      }),
      place,
    );
  let listening: Listening | undefined = await open(options);
  const { url } = listening;

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = (await readBody(req, maxBodyBytes))?.toString() ?? '';
    const { method = '', url: path = '', headers } = req;
    if (path.startsWith('/sandbox/')) {
      send(res, control(`${method} ${path}`, body));
      return;
    }
    received.push({ at: monotonic(), method, path, headers, body });
    if (answering !== undefined)
      void answerInvitations(answering, headers.authorization, parseJson(body)).then((calls) =>
        answered.push(...calls),
      );
    await answerAs(takeRule(), res);
  }

  function takeRule(): Rule {
    const active = rules.find(({ left }) => left > 0);
    if (active === undefined) return usual;
    active.left -= 1;
    return active.rule;
  }

  function control(request: string, body: string): ReturnType<typeof reply> {
    if (request === 'GET /sandbox/received')
      return reply(200, { received: received.map(withoutTokens), answered });
    if (request !== 'POST /sandbox/answers') return reply(404, { error: 'not found' });
    const rule = answerSchema.safeParse(parseJson(body));
    if (!rule.success) return reply(400, { error: z.prettifyError(rule.error) });
    rules.push({ rule: rule.data, left: rule.data.times });
    return reply(201, {});
  }

  const goDown = async (): Promise<void> => {
    const open = listening;
    listening = undefined;
    await open?.close();
  };

  return {
    url,
    received,
    answered,
    script(given) {
      const rule = answerSchema.parse(given);
      rules.push({ rule, left: rule.times });
    },
    answerCalls(given) {
      answering = given;
    },
    goDown,
    async comeUp() {
      listening ??= await open({ ...options, port: Number(new URL(url).port) });
    },
    close: goDown,
  };
}

async function answerAs({ status, headers, body, delayMs }: Rule, res: ServerResponse): Promise<void> {
  if (delayMs > 0) await sleep(delayMs);
  if (status === 'none') return;
  if (status === 'reset') {
    res.destroy();
    return;
  }
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
  const type = typeof body === 'object' ? { 'content-type': 'application/json' } : {};
  res.writeHead(status, { ...type, ...headers });
  res.end(text);
}

/** For looking at: which token it was can be seen, what it was cannot. */
function withoutTokens({ headers, body, ...rest }: ReceivedNotification): object {
  const { authorization, ...others } = headers;
  const hash =
    authorization === undefined
      ? {}
      : { authorization: `sha256:${createHash('sha256').update(authorization).digest('hex')}` };
  return { ...rest, headers: { ...others, ...hash }, body: body.replace(anyToken, '[token]') };
}
