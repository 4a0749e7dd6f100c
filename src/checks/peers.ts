import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { messageOf } from '../core/errors.ts';
import type { ProxySettings } from '../settings/settings.ts';
import type { outboundFetch } from '../upstream/pool.ts';
import { doubtful, type Finding, right, wrong } from './finding.ts';
import { networkTrouble } from './network.ts';

type Fetch = ReturnType<typeof outboundFetch>['fetch'];

const patienceMs = 5000;

/** Whether Graph is reached, with a certificate that is accepted. */
export async function checkGraph({ graphUrl }: ProxySettings, fetch: Fetch): Promise<readonly Finding[]> {
  const setting = 'TALLYLIGHT_GRAPH_URL';
  try {
    const answer = await fetch(`${graphUrl}/v1.0/`, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(patienceMs),
    });
    return [right(setting, `${graphUrl} answers (${answer.status})`)];
  } catch (error) {
    const { why, cure } = networkTrouble(error);
    return [wrong('notReady', setting, `${graphUrl} cannot be used: ${why}`, cure)];
  }
}

/** Whether handlers and bots accept connections; they may start later. */
export async function checkUpstreams({ mediaRoutes, callbacks }: ProxySettings): Promise<readonly Finding[]> {
  const named = [
    ...mediaRoutes.map(
      ({ upstream }, index) => [`TALLYLIGHT_MEDIA_ROUTES[${index}].upstream`, upstream] as const,
    ),
    ...callbacks.map(({ upstream }, index) => [`TALLYLIGHT_CALLBACKS[${index}].upstream`, upstream] as const),
  ];
  const found = await Promise.all(
    named.map(async ([setting, upstream]): Promise<Finding> => {
      const failure = await connectTo(new URL(upstream));
      const { origin } = new URL(upstream);
      if (failure === undefined) return right(setting, `${origin} accepts connections`);
      const { why, cure } = networkTrouble(failure);
      return doubtful(setting, `${origin} cannot be reached: ${why}`, cure);
    }),
  );
  return mediaRoutes.length > 0
    ? found
    : [
        ...found,
        doubtful(
          'TALLYLIGHT_MEDIA_ROUTES',
          'is not set, so no media passes the gate: the proxy cannot keep a recorder from storing what it has',
          'Name the handlers to which recorders upload, or make sure that nothing is stored without the proxy',
        ),
      ];
}

/** Resolves with the error; undefined: the connection was made. */
const connectTo = ({ hostname, port, protocol }: URL): Promise<Error | undefined> =>
  new Promise((resolve) => {
    const at = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: at, timeout: patienceMs });
    const end = (failure: Error | undefined): void => {
      socket.destroy();
      resolve(failure);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () =>
      end(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })),
    );
    socket.once('error', end);
  });

/** Whether the names under which others reach the proxy can be resolved. */
export async function checkNames({ publicUrl, callbackUrl }: ProxySettings): Promise<readonly Finding[]> {
  const named = [
    ['TALLYLIGHT_PUBLIC_URL', publicUrl],
    ['TALLYLIGHT_CALLBACK_URL', callbackUrl],
  ] as const;
  const found = await Promise.all(
    named.map(async ([setting, url]): Promise<readonly Finding[]> => {
      if (url === undefined) return [];
      const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
      try {
        const addresses = await lookup(host, { all: true });
        return [right(setting, `${host} is ${addresses.map(({ address }) => address).join(', ')}`)];
      } catch (error) {
        return [
          doubtful(
            setting,
            `${host} cannot be resolved from this machine (${(error as NodeJS.ErrnoException).code ?? messageOf(error)})`,
            'Correct the host name, or its DNS record',
          ),
        ];
      }
    }),
  );
  return found.flat();
}
