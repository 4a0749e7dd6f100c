import { buildPatched } from '../test/support/patched-proxy.ts';

const find = 'admitNow(call, who, beganAt) {';
/** Any call, any caller, no session, no policy: what is left is the proxying. */
const yes = `${find}
        return granted(new Write((this.alwaysYes ??= new Grant(call, 'none', { epoch: 1, binding: null }, 0)), 'write', () => true));`;

/** A copy of the built proxy whose gate lets everything in, to see what the gate costs; returns its program. */
export const buildAlwaysYes = (directory: string): string =>
  buildPatched(directory, { file: 'gate/admit.js', find, replace: yes });
