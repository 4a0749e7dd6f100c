import { Fault, isFault } from '../core/errors.ts';

/** What an adapter finds wrong with its configuration is reported with the name of the setting. */
export function named<T>(setting: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw isFault(error, 'ConfigurationInvalid') ? withSetting(setting, error) : error;
  }
}

/** The same fault with the name of the setting in front of everything that it says. */
export const withSetting = (setting: string, fault: Fault): Fault =>
  new Fault(fault.code, `${setting}: ${fault.message}`, {
    cause: fault,
    lines: fault.lines.map((line) => `${setting}: ${line}`),
  });
