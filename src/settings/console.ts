import { z } from 'zod';
import { host, hostNames, operatorIssuer, wholeNumber } from './shapes.ts';

/** The console: a listener of its own, for people. */
export const consoleSettings = {
  consolePort: {
    name: 'TALLYLIGHT_CONSOLE_PORT',
    default: '',
    description:
      'Port of the console, where operators see calls, close them and set holds; 0: any free port. If absent, there is no console; in the sandbox, the default is the fifth port after `TALLYLIGHT_PORT`.',
    schema: wholeNumber(0, 65_535),
  },
  consoleHost: {
    name: 'TALLYLIGHT_CONSOLE_HOST',
    default: '127.0.0.1',
    description:
      'Address on which the console listens. On a loopback address it speaks plain http; any other address needs the TLS files, which it then uses, and `TALLYLIGHT_CONSOLE_ISSUERS`.',
    schema: host,
    only: 'proxy',
  },
  consoleHosts: {
    name: 'TALLYLIGHT_CONSOLE_HOSTS',
    default: '',
    description:
      'Host names by which browsers reach the console, such as `console.example`, without ports. Requests with another `Host` are refused. `TALLYLIGHT_CONSOLE_HOST` and, on a loopback address, `localhost` are always accepted.',
    schema: hostNames,
    structured: true,
    only: 'proxy',
  },
  consoleIssuers: {
    name: 'TALLYLIGHT_CONSOLE_ISSUERS',
    default: '',
    description:
      'Accepted issuers of the tokens of operators: a list of `{ issuer, audience, jwksUri, tenants, tenantsClaim, subjectClaim, algorithms }`. The claim `roles` must hold `Tallylight.View` or `Tallylight.Operate`. If `tenantsClaim` names a claim, a token is limited to the tenants in it. If absent, whoever reaches the console on loopback may do everything.',
    schema: z.array(operatorIssuer).min(1),
    structured: true,
    only: 'proxy',
  },
} as const;
