import { buildPatched } from '../test/support/patched-proxy.ts';

const find = 'admitNow(call, who) {';
/** Any call, any caller, no session, no policy: what is left is the proxying. */
const yes = `${find}
        return granted(new Write((this.alwaysYes ??= new Grant(call, 'none', 1, null)), () => true));`;

/** A copy of the built proxy whose gate lets everything in, to see what the gate costs; returns its program. */
export const buildAlwaysYes = (directory: string): string =>
  buildPatched(directory, { file: 'gate/admit.js', find, replace: yes });
