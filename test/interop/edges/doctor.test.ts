import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { checkBuffering, checkWay } from '../../../src/checks/deployment/edge.ts';
import { startWorld, type World } from '../../support/world.ts';
import { edgeNames, startEdge, type Edge, type Manner } from './edges.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

let edge: Edge | undefined;
afterEach(() => edge?.close());

const mediaRoutes = [
  {
    ...{ path: '/media/{callId}/*', upstream: 'http://store', methods: ['PUT'] },
    reads: 'refuse' as const,
  },
];
const auth = { controlAuth: 'jwt', opaqueGraphTokens: 'refuse' } as const;

describe.each(edgeNames)('tallylight doctor behind %s', (name) => {
  const placeBehind = async (manner: Manner) => {
    edge = await startEdge(name, manner, world.proxy.url);
    return { setting: 'TALLYLIGHT_PUBLIC_URL', url: edge.url };
  };

  test('finds nothing wrong with the recommended configuration', async () => {
    const place = await placeBehind('recommended');
    const { findings, isProxy } = await checkWay(place, auth, randomUUID());
    expect(isProxy).toBe(true);
    expect(findings).toMatchObject([{ status: 'ok' }]);
    expect(await checkBuffering(place, { mediaRoutes }, randomUUID())).toMatchObject([{ status: 'ok' }]);
  });

  test('finds a body that is kept back until it is complete', async () => {
    const found = await checkBuffering(await placeBehind('buffering'), { mediaRoutes }, randomUUID());
    expect(found).toMatchObject([
      { status: 'fail', text: expect.stringContaining('only when its body is complete') },
    ]);
  });
});
