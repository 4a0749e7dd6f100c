import { burnRates } from './burn-rates.ts';
import { laws } from './laws.ts';
import { credentials, evidence, service, store } from './service.ts';
import type { AlertCase } from './shape.ts';

export const alertCases: readonly AlertCase[] = [
  ...burnRates,
  ...laws,
  ...store,
  ...evidence,
  ...credentials,
  ...service,
];
