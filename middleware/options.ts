import type { Request } from 'express';
import { z } from 'zod';
import type { IssuerConfig } from '../src/auth/issuers.ts';
import type { Policy, PolicyRules } from '../src/core/call/policy.ts';
import type { Binding } from '../src/core/call/state.ts';
import { Fault } from '../src/core/errors.ts';
import { type TokenHeader, tokenHeaders } from '../src/core/http/bearer.ts';
import { type StartUnit, startUnits } from '../src/core/http/request-start.ts';
import type { Log } from '../src/core/ports/log.ts';
import type { Store } from '../src/core/ports/store.ts';
import { isAddressOrNetwork } from '../src/http/client-address.ts';
import { isStampHeader } from '../src/http/request-start.ts';
import type { createMeter } from '../src/metrics/metrics.ts';
import { policySchema, toPolicy } from '../src/policies/schema.ts';

/** The registry of prom-client. */
export type MetricsRegistry = Parameters<typeof createMeter>[0];

/** A policy as in a policy file of the proxy; omitted rules have their strictest value. */
export type PolicyOptions = Pick<Policy, 'name' | 'match'> & Partial<PolicyRules>;

/**
 * Reverse proxies in front that report the start time of a request in a header field; writes that do not come through
 * them are refused.
 */
export interface RequestStartSource {
  /** Header field, such as `X-Request-Start`; its value is a time such as `t=1750000000000`. */
  readonly header: string;
  /** Addresses and networks of the proxies that set it. */
  readonly trustedProxies: readonly string[];
  /** Unit of the time (Unix time). Default `ms`. */
  readonly unit?: StartUnit;
  /** Tolerated difference between their clocks and ours, ms. Default 100. */
  readonly toleranceMs?: number;
}

/** Options of `createGate`. An unknown or invalid option throws `ConfigurationInvalid`, which names it. */
export interface GateOptions {
  /** `memoryStore()`, or `redisStore(url)` of `tallylight/redis`. The gate owns it and closes it. */
  readonly store: Store;
  /** Accepted issuers of tokens, with audience, tenants, applications and roles. */
  readonly issuers: readonly IssuerConfig[];
  /** Policies that restrict callers beyond the two laws; a caller that none matches is under the strictest policy. */
  readonly policies?: readonly PolicyOptions[];
  /** Directory to which the evidence is written: of this instance, or shared by all instances of the store. */
  readonly evidence?: {
    /** Path of the directory; created if it does not exist. */
    readonly directory: string;
  };
  /** How long this instance may admit media without a heartbeat confirmed by the store, ms. Default 5000. */
  readonly sessionTtlMs?: number;
  /** Drain limit: how long admitted writes may continue after a stop, ms. Default 5000. */
  readonly drainMs?: number;
  /** Timeout of a request to Graph, ms. Default 10 000. */
  readonly graphTimeoutMs?: number;
  /** Largest session TTL that any instance of the store may use, ms. Default: `sessionTtlMs`. */
  readonly sessionTtlMaxMs?: number;
  /** Largest Graph timeout that any instance of the store may use, ms. Default: `graphTimeoutMs`. */
  readonly graphTimeoutMaxMs?: number;
  /**
   * Admits a write only if it began after recording was confirmed, according to the proxies in front. Default: not
   * checked.
   */
  readonly requestStart?: RequestStartSource;
  /** Registry of prom-client in which the metrics of the gate are registered. Default: no metrics. */
  readonly registry?: MetricsRegistry;
  /** Default: warnings and errors on standard error. */
  readonly log?: Log;
}

/** Options of `requireRecording`. */
export interface RequireRecordingOptions {
  /** Returns the call id of a request. Default: `req.params.callId`. */
  readonly callId?: (req: Request) => string | undefined;
  /**
   * Header field that carries the token. Default `Authorization`; with the other one, `Authorization` is left to the
   * handler.
   */
  readonly token?: TokenHeader;
}

