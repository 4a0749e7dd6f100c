import type { ProxySettings } from '../../settings/settings.ts';
import { localAddress } from '../ports.ts';

/** Origin at which others reach the proxy, with the setting that it is from. */
export interface Place {
  readonly setting: string;
  readonly url: string;
}

type Settings = Pick<
  ProxySettings,
  'publicUrl' | 'callbackUrl' | 'callbacks' | 'host' | 'port' | 'adminPort' | 'tls'
>;

/** Where bots reach the proxy; undefined: that cannot be told from the settings. */
export function publicPlace({ publicUrl, host, port, tls }: Settings): Place | undefined {
  const setting = 'TALLYLIGHT_PUBLIC_URL';
  if (publicUrl !== undefined) return { setting, url: publicUrl };
  if (port === 0) return undefined;
  return { setting, url: `${tls === undefined ? 'http' : 'https'}://${localAddress(host)}:${port}` };
}

/** Where Graph reaches the proxy; undefined: it sends nothing there, or that cannot be told. */
export function callbackPlace(settings: Settings): Place | undefined {
  const { callbackUrl, callbacks } = settings;
  if (callbacks.length === 0) return undefined;
  return callbackUrl === undefined
    ? publicPlace(settings)
    : { setting: 'TALLYLIGHT_CALLBACK_URL', url: callbackUrl };
}

/** Where the admin port of this machine's instance is; undefined: on any port. */
export const adminUrl = ({ host, adminPort }: Settings): string | undefined =>
  adminPort === 0 ? undefined : `http://${localAddress(host)}:${adminPort}`;

/** A path that a route matches: every placeholder is the call id, which is that of no call. */
export const pathFor = (route: string, call: string): string =>
  route.replace(/\{[A-Za-z][A-Za-z0-9]*\}/g, call).replace(/\*$/, 'tallylight-doctor');
