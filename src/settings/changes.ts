import { isDeepStrictEqual } from 'node:util';
import type { Settings } from './settings.ts';
import { settings, type SettingRow } from './table.ts';

/** Settings that are not called as their rows are. */
const rowOf: Readonly<Record<string, SettingRow>> = {
  ...settings,
  graphCredentials: settings.graphCredential,
  observation: settings.observeUntil,
  requestStart: settings.requestStartHeader,
  tls: settings.tlsCertFile,
  console: settings.consolePort,
};

const flat = ({ limits, ...others }: Settings): Readonly<Record<string, unknown>> => ({
  ...others,
  ...limits,
});

/** The names of the settings whose values differ. */
export function changedSettings(before: Settings, after: Settings): string[] {
  const [old, now] = [flat(before), flat(after)];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return keys.flatMap((key) => {
    const row = rowOf[key];
    return row === undefined || isDeepStrictEqual(old[key], now[key]) ? [] : [row.name];
  });
}