/** Options of `updateRecordingStatus` and `hangUp`. */
export interface GraphOptions extends Pick<RequireRecordingOptions, 'callId'> {
  /** Origin of Graph. Default `https://graph.microsoft.com`. */
  readonly graphUrl?: string;
  /** Version of the Graph API. Default `v1.0`. */
  readonly version?: 'v1.0' | 'beta';
  /** Returns the credential for Graph on behalf of the caller, with its scheme (`Bearer …`). */
  readonly authorization: (req: Request, who: Binding) => Promise<string>;
}

const has =
  (...methods: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    methods.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');

const isFunction = (value: unknown): boolean => typeof value === 'function';

const isStore = (value: unknown): boolean =>
  has('ping', 'close')(value) &&
  ['calls', 'sessions', 'outbox'].every((part) => has()((value as Record<string, unknown>)[part]));

const texts = z.array(z.string().min(1));

const issuer = z.strictObject({
  issuer: z.string().min(1),
  audience: z.union([z.string().min(1), texts.min(1)]),
  jwksUri: z.string().min(1),
  tenants: texts.exactOptional(),
  apps: texts.exactOptional(),
  roles: texts.exactOptional(),
  algorithms: texts.min(1).exactOptional(),
});

const ms = (least: number, most: number) => z.int().min(least).max(most);

export const gateOptions = z
  .strictObject({
    store: z.custom<Store>(isStore, 'must be a store: memoryStore() or redisStore(url)'),
    issuers: z.array(issuer).min(1),
    policies: z.array(policySchema.transform(toPolicy)).default([]),
    evidence: z.strictObject({ directory: z.string().min(1) }).optional(),
    sessionTtlMs: ms(300, 60_000).default(5000),
    drainMs: ms(0, 60_000).default(5000),
    graphTimeoutMs: ms(100, 60_000).default(10_000),
    sessionTtlMaxMs: ms(300, 60_000).optional(),
    graphTimeoutMaxMs: ms(100, 60_000).optional(),
    requestStart: z
      .strictObject({
        header: z.string().refine(isStampHeader, 'must be the name of a dedicated header field'),
        trustedProxies: z
          .array(
            z.string().refine(isAddressOrNetwork, 'must be an IP address or a network such as 10.0.0.0/8'),
          )
          .min(1),
        unit: z.enum(Object.keys(startUnits) as StartUnit[]).default('ms'),
        toleranceMs: ms(1, 60_000).default(100),
      })
      .optional(),
    registry: z
      .custom<MetricsRegistry>(has('registerMetric', 'metrics'), 'must be a Registry of prom-client')
      .optional(),
    log: z
      .custom<Log>(has('debug', 'info', 'warn', 'error'), 'must have the methods debug, info, warn and error')
      .optional(),
  })
  .refine(({ sessionTtlMs, sessionTtlMaxMs = sessionTtlMs }) => sessionTtlMaxMs >= sessionTtlMs, {
    path: ['sessionTtlMaxMs'],
    message: 'must not be smaller than sessionTtlMs',
  })
  .refine(({ graphTimeoutMs, graphTimeoutMaxMs = graphTimeoutMs }) => graphTimeoutMaxMs >= graphTimeoutMs, {
    path: ['graphTimeoutMaxMs'],
    message: 'must not be smaller than graphTimeoutMs',
  });

const callIdOf = z
  .custom<(req: Request) => unknown>(isFunction, 'must be a function')
  .default(() => (req: Request) => req.params['callId']);

export const requireRecordingOptions = z.strictObject({
  callId: callIdOf,
  token: z.enum(tokenHeaders).default('Authorization'),
});

export const graphOptions = z.strictObject({
  callId: callIdOf,
  graphUrl: z.string().min(1).default('https://graph.microsoft.com'),
  version: z.enum(['v1.0', 'beta']).default('v1.0'),
  authorization: z.custom<GraphOptions['authorization']>(isFunction, 'must be a function'),
});

/** Reads options once, into an object of our own. Throws `ConfigurationInvalid`, which names every wrong option. */
export function readOptions<Schema extends z.ZodType>(schema: Schema, given: unknown): z.output<Schema> {
  const read = schema.safeParse(given);
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path, message }) => {
    const name = path.reduce<string>(
      (text, key) =>
        typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
      '',
    );
    return name === '' ? message : `${name}: ${message}`;
  });
  throw new Fault('ConfigurationInvalid', problems.join('; '));
}
