import { messageOf } from '../core/errors.ts';
import { type NetworkCause, networkCauseIn, networkCauseOf } from '../core/network-cause.ts';

/** Why a server could not be asked, and what to do. */
interface NetworkTrouble {
  readonly why: string;
  readonly cure: string;
}

/** `text` is what is known of it where the cause is none of the table. */
const described = (cause: NetworkCause | undefined, text: string): NetworkTrouble =>
  cause === undefined
    ? { why: text, cure: 'Check the address, and what answers there' }
    : { why: `${cause.code}: ${cause.why}`, cure: cause.cure };

/** Reads an error. */
export const networkTrouble = (error: unknown): NetworkTrouble =>
  described(networkCauseOf(error), messageOf(error));

/** Reads what an adapter says of a failed request: it names the code of the error. */
export const troubleIn = (text: string): NetworkTrouble => described(networkCauseIn(text), text);
