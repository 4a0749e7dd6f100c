/** What a command or a script answers, in the shapes of RESP2. */
export type Reply = string | number | null | readonly Reply[];

/** An answer that says that a command was refused. */
export class RedisError extends Error {
  override readonly name = 'ReplyError';
}
